"""Merging of surplus centroids, against Ward's criterion over all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from streamkm.in_memory.ward import merged_to, nearest_others


def ward(centroids, masses, k):
    """Merge the pair of the least increase of the loss, one after another."""
    c, w = centroids.copy(), masses.copy()
    while len(c) > k:
        increases = ((c[:, None] - c) ** 2).sum(axis=2) * (w[:, None] * w) / (w[:, None] + w)
        np.fill_diagonal(increases, np.inf)
        a, b = np.unravel_index(increases.argmin(), increases.shape)
        c[a], w[a] = (w[a] * c[a] + w[b] * c[b]) / (w[a] + w[b]), w[a] + w[b]
        c, w = np.delete(c, b, axis=0), np.delete(w, b)
    return c


def merged(c, w, k, groups=1):
    each = len(c) // groups
    parts = [slice(at * each, (at + 1) * each) for at in range(groups)]
    near = np.concatenate([nearest_others(c, own, np.arange(len(c))) for own in parts])
    return merged_to(c.copy(), w, near, k)


@pytest.mark.parametrize("k", [119, 90, 40])
def test_the_merges_are_those_of_the_least_increases(k):
    rng = np.random.default_rng(k)
    c, w = rng.normal(size=(120, 5)), rng.integers(1, 9, 120).astype(float)
    found, expected = merged(c, w, k, groups=3), ward(c, w, k)
    np.testing.assert_allclose(
        found[np.lexsort(found.T)], expected[np.lexsort(expected.T)], atol=1e-12
    )


def test_centroids_without_rows_are_merged_first_and_move_nothing():
    c, w = np.arange(10.0)[:, None] ** 2, np.ones(10)
    w[[3, 7]] = 0
    assert merged(c, w, 8).ravel().tolist() == np.delete(c, [3, 7]).tolist()


def test_pairs_that_do_not_connect_enough_centroids_leave_the_largest():
    c, w = np.arange(6.0)[:, None], np.array([1.0, 5, 1, 4, 1, 3])
    near = np.repeat(np.arange(6)[:, None], 32, axis=1)
    near[0, 0] = 2  # the only pair
    assert merged_to(c.copy(), w, near.copy(), 3).ravel().tolist() == [1, 3, 5]
    assert merged_to(c.copy(), w, near, 6).tolist() == c.tolist()
