"""Table of the colours of images with their counts, from which palettes are fitted.

Pixels are weighted by their opacity, 0 to 255. Weights are integers, so sums are exact; fully
transparent pixels are not counted.

The table is exact as long as the number of colours is within its bound. With more colours, the
lowest bit of every channel is dropped repeatedly, and each cell stores the sum of its pixels, so
that the means of the cells stay exact. The number of dropped bits, the level, depends only on the
set of all pixels: a part of the pixels never has more cells at a level than all of them. Therefore
the table does not depend on how the pixels are grouped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array
from streamkm.errors import DataError
from streamkm.kernels import interleave, merge, n_runs, runs, separate
from streamkm.passes.base import Statistic

MOST = 2**20
OPAQUE = 255  # opacity of an opaque pixel
_WIDEST = 64  # bits of a key


@dataclass(frozen=True)
class Colours(Statistic):
    """The pixels of each cell of colours, weighted by their opacity.

    Parameters
    ----------
    most : int, maximum number of cells; at least 2**c
    dtype : str, of the pixels, uint8 or uint16
    level : int, dropped low bits of each channel: the smallest number that `most` allows
    keys : ndarray of shape (m,), uint32 or uint64, the cells, ascending [streamkm.kernels.colours]
    opacities : ndarray of shape (m,), int64, sum of the opacity of the pixels of each cell
    sums : ndarray of shape (m, c), int64, sum of opacity times value
    """

    most: int
    dtype: str
    level: int
    keys: npt.NDArray[np.unsignedinteger]
    opacities: npt.NDArray[np.int64]
    sums: npt.NDArray[np.int64]

    @classmethod
    def none(cls, channels: int, most: int = MOST, dtype: npt.DTypeLike = np.uint8) -> Colours:
        """Return the table of no pixels."""
        return cls.from_pixels(np.empty((0, channels), dtype), most)

    @classmethod
    def from_pixels(
        cls,
        pixels: AnyArray,
        most: int = MOST,
        opacity: npt.NDArray[np.uint8] | None = None,
    ) -> Colours:
        """Return the table of pixels with at most 64 bits each.

        Parameters
        ----------
        pixels : ndarray of shape (n, c), uint8 or uint16
        most : int, maximum number of cells
        opacity : ndarray of shape (n,), uint8, or None where all pixels are opaque
        """
        dtype, channels = pixels.dtype, pixels.shape[1]
        if dtype not in (np.uint8, np.uint16) or 8 * dtype.itemsize * channels > _WIDEST:
            raise DataError(
                f"colours of {channels} channels of {dtype} cannot be counted; give uint8 or "
                f"uint16, with at most {_WIDEST} bits per pixel."
            )
        if opacity is None:
            keys, ends = runs(np.sort(interleave(pixels)))
            opacities = OPAQUE * np.diff(ends, prepend=0)
        else:
            visible = opacity > 0
            unsorted, weights = interleave(pixels[visible]), opacity[visible].astype(np.int64)
            order = np.argsort(unsorted)
            keys, ends = runs(unsorted[order])
            opacities = np.diff(np.cumsum(weights[order])[ends - 1], prepend=0)
        sums = separate(keys, channels, dtype) * opacities[:, None]
        return cls(most, dtype.name, 0, keys, opacities, sums).coarsened(most)

    @classmethod
    def combine(cls, parts: Sequence[Colours]) -> Colours:
        some = [part for part in parts if len(part.keys)]
        return reduce(cls._joined, some) if some else parts[0]

    def _joined(self, other: Colours) -> Colours:
        if (self.dtype, self.channels) != (other.dtype, other.channels):
            raise DataError(
                f"colours of {self.channels} channels of {self.dtype} and of {other.channels} of "
                f"{other.dtype} cannot share a table; make a palette for each kind of image."
            )
        level = max(self.level, other.level)
        a, b = self._at(level), other._at(level)
        table = merge((a.keys, a.opacities, a.sums), (b.keys, b.opacities, b.sums))
        return Colours(self.most, self.dtype, level, *table).coarsened(self.most)

    @property
    def channels(self) -> int:
        return int(self.sums.shape[1])

    @property
    def complete(self) -> bool:
        """Whether every cell has exactly one colour."""
        return self.level == 0

    @property
    def n_pixels(self) -> float:
        """Sum of the opacity of all pixels, in units of an opaque pixel."""
        return int(self.opacities.sum()) / OPAQUE

    @property
    def values(self) -> Float64Array:
        """Mean colour of each cell, of shape (m, c)."""
        values: Float64Array = self.sums / self.opacities[:, None]
        return values

    @property
    def weights(self) -> Float64Array:
        """Sum of the opacity of each cell, of shape (m,), in units of an opaque pixel."""
        weights: Float64Array = self.opacities / OPAQUE
        return weights

    def coarsened(self, most: int) -> Colours:
        """Return the table of the same pixels at the lowest level with at most `most` cells."""
        level = self.level
        while n_runs(self.keys, (level - self.level) * self.channels) > max(most, 2**self.channels):
            level += 1
        return self._at(level)

    def _at(self, level: int) -> Colours:
        if level == self.level:
            return self
        keys, ends = runs(self.keys, (level - self.level) * self.channels)
        starts = np.concatenate([[0], ends[:-1]])
        opacities, sums = (
            np.add.reduceat(part, starts, axis=0) for part in (self.opacities, self.sums)
        )
        return Colours(self.most, self.dtype, level, keys, opacities, sums)
