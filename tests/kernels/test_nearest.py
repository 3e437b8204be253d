"""A label is the float64 arg-min, for every form, precision and position of the row."""

from __future__ import annotations

import numpy as np
import pytest

from streamkm.kernels import Centroids, squared_distances
from tests import reference
from tests.conftest import mixture, tile


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("d", "k"), [(1, 2), (3, 16), (7, 5), (8, 40), (64, 9), (5, 700), (20, 600), (33, 300)]
)
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_labels_are_the_float64_arg_min(d, k, dtype, offset):
    x = tile(mixture(1031, d, 4, offset=offset, dtype=dtype))
    centroids = x[np.random.default_rng(1).choice(len(x), k)].astype(np.float64) + 0.25
    labels, d2 = Centroids(centroids, dtype).nearest(x)
    exact = reference.squared_distances(x, centroids)
    chosen = exact[np.arange(len(x)), labels]
    # The reference sums in another order, so ties up to 1e-13 are due to its rounding.
    assert (chosen <= exact.min(axis=1) * (1 + 1e-13)).all()
    np.testing.assert_allclose(d2, chosen, rtol=1e-12)


@pytest.mark.parametrize("d", [2, 30])
def test_tight_clusters_far_apart_are_told_apart(d):
    """float32 scores are useless here: clusters 1e-3 wide at a distance of 1e4."""
    rng = np.random.default_rng(0)
    ends = np.where(rng.random(2000) < 0.5, -1e3, 1e3)
    x = tile((ends[:, None] + 1e-3 * rng.normal(size=(2000, d))).astype(np.float32))
    centroids = np.concatenate([x[ends < 0][:3], x[ends > 0][:3]]).astype(np.float64)
    labels, _ = Centroids(centroids, np.float32).nearest(x)
    exact = reference.squared_distances(x, centroids)
    assert (exact[np.arange(len(x)), labels] <= exact.min(axis=1) * (1 + 1e-12)).all()


@pytest.mark.parametrize("scale", [1e-44, 1e-38, 1e-22, 1e-18, 1e10, 1e18, 1e19, 3e37])
@pytest.mark.parametrize("d", [3, 16, 33])
def test_scores_that_under_or_overflow_float32_are_not_trusted(d, scale):
    x = tile((np.random.default_rng(0).normal(size=(2000, d)) * scale).astype(np.float32))
    centroids = x[:20].astype(np.float64) * 1.01
    labels, _ = Centroids(centroids, np.float32).nearest(x)
    exact = reference.squared_distances(x, centroids)
    assert (exact[np.arange(len(x)), labels] <= exact.min(axis=1) * (1 + 1e-12)).all()


@pytest.mark.parametrize("d", [3, 12, 33])
def test_ties_go_to_the_lowest_index(d):
    centroids = np.repeat(np.arange(3.0)[:, None], d, axis=1)[[1, 0, 1, 2, 0]]
    x = tile(np.repeat(np.array([0, 1, 2, 0.5], np.float32)[:, None], d, axis=1))
    labels, _ = Centroids(centroids, np.float32).nearest(x)
    assert labels.tolist() == [1, 0, 3, 0]


@pytest.mark.parametrize("d", [1, 3, 5, 7, 8, 12, 20, 33])
def test_the_first_of_equal_centroids_is_chosen(d):
    """Also where distances are rounded, and for the very first, which is compared apart."""
    rng = np.random.default_rng(0)
    centroids = np.repeat(rng.normal(size=(20, d)), 2, axis=0)
    rows = centroids[rng.integers(0, 40, 5000)] + rng.normal(size=(5000, d))
    x = tile(rows.astype(np.float32))
    labels, _ = Centroids(centroids, np.float32).nearest(x)
    assert (labels % 2 == 0).all()


