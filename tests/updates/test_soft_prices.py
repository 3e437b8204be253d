"""First prices of bounded clusters: nearly all clusters have allowed sizes."""

from __future__ import annotations

import numpy as np
import pytest

from streamkm.in_memory.size_bounds import SizeBounds
from streamkm.in_memory.soft_prices import shared, soft_prices
from tests.reference import squared_distances

K = 12
RNG = np.random.default_rng(4)
CENTROIDS = RNG.normal(size=(K, 3)) + 1e3
X = CENTROIDS[RNG.choice(K, 700, p=np.arange(1, K + 1) / 78)] + RNG.normal(size=(700, 3))


def sizes_under(prices):
    nearest = (squared_distances(X, CENTROIDS) + prices).argmin(axis=1)
    return np.bincount(nearest, minlength=K)


def plain_shares(prices, temperature):
    sums = (squared_distances(X, CENTROIDS) + prices) / temperature
    shares = np.exp(-sums + sums.min(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def test_shares_are_those_of_plain_arithmetic():
    prices, temperature = RNG.normal(size=K), 2.5
    expected = plain_shares(prices, temperature)
    found = shared(X, CENTROIDS, prices, temperature)
    np.testing.assert_allclose(found.sizes, expected.sum(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.overlaps, expected.T @ expected, rtol=1e-4)
    assert (found.largest == sizes_under(prices)).all()


def test_overlaps_give_the_change_of_the_sizes_with_a_price():
    prices, temperature, step = RNG.normal(size=K), 2.5, 1e-4
    found = shared(X, CENTROIDS, prices, temperature)
    for cluster in range(K):
        change = np.where(np.arange(K) == cluster, step, 0.0)
        after, before = (
            plain_shares(p, temperature).sum(axis=0) for p in (prices + change, prices - change)
        )
        slope = (found.overlaps - np.diag(found.sizes))[cluster] / temperature
        np.testing.assert_allclose((after - before) / (2 * step), slope, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("low", "high"), [(0, 61), (56, 700), (56, 61)])
def test_few_rows_are_beyond_the_bounds(low, high):
    bounds = SizeBounds(np.full(K, low), np.full(K, high))
    assert bounds.surplus(sizes_under(np.zeros(K))) > 90
    prices = soft_prices(X, CENTROIDS, bounds)
    assert bounds.surplus(sizes_under(prices)) < 20


def test_only_full_clusters_have_positive_and_only_least_full_ones_negative_prices():
    bounds = SizeBounds(np.full(K, 30), np.full(K, 80))
    prices = soft_prices(X, CENTROIDS, bounds)
    sizes = sizes_under(prices)
    assert (sizes[prices > 0] > 70).all()
    assert (sizes[prices < 0] < 40).all()
    assert (prices > 0).any()
    assert (prices < 0).any()


def test_equal_centroids_have_no_prices():
    bounds = SizeBounds(np.zeros(3, int), np.full(3, 300))
    assert not soft_prices(X, np.zeros((3, 3)), bounds).any()


def test_uneven_rows_of_many_features_keep_few_rows_beyond_tight_bounds():
    # Two far centroids that no row is near have to take their share of the rows.
    rng = np.random.default_rng(0)
    centroids = rng.normal(size=(8, 40))
    centroids[6:] *= 8
    x = (centroids[rng.integers(6, size=800)] + rng.normal(size=(800, 40))).astype(np.float32)
    bounds = SizeBounds(np.zeros(8, int), np.full(8, 104))
    prices = soft_prices(x, centroids, bounds)
    nearest = (squared_distances(x, centroids) + prices).argmin(axis=1)
    assert bounds.surplus(np.bincount(nearest, minlength=8)) <= 8
    assert prices.max() > 1000
