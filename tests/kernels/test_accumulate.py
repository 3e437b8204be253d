from __future__ import annotations

import numpy as np

from streamkm.kernels import accumulate, squared_length
from tests import reference
from tests.conftest import mixture


def test_sums_counts_and_loss_are_weighted():
    x = mixture(500, 4, 3)
    centroids = x[:3].astype(np.float64)
    of_row = reference.labels(x, centroids).astype(np.int32)
    d2 = reference.squared_distances(x, centroids).min(axis=1)
    weights = np.random.default_rng(0).random(500)
    sums, counts = np.zeros((3, 4)), np.zeros(3)
    loss = accumulate(x, weights, of_row, d2, sums, counts)
    want = reference.means(x, of_row, 3, weights)
    np.testing.assert_allclose(sums / counts[:, None], want, rtol=1e-12)
    np.testing.assert_allclose(loss, reference.inertia(x, centroids, weights), rtol=1e-12)
    np.testing.assert_allclose(counts.sum(), weights.sum(), rtol=1e-12)


def test_squared_length_is_exact_for_wide_tiles_of_large_numbers():
    x = np.random.default_rng(0).integers(65_000, 65_536, (256, 20_001))
    assert squared_length(x.astype(np.float32)) == int((x**2).sum())


def test_squared_length_is_exact_for_whole_numbers():
    x = np.random.default_rng(0).integers(0, 65536, (1000, 3))
    assert squared_length(x.astype(np.float32)) == int((x**2).sum())
