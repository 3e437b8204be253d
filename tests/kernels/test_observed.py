"""Nearest centroids of rows with gaps, compared with direct differences."""

from __future__ import annotations

import numpy as np
import pytest

from streamkm.kernels.observed import ObservedCentroids, _squared
from tests import reference


def gapped(x, share, seed=0):
    x = x.astype(np.float64 if x.dtype.kind != "f" else x.dtype)
    x[np.random.default_rng(seed).random(x.shape) < share] = np.nan
    return x[~np.isnan(x).all(axis=1)]


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("d", "k"), [(1, 3), (7, 40), (70, 5)])
def test_labels_and_distances_are_those_of_the_oracle(d, k, dtype, offset):
    rng = np.random.default_rng(d)
    x = gapped((offset + rng.normal(size=(300, d))).astype(dtype), 0.4)
    centroids = offset + rng.normal(size=(k, d))
    labels, d2 = ObservedCentroids(centroids).nearest(x)
    expected = reference.observed_distances(x, centroids)
    assert np.array_equal(labels, expected.argmin(axis=1))
    np.testing.assert_allclose(d2, expected.min(axis=1), rtol=1e-12)


def test_ties_go_to_the_lowest_index_and_a_gap_hides_a_difference():
    rng = np.random.default_rng(3)
    x = gapped(rng.integers(0, 3, size=(400, 5)), 0.5)
    centroids = rng.integers(0, 3, size=(30, 5)).astype(float)  # many are equally near
    centroids[17] = centroids[4]
    labels, d2 = ObservedCentroids(centroids).nearest(x)
    expected = reference.observed_distances(x, centroids)
    assert (np.diff(np.sort(expected, axis=1)[:, :2]) == 0).mean() > 0.5
    assert np.array_equal(labels, expected.argmin(axis=1))
    assert np.array_equal(d2, expected.min(axis=1))


def test_the_label_is_the_least_computed_difference_where_scores_cannot_tell():
    """Rows at rounding's distance from a boundary, far from zero compared with it."""
    rng = np.random.default_rng(4)
    centroids = np.array([[1e8, 0.0, 5.0], [1e8 + 2.0**-20, 0.0, 5.0], [0.0, 1e8, 5.0]])
    middle = 1e8 + 2.0**-21
    x = np.column_stack(
        [middle + rng.integers(-9, 9, 200) * 2.0**-26, np.zeros(200), np.full(200, 5)]
    )
    x = gapped(x, 0.3)
    labels, _ = ObservedCentroids(centroids).nearest(x)
    each = np.stack([_squared(x, np.broadcast_to(c, x.shape)) for c in centroids], axis=1)
    assert np.array_equal(labels, each.argmin(axis=1))
    assert len(np.unique(labels)) > 1


def test_rows_have_the_same_bits_in_any_strip(monkeypatch):
    rng = np.random.default_rng(5)
    x, centroids = gapped(rng.normal(size=(500, 6)), 0.3), rng.normal(size=(9, 6))
    labels, d2 = ObservedCentroids(centroids).nearest(x)
    monkeypatch.setattr("streamkm.kernels.observed._STRIP", 40)
    again, other = ObservedCentroids(centroids).nearest(x)
    assert np.array_equal(labels, again)
    assert np.array_equal(d2, other)
