"""Minimum and maximum of every feature, and whether the features are too far from zero to sum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.passes.base import Pass, Statistic
from streamkm.rows import Block, Shifted

# Largest ratio of values to their spread for which sums keep the digits that the loss needs. J has
# a relative error of 1e-9 for values of 24 bits, as in float32, so such data are never shifted.
_FAR = 2.0**24
_TINY = 1e-146  # squares of smaller values, and of their differences, lose digits
_ROWS = 1024  # rows of a block; enough to detect that the spread is not small


@dataclass(frozen=True)
class Extent(Statistic):
    """Minimum and maximum of every feature in some rows of every block.

    Parameters
    ----------
    low, high : ndarray of shape (d,), of the stored dtype; of shape (0,) without rows, and NaN of
        features of which there are only gaps
    """

    low: AnyArray
    high: AnyArray

    @classmethod
    def combine(cls, parts: Sequence[Extent]) -> Extent:
        some = [part for part in parts if part.low.size] or list(parts[:1])
        low = reduce(np.fmin, [part.low for part in some])
        return cls(low, reduce(np.fmax, [part.high for part in some]))

    @property
    def shift(self) -> Shifted | None:
        """The shift by the middle of the features, or None where the data are not far from zero."""
        pairs = list(zip(self.low.tolist(), self.high.tolist(), strict=True))
        if not pairs:
            return None
        known = [(low, high) for low, high in pairs if low == low] or [(0.0, 0.0)]
        far = max(max(abs(low), abs(high)) for low, high in known)
        spread = max(high - low for low, high in known)
        if not far > _FAR * spread:
            return None
        middles = (_middle(low, high) if low == low else 0.0 for low, high in pairs)
        return Shifted(tuple(middles), float(spread))

    def refuse_tiny(self) -> None:
        """Raise an error for values whose squares would lose digits or vanish.

        Raises
        ------
        DataError
            With the largest value.
        """
        if self.low.dtype.kind != "f" or not self.low.size:
            return
        most = _largest(self.low, self.high)
        if 0 < most < _TINY:
            raise DataError(
                f"the largest value is {most:.3g}, and squares of values below {_TINY:.0e} are too "
                "small for float64: multiply all data by a constant, such as 2.0**500."
            )


def _middle(low: float, high: float) -> float:
    """Return a float64 at or below the middle of two numbers; a whole number for integers."""
    if isinstance(low, float):
        return low + (high - low) / 2
    middle = low + (high - low) // 2
    rounded = float(middle)
    return rounded if int(rounded) <= middle else math.nextafter(rounded, -math.inf)


@dataclass(frozen=True)
class Extents(Pass[Extent]):
    """Find the extent of rows that are not scaled and have at least 25 bits."""

    def identity(self) -> Extent:
        return Extent(np.empty(0), np.empty(0))

    def __call__(self, block: Block) -> Extent:
        if block.n_rows == 0 or block.scaling is not None or block.dtype == np.float32:
            return self.identity()
        found = _extent(block.values[:: -(-block.n_rows // _ROWS)])
        # Some rows show that not all values are tiny, but only all rows show that all are.
        return found if _largest(found.low, found.high) >= _TINY else _extent(block.values)


def _extent(rows: AnyArray) -> Extent:
    return Extent(np.fmin.reduce(rows, axis=0), np.fmax.reduce(rows, axis=0))


def _largest(low: AnyArray, high: AnyArray) -> float:
    """Return the largest absolute value of all features; NaN if there are only gaps."""
    return float(np.fmax.reduce(np.abs([low, high]), axis=None))
