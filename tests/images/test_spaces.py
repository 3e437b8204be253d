"""OKLab equals the definition of its author, and the conversion back is lossless."""

from __future__ import annotations

import numpy as np
import pytest

from streamkm.errors import DataError
from streamkm.images.colour.spaces import check_space, from_space, to_space


@pytest.mark.parametrize(
    ("colour", "lab"),
    [  # white and the primaries, as the CSS Color 4 specification's sample code has them
        ((255, 255, 255), (1.0, 0.0, 0.0)),
        ((255, 0, 0), (0.62796, 0.22486, 0.12585)),
        ((0, 255, 0), (0.86644, -0.23389, 0.17950)),
        ((0, 0, 255), (0.45201, -0.03246, -0.31153)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
    ],
)
def test_known_colours(colour, lab):
    found = to_space(np.array([colour], np.uint8), "oklab", np.uint8)
    np.testing.assert_allclose(found, [lab], atol=2e-4)


@pytest.mark.parametrize("space", ["srgb", "oklab"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_there_and_back(space, dtype):
    high = np.iinfo(dtype).max
    colours = np.random.default_rng(0).integers(0, high + 1, (5000, 3)).astype(dtype)
    colours = np.concatenate([colours, (colours[:500] // 40).astype(dtype)])
    back = from_space(to_space(colours, space, dtype), space, dtype)
    assert back.dtype == dtype
    assert np.array_equal(back, colours)


def test_what_is_no_colour_is_clipped():
    values = np.array([[2.0, 0.4, 0.0], [-1.0, 0.0, 0.0]])
    assert from_space(values, "oklab", np.uint8)[:, 0].tolist() == [255, 0]
    assert from_space(np.array([[-4.0, 300.0]]), "srgb", np.uint8).tolist() == [[0, 255]]


def test_a_space_that_cannot_be_is_refused():
    with pytest.raises(DataError, match="one of srgb, oklab"):
        check_space("lab", 3)
    with pytest.raises(DataError, match="1 channel"):
        check_space("oklab", 1)