@pytest.mark.parametrize("d", [3, 40])
def test_a_row_gets_the_same_answer_wherever_it_stands_in_a_tile(d):
    x = tile(mixture(700, d, 6))
    centroids = Centroids(x[:20].astype(np.float64), np.float32)
    labels, d2 = centroids.nearest(x)
    for start in (1, 255, 256, 300):
        moved, moved_d2 = centroids.nearest(x[start:])
        assert np.array_equal(moved, labels[start:])
        assert np.array_equal(moved_d2, d2[start:])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_show_in_their_distance_and_spoil_no_other(bad):
    x = tile(mixture(600, 5, 4))
    clean, clean_d2 = Centroids(x[:7].astype(np.float64), np.float32).nearest(x)
    spoilt = x.copy()
    spoilt[300, 2] = bad
    labels, d2 = Centroids(x[:7].astype(np.float64), np.float32).nearest(tile(spoilt))
    assert not np.isfinite(d2[300])
    others = np.arange(600) != 300
    assert np.array_equal(labels[others], clean[others])
    assert np.array_equal(d2[others], clean_d2[others])


def test_squared_distances_are_direct():
    x, centroids = mixture(50, 4, 2), mixture(3, 4, 2).astype(np.float64)
    got = squared_distances(x, centroids)
    np.testing.assert_allclose(got, reference.squared_distances(x, centroids), rtol=1e-13)


@pytest.mark.parametrize("d", [5, 33])
def test_rows_need_not_lie_one_after_another(d):
    x = tile(mixture(300, d, 2))
    centroids = Centroids(mixture(4, d, 2).astype(np.float64), np.float32)
    labels, _ = centroids.nearest(x)
    assert np.array_equal(centroids.nearest(np.asfortranarray(x))[0], labels)
    assert np.array_equal(centroids.nearest(x[::-1])[0], labels[::-1])


def test_many_rows_in_doubt_of_many_centroids_are_decided_by_distance():
    """Pairs of nearly equal centroids, more than one matrix product holds."""
    x = tile(mixture(500, 50, 5))
    centroids = np.repeat(x[:100].astype(np.float64), 2, axis=0)
    centroids[::2] += 1e-9
    labels, _ = Centroids(centroids, np.float32).nearest(x)
    exact = reference.squared_distances(x, centroids)
    assert (exact[np.arange(len(x)), labels] <= exact.min(axis=1) * (1 + 1e-13)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [33, 300])
@pytest.mark.parametrize("offset", [0.0, 0.5, 1.0, 3.0, 30.0])  # in units of the noise
def test_gaps_hold_for_rows_that_are_moved_and_for_rows_that_are_not(d, offset, dtype):
    """Rows near zero are compared where they are, others about the mean of the centroids."""
    rng = np.random.default_rng(0)
    x = tile((rng.normal(size=(500, d)) + offset).astype(dtype))
    centroids = x[:50].astype(np.float64) + 0.1
    ready = Centroids(centroids, dtype)
    assert ready._ready[1] == (offset > 2)
    labels, _, gaps = ready.nearest_and_gaps(x)
    apart = np.sort(reference.squared_distances(x, centroids), axis=1)
    found = apart[:, 1] - apart[:, 0]
    assert (gaps <= found + 1e-13 * apart[:, 1]).all()
    lost = 200 * (d + 5) * np.finfo(dtype).eps * (1 if ready._ready[1] else 1 + offset)
    assert (gaps >= found - lost * apart[:, 1]).all()
    assert np.array_equal(labels, reference.squared_distances(x, centroids).argmin(axis=1))


@pytest.mark.parametrize("k", [1, 15, 16, 17, 32, 33, 49, 100])
@pytest.mark.parametrize("n", [1, 5, 12, 13, 241, 500])
def test_groups_and_panels_that_are_not_full(k, n):
    rng = np.random.default_rng(k)
    x, centroids = rng.normal(size=(n, 130)), rng.normal(size=(k, 130))
    for dtype in (np.float32, np.float64):
        labels, d2 = Centroids(centroids, dtype).nearest(tile(x.astype(dtype)))
        exact = reference.squared_distances(x.astype(dtype), centroids)
        assert np.array_equal(labels, exact.argmin(axis=1))
        np.testing.assert_allclose(d2, exact.min(axis=1), rtol=1e-12)
