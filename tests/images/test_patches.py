"""Patches contain the complete image, and only its edge is extended."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from streamkm.images.codebook.patches import grid, patches, unpatched, visible_patches

sizes = st.integers(1, 17)


def image(h, w, c, dtype=np.uint8):
    return np.random.default_rng(h * 400 + w * 20 + c).integers(0, 256, (h, w, c)).astype(dtype)


@given(sizes, sizes, st.integers(1, 5), st.integers(1, 9), st.integers(1, 9))
def test_an_image_is_its_patches(h, w, c, down, across):
    pixels = image(h, w, c, np.uint16)
    cut = patches(pixels, (down, across))
    assert cut.shape == (*grid((h, w), (down, across)), down * across * c)
    assert cut.dtype == pixels.dtype
    back = unpatched(cut, (h, w, c), (down, across))
    np.testing.assert_array_equal(back, pixels)


def test_a_patch_is_a_place_of_the_image():
    pixels = image(12, 8, 3)
    np.testing.assert_array_equal(patches(pixels, (4, 4))[2, 1].reshape(4, 4, 3), pixels[8:12, 4:8])


def test_over_the_edge_it_repeats():
    pixels = image(5, 6, 3)
    last = patches(pixels, (4, 4))[1, 1].reshape(4, 4, 3)
    np.testing.assert_array_equal(last, pixels[[4, 4, 4, 4]][:, [4, 5, 5, 5]])


def test_a_single_pixel_fills_a_patch():
    pixels = image(1, 1, 3)
    assert (patches(pixels, (4, 4)).reshape(16, 3) == pixels[0, 0]).all()


def test_patches_of_one_pixel_are_a_view():
    pixels = image(6, 5, 4)
    assert np.shares_memory(patches(pixels, (1, 1)), pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_hidden_pixels_take_the_mean_of_the_visible_ones_of_their_patch(dtype):
    pixels = image(5, 9, 2, dtype)
    opacity = np.full((5, 9), 255, np.uint8)
    opacity[0, 0], opacity[1, :2], opacity[:2, 4:6] = 0, (3, 100), 0
    rows, weights = visible_patches(pixels, opacity, (2, 2))
    assert rows.dtype == dtype
    assert weights.shape == (3, 5)
    assert weights[0].tolist() == [0 + 255 + 3 + 100, 4 * 255, 0, 4 * 255, 4 * 255]
    want = patches(pixels, (2, 2)).copy()
    seen = pixels[[0, 1, 1], [1, 0, 1]].astype(float)
    want[0, 0, :2] = np.rint(np.average(seen, axis=0, weights=[255, 3, 100]))
    want[0, 2] = 0
    np.testing.assert_array_equal(rows, want)
    for opaque in (None, np.full((5, 9), 200, np.uint8)):
        rows, weights = visible_patches(pixels, opaque, (2, 2))
        np.testing.assert_array_equal(rows, patches(pixels, (2, 2)))
        assert (weights == 4 * (255 if opaque is None else 200)).all()
