"""Candidate clusters are those of the least sums of squared distance and price."""

from __future__ import annotations

import numpy as np
import pytest

from streamkm.kernels import cheapest, distances_to
from tests.reference import squared_distances

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("k", "width"), [(1, 1), (5, 5), (40, 16)])
def test_candidates_are_in_the_order_of_their_sums_after_the_label(k, width):
    x, centroids, prices = RNG.normal(size=(150, 3)), RNG.normal(size=(k, 3)), RNG.random(k)
    x = x.astype(np.float32)
    sums = squared_distances(x, centroids) + prices
    expected = np.argsort(sums, axis=1, kind="stable")[:, :width]
    labels = expected[:, 0].astype(np.int32)
    clusters, costs = cheapest(x, centroids, prices, labels, width)
    assert np.array_equal(clusters, expected)
    own = np.take_along_axis(squared_distances(x, centroids), expected, axis=1)
    np.testing.assert_allclose(costs, own)
    assert np.array_equal(distances_to(x, centroids, clusters), costs)


def test_the_label_comes_first_and_equal_centroids_are_in_their_order():
    centroids = np.array([[0.0], [1.0], [1.0], [1.0], [9.0]])
    labels = np.array([2, 1], np.int32)
    clusters, costs = cheapest(np.ones((2, 1), np.float32), centroids, np.zeros(5), labels, 4)
    assert clusters.tolist() == [[2, 1, 3, 0], [1, 2, 3, 0]]
    assert costs.tolist() == [[0, 0, 0, 1]] * 2


def test_equal_sums_are_in_the_order_of_the_clusters():
    centroids, prices = np.array([[4.0], [1.0], [3.0], [1.0], [2.0]]), np.array([0.0, 8, 1, 8, 4])
    clusters, costs = cheapest(
        np.zeros((1, 1), np.float32), centroids, prices, np.zeros(1, "i4"), 5
    )
    assert clusters.tolist() == [[0, 4, 1, 3, 2]]
    assert costs.tolist() == [[16, 4, 1, 1, 9]]
