from __future__ import annotations

import numpy as np
import pytest

from streamkm.passes import Lloyd
from streamkm.rows import Block
from tests import reference
from tests.conftest import mixture


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_statistic_is_the_oracles(dtype, weighted):
    x = np.abs(mixture(3000, 5, 6) * 5).astype(dtype)
    weights = np.random.default_rng(0).random(3000) if weighted else None
    centroids = x[:6].astype(np.float64) + 0.3
    got = Lloyd(centroids)(Block.from_values(x, weights))
    of_row = reference.labels(x, centroids)
    want = reference.means(x, of_row, 6, weights)
    np.testing.assert_allclose(got.means(centroids), want, rtol=1e-12)
    loss = reference.inertia(x, centroids, weights)
    assert got.inertia(centroids) == pytest.approx(loss, rel=1e-12)


def test_the_loss_of_integers_does_not_cancel():
    """Rows near 60,000 that differ by ones: |x|^2 sums to 1e14, the loss to about 1e4."""
    x = (60_000 + np.random.default_rng(0).integers(0, 3, (10_000, 2))).astype(np.uint16)
    centroids = np.array([[60_000.9, 60_001.0], [60_002, 60_000]])
    got = Lloyd(centroids)(Block.from_values(x)).inertia(centroids)
    assert got == pytest.approx(reference.inertia(x, centroids), rel=1e-12)


@pytest.mark.parametrize("offset", [0, 1e6])
def test_the_variance_comes_with_the_first_step(offset):
    x = mixture(2000, 4, 3, offset=offset, dtype=np.float64)
    centroids = x[:3]
    got = Lloyd(centroids)(Block.from_values(x)).variance(centroids)
    assert got == pytest.approx(x.var(axis=0).mean(), rel=1e-9)


def test_a_weight_of_two_is_the_row_twice():
    x = mixture(400, 3, 4)
    weights = np.random.default_rng(0).integers(0, 3, 400)
    centroids = x[:4].astype(np.float64)
    weighted = Lloyd(centroids)(Block.from_values(x, weights))
    repeated = Lloyd(centroids)(Block.from_values(np.repeat(x, weights, axis=0)))
    np.testing.assert_allclose(weighted.sums, repeated.sums, rtol=1e-12)
    assert np.array_equal(weighted.counts, repeated.counts)
