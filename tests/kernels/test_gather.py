"""One sweep gives labels, distances, and the sums of the clusters."""

from __future__ import annotations

import numpy as np
import pytest

from streamkm.kernels import Centroids, add
from tests import reference
from tests.conftest import mixture, tile


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("d", "k"), [(1, 2), (3, 17), (4, 3), (3, 203), (7, 60), (8, 9), (40, 150)]
)
def test_sums_counts_and_loss_are_weighted(d, k, dtype):
    x = tile(mixture(1500, d, 3, dtype=dtype))
    centroids = x[:k].astype(np.float64)
    weights = tile(np.random.default_rng(0).random(len(x)))
    sums, counts = np.ones((k, d)), np.ones(k)  # added to, not overwritten
    labels, d2, loss = Centroids(centroids, dtype).gather(x, weights, sums, counts)
    plain, plain_d2 = Centroids(centroids, dtype).nearest(x)
    assert np.array_equal(labels, plain)
    assert np.array_equal(d2, plain_d2)
    np.testing.assert_allclose(loss, weights @ d2, rtol=1e-12)
    np.testing.assert_allclose(counts - 1, np.bincount(labels, weights, k), atol=1e-12)
    for c in np.unique(labels):
        mine = labels == c
        want = (weights[mine, None] * x[mine].astype(np.float64)).sum(axis=0)
        np.testing.assert_allclose(sums[c] - 1, want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("d", "k"), [(3, 30), (3, 300), (20, 9)])
def test_a_gap_is_never_more_than_it_is(d, k):
    """The bound by which a row keeps its label without a read must not be too large."""
    x = tile(mixture(3000, d, 9, offset=100.0))
    centroids = x[:k].astype(np.float64) + 0.1
    _, _, gaps = Centroids(centroids, np.float32).nearest_and_gaps(x)
    apart = np.sort(reference.squared_distances(x, centroids), axis=1)
    true = apart[:, 1] - apart[:, 0]
    assert (gaps <= true + 1e-9 * apart[:, 1]).all()
    assert np.median(gaps / true) > 0.9


def test_rows_with_known_labels_are_added_and_those_without_are_left_out():
    x, weights = tile(mixture(40, 3, 2)), tile(np.random.default_rng(1).random(40))
    labels, d2 = tile(np.arange(40, dtype=np.int32) % 5 - 1), tile(np.arange(40.0))
    sums, counts = np.ones((4, 3)), np.ones(4)
    loss = add(x, weights, labels, d2, sums, counts)
    assert loss == pytest.approx(weights[labels >= 0] @ d2[labels >= 0])
    for c in range(4):
        mine = labels == c
        np.testing.assert_allclose(sums[c] - 1, weights[mine] @ x[mine].astype(np.float64))
        np.testing.assert_allclose(counts[c] - 1, weights[mine].sum())
