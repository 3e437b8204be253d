"""Structural similarity equals that of scikit-image, computed by filters of SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import uniform_filter
from sklearn.datasets import load_sample_image

from streamkm.kernels import structural_similarity as measured

PLANE = load_sample_image("china.jpg")[:120, :150, 1]


def structural_similarity(a, b):
    similarity, weight = measured(a, b)
    assert weight == 1
    return similarity


def defined(a, b, weights=None):
    """The default of scikit-image, by its definition."""
    high = float(np.iinfo(a.dtype).max)
    a, b = a.astype(np.float64), b.astype(np.float64)
    norm = 49 / 48
    ua, ub = uniform_filter(a, 7), uniform_filter(b, 7)
    vaa = norm * (uniform_filter(a * a, 7) - ua * ua)
    vbb = norm * (uniform_filter(b * b, 7) - ub * ub)
    vab = norm * (uniform_filter(a * b, 7) - ua * ub)
    c1, c2 = (0.01 * high) ** 2, (0.03 * high) ** 2
    above = (2 * ua * ub + c1) * (2 * vab + c2)
    similar = (above / ((ua**2 + ub**2 + c1) * (vaa + vbb + c2)))[3:-3, 3:-3]
    windows = None if weights is None else uniform_filter(weights.astype(float), 7)[3:-3, 3:-3]
    return np.average(similar, weights=windows)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("noise", [0.01, 0.1, 1.0])
def test_it_is_scikit_images(dtype, noise):
    high = np.iinfo(dtype).max
    a = (PLANE.astype(np.float64) / 255 * high).astype(dtype)
    moved = a + np.random.default_rng(0).normal(0, noise * high, a.shape)
    b = np.clip(moved, 0, high).astype(dtype)
    assert structural_similarity(a, b) == pytest.approx(defined(a, b), rel=1e-9)
    part = slice(10, 17)  # a single line of windows, of a view
    assert structural_similarity(a[part, 1::2], b[part, 1::2]) == pytest.approx(
        defined(a[part, 1::2], b[part, 1::2]), rel=1e-9
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_bounds(dtype):
    high = np.iinfo(dtype).max
    flat = np.full((40, 30), high, dtype)
    assert structural_similarity(flat, flat) == 1
    assert structural_similarity(flat, np.zeros_like(flat)) == pytest.approx(1e-4, rel=1e-3)
    noisy = np.random.default_rng(0).integers(0, high + 1, (40, 30)).astype(dtype)
    assert structural_similarity(noisy, noisy) == pytest.approx(1, abs=1e-12)


def test_of_less_than_a_window_there_is_none():
    assert np.isnan(structural_similarity(PLANE[:6], PLANE[:6]))
    assert structural_similarity(PLANE[:7, :7], PLANE[:7, :7]) == pytest.approx(1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_windows_are_weighted_by_their_pixels(dtype):
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, np.iinfo(dtype).max, (30, 40)).astype(dtype) for _ in "ab")
    b[:, :20] = a[:, :20]
    weights = rng.choice([0, 3, 255], a.shape).astype(np.uint8)
    weights[:9, 10:] = 0
    similarity, weight = measured(a, b, weights)
    assert similarity == pytest.approx(defined(a, b, weights), rel=1e-9)
    assert weight == pytest.approx(uniform_filter(weights / 255, 7)[3:-3, 3:-3].mean())
    assert measured(a, b, np.full(a.shape, 255, np.uint8)) == pytest.approx(measured(a, b))
    nothing, weight = measured(a, b, np.zeros(a.shape, np.uint8))
    assert np.isnan(nothing)
    assert weight == 0
