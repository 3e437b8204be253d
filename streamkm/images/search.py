"""How palettes are searched for: the options of a run, and what becomes of `quality`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from streamkm.images.palette import Palette
from streamkm.images.palette_search import fit_palette
from streamkm.passes import Colours


@dataclass(frozen=True)
class Search:
    """A search for the palette of a table of colours.

    Parameters
    ----------
    n_colors : at most
    space : 'srgb' or 'oklab'
    n_init : starts
    seed : of those after the first
    quality : PSNR in dB that as few colours as can be should reach, or None
    """

    n_colors: int
    space: str = "srgb"
    n_init: int = 1
    seed: int = 0
    quality: float | None = None

    def __call__(self, colours: Colours) -> Palette:
        best = self._of(colours, self.n_colors)
        if self.quality is None or psnr_of(best, colours) < self.quality:
            return best
        least, most = 1, len(best.colours)
        while least < most:  # the error falls with the number, but for the luck of a search
            middle = (least + most) // 2
            found = self._of(colours, middle)
            if psnr_of(found, colours) >= self.quality:
                best, most = found, middle
            else:
                least = middle + 1
        return best

    def _of(self, colours: Colours, k: int) -> Palette:
        space = space_of(colours.channels, self.space)
        return fit_palette(colours, k, space=space, n_init=self.n_init, seed=self.seed)


def psnr_of(palette: Palette, colours: Colours) -> float:
    """PSNR in dB of the pixels of a table, each by the codeword of its cell's mean.

    Of a table that was made coarse, what pixels differ from their cell's mean is not in it.
    """
    nearest = palette.colours[palette.codes(np.rint(colours.values).astype(palette.dtype))]
    apart = np.square(colours.values - nearest).sum(axis=1)
    error = float(colours.weights @ apart) / (colours.n_pixels * colours.channels)
    peak = float(np.iinfo(palette.dtype).max)
    return math.inf if error == 0 else 10 * math.log10(peak**2 / error)


def space_of(channels: int, space: str) -> str:
    """Where colours of so many channels are compared: only those of three have other spaces."""
    return space if channels == 3 else "srgb"
