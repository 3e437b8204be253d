"""The colours of images and how often each occurs: all that a palette is fitted to.

The table is exact while the colours fit. Where there are more, the lowest bit of every channel is
left out, as often as it takes, and cells remember the sum of their pixels, so that their means stay
exact. How often that is hangs on all pixels together and not on who met whom first: the cells of a
part at a level are never more than those of the whole. So any grouping gives the same table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.errors import DataError
from streamkm.kernels import interleave, merge, n_runs, runs, separate
from streamkm.passes.base import Statistic

MOST = 2**20
_WIDEST = 64  # bits of a key


@dataclass(frozen=True)
class Colours(Statistic):
    """How many pixels there are in each cell of colours, and the sum of them.

    Parameters
    ----------
    most : int, cells it may hold; never fewer than 2**c
    dtype : str, of the pixels, uint8 or uint16
    level : int, low bits of each channel that are left out: as few as `most` allows
    keys : ndarray of shape (m,), uint32 or uint64, the cells, ascending [streamkm.kernels.colours]
    counts : ndarray of shape (m,), int64, pixels of each
    sums : ndarray of shape (m, c), int64, of the pixels' values
    """

    most: int
    dtype: str
    level: int
    keys: npt.NDArray[np.unsignedinteger]
    counts: npt.NDArray[np.int64]
    sums: npt.NDArray[np.int64]

    @classmethod
    def none(cls, channels: int, most: int = MOST, dtype: npt.DTypeLike = np.uint8) -> Colours:
        """The colours of no pixels."""
        return cls.of(np.empty((0, channels), dtype), most)

    @classmethod
    def of(cls, pixels: npt.NDArray[Any], most: int = MOST) -> Colours:
        """The colours of pixels (n, c), uint8 or uint16, of no more than 64 bits each."""
        dtype, channels = pixels.dtype, pixels.shape[1]
        if dtype not in (np.uint8, np.uint16) or 8 * dtype.itemsize * channels > _WIDEST:
            raise DataError(
                f"colours of {channels} channels of {dtype} cannot be counted; give uint8 or "
                f"uint16, of {_WIDEST} bits a pixel at most."
            )
        keys, ends = runs(np.sort(interleave(pixels)))
        counts = np.diff(ends, prepend=0)
        sums = separate(keys, channels, dtype) * counts[:, None]
        return cls(most, dtype.name, 0, keys, counts, sums).coarsened(most)

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
        table = merge((a.keys, a.counts, a.sums), (b.keys, b.counts, b.sums))
        return Colours(self.most, self.dtype, level, *table).coarsened(self.most)

    @property
    def channels(self) -> int:
        return int(self.sums.shape[1])

    @property
    def complete(self) -> bool:
        """Whether every cell is one colour."""
        return self.level == 0

    @property
    def n_pixels(self) -> int:
        return int(self.counts.sum())

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """The mean colour of each cell (m, c)."""
        values: npt.NDArray[np.float64] = self.sums / self.counts[:, None]
        return values

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """The pixels of each cell (m,)."""
        return self.counts.astype(np.float64)

    def coarsened(self, most: int) -> Colours:
        """The same pixels in no more than `most` cells: at the first level where they are."""
        level = self.level
        while n_runs(self.keys, (level - self.level) * self.channels) > max(most, 2**self.channels):
            level += 1
        return self._at(level)

    def _at(self, level: int) -> Colours:
        if level == self.level:
            return self
        keys, ends = runs(self.keys, (level - self.level) * self.channels)
        starts = np.concatenate([[0], ends[:-1]])
        counts, sums = (np.add.reduceat(part, starts, axis=0) for part in (self.counts, self.sums))
        return Colours(self.most, self.dtype, level, keys, counts, sums)
