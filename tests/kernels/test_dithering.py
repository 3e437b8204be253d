"""Error diffusion of single lines, against the definition of Floyd and Steinberg."""

from __future__ import annotations

import numpy as np
import pytest

from streamkm.kernels import Diffusion

RNG = np.random.default_rng(0)
HEIGHT, WIDTH = 5, 7


def defined(values, colours, opacity):
    """Pixel by pixel: 7, 3, 5 and 1 sixteenths of the error, in serpentine order."""
    owed, codes = (
        np.zeros((HEIGHT + 1, WIDTH + 2, colours.shape[1])),
        np.zeros((HEIGHT, WIDTH), int),
    )
    low, high = colours.min(axis=0), colours.max(axis=0)
    for y in range(HEIGHT):
        step = 1 - 2 * (y % 2)
        for x in range(WIDTH)[::step]:
            value = np.clip(values[y, x] + owed[y, x + 1], low, high)
            value = values[y, x] if opacity[y, x] == 0 else value
            codes[y, x] = np.square(colours - value).sum(axis=1).argmin()
            error = opacity[y, x] * (value - colours[codes[y, x]]) / 16
            for dy, dx, share in ((0, step, 7), (1, -step, 3), (1, 0, 5), (1, step, 1)):
                owed[y + dy, x + 1 + dx] += share * error
    return codes


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_lines_are_those_of_the_definition(channels, transparent):
    values = RNG.normal(size=(HEIGHT, WIDTH, channels)) * 3
    colours = RNG.normal(size=(4, channels)) * 2
    opacity = (
        RNG.choice([0.0, 0.5, 1.0], (HEIGHT, WIDTH)) if transparent else np.ones((HEIGHT, WIDTH))
    )
    diffuse, codes = Diffusion(colours, WIDTH), np.full((HEIGHT, WIDTH), 9, np.uint8)
    for y in range(HEIGHT):
        diffuse(values[y], codes[y], opacity[y] if transparent else None)
    assert np.array_equal(codes, defined(values, colours, opacity))


def test_the_first_of_equal_colours_is_taken():
    codes = np.full(3, 9, np.uint8)
    Diffusion(np.array([[1.0], [0.0], [0.0], [1.0]]), 3)(np.array([[0.0], [1.0], [0.2]]), codes)
    assert codes.tolist() == [1, 0, 1]
