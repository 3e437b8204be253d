"""Search for a palette of a number of colours or of a required quality."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from streamkm.arrays import AnyArray, Float64Array
from streamkm.images.colour.palette import Palette
from streamkm.images.colour.quality import psnr
from streamkm.images.colour.search import fit_palette
from streamkm.images.colour.spaces import space_of
from streamkm.passes import Colours


@dataclass(frozen=True)
class PaletteSearch:
    """A search for the palette of a table of colours.

    Parameters
    ----------
    n_colors : maximum number of colours
    space : 'srgb' or 'oklab'
    n_init : number of starts
    seed : seed of the starts after the first
    quality : PSNR in dB to reach with as few colours as possible, or None
    """

    n_colors: int
    space: str = "srgb"
    n_init: int = 1
    seed: int = 0
    quality: float | None = None

    def __call__(self, colours: Colours) -> Palette:
        """Return the palette of a table; only black if every pixel is fully transparent."""
        if not len(colours.keys):
            space = space_of(colours.channels, self.space)
            return Palette(np.zeros((1, colours.channels), colours.dtype), space)
        best = self._fitted(colours, self.n_colors)
        if self.quality is None or psnr_of(best, colours) < self.quality:
            return best
        least, most = 1, len(best.colours)
        # The error falls with the number of colours, except for the variation of the search.
        while least < most:
            middle = (least + most) // 2
            found = self._fitted(colours, middle)
            if psnr_of(found, colours) >= self.quality:
                best, most = found, middle
            else:
                least = middle + 1
        return best

    def _fitted(self, colours: Colours, k: int) -> Palette:
        return fit_palette(colours, k, space=self.space, n_init=self.n_init, seed=self.seed)


def psnr_of(palette: Palette, colours: Colours) -> float:
    """Return the PSNR in dB of the pixels of a table, encoded by the mean of their cell.

    For a coarse table it does not include the difference of pixels from the mean of their cell.
    Pixels are weighted by their opacity.
    """
    if not colours.n_pixels:
        return math.inf
    nearest = palette.decode(_codes(palette, colours))
    apart = np.square(colours.values - nearest).sum(axis=1)
    error = float(colours.weights @ apart) / (colours.n_pixels * colours.channels)
    return psnr(error, palette.dtype)


def shares_of(palette: Palette, colours: Colours) -> Float64Array:
    """Return the share (k,) of the pixels of a table, by opacity, for each colour of a palette."""
    counts = np.bincount(_codes(palette, colours), colours.weights, len(palette))
    shares: Float64Array = counts / (colours.n_pixels or 1)
    return shares


def _codes(palette: Palette, colours: Colours) -> AnyArray:
    """Return the code (n,) of each cell of a table."""
    return palette.codes(np.rint(colours.values).astype(palette.dtype))
