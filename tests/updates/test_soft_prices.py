"""First prices of bounded clusters: nearly all clusters have allowed sizes."""

from __future__ import annotations

import numpy as np
import pytest

from streamkm.engine import map_reduce
from streamkm.in_memory.size_bounds import SizeBounds
from streamkm.in_memory.soft_prices import soft_prices
from streamkm.passes import SoftSizes
from streamkm.rows import rows_in_memory
from tests.reference import squared_distances

K = 12
RNG = np.random.default_rng(4)
CENTROIDS = RNG.normal(size=(K, 3)) + 1e3
X = CENTROIDS[RNG.choice(K, 700, p=np.arange(1, K + 1) / 78)] + RNG.normal(size=(700, 3))


def sizes_under(prices):
    nearest = (squared_distances(X, CENTROIDS) + prices).argmin(axis=1)
    return np.bincount(nearest, minlength=K)


def test_shares_are_those_of_plain_arithmetic():
    prices, temperature = RNG.normal(size=K), 2.5
    sums = (squared_distances(X, CENTROIDS) + prices) / temperature
    shares = np.exp(-sums + sums.min(axis=1, keepdims=True))
    expected = (shares / shares.sum(axis=1, keepdims=True)).sum(axis=0)
    found = map_reduce(SoftSizes(CENTROIDS, prices, temperature), rows_in_memory(X, None))
    np.testing.assert_allclose(found.sizes, expected, rtol=1e-7)


@pytest.mark.parametrize(("low", "high"), [(0, 61), (56, 700), (56, 61)])
def test_few_rows_are_beyond_the_bounds(low, high):
    bounds = SizeBounds(np.full(K, low), np.full(K, high))
    assert bounds.surplus(sizes_under(np.zeros(K))) > 90
    prices = soft_prices(rows_in_memory(X, None), CENTROIDS, bounds)
    assert bounds.surplus(sizes_under(prices)) < 20


def test_only_full_clusters_have_positive_and_only_least_full_ones_negative_prices():
    bounds = SizeBounds(np.full(K, 30), np.full(K, 80))
    prices = soft_prices(rows_in_memory(X, None), CENTROIDS, bounds)
    sizes = sizes_under(prices)
    assert (sizes[prices > 0] > 70).all()
    assert (sizes[prices < 0] < 40).all()
    assert (prices > 0).any()
    assert (prices < 0).any()


def test_equal_centroids_have_no_prices():
    bounds = SizeBounds(np.zeros(3, int), np.full(3, 300))
    assert not soft_prices(rows_in_memory(X, None), np.zeros((3, 3)), bounds).any()
