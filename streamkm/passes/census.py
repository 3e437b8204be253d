"""Counts of rows, of weights and of invalid rows, taken in the first read of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamkm.arrays import FloatArray
from streamkm.errors import DataError, NonFiniteError
from streamkm.passes.base import Pass, Statistic
from streamkm.rows import Block

_NO_ROW = (2**63 - 1, 2**63 - 1)


@dataclass(frozen=True)
class Counted(Statistic):
    """Counts of rows.

    Parameters
    ----------
    rows : all rows
    weighted : rows of positive weight
    negative : rows of negative or non-finite weight
    bad : rows with a feature that is NaN, infinite or too large to square
    first_bad : (row number, block number) of the first bad row
    large : bad rows whose values are finite
    """

    rows: int = 0
    weighted: int = 0
    negative: int = 0
    bad: int = 0
    first_bad: tuple[int, int] = _NO_ROW
    large: int = 0

    @classmethod
    def combine(cls, parts: Sequence[Counted]) -> Counted:
        return cls(
            sum(p.rows for p in parts),
            sum(p.weighted for p in parts),
            sum(p.negative for p in parts),
            sum(p.bad for p in parts),
            min(p.first_bad for p in parts),
            sum(p.large for p in parts),
        )

    def check(self) -> None:
        """Raise an error for rows that no fit can use, or if no row is left.

        Raises
        ------
        NonFiniteError, DataError
            As for `check_values`, and if no row has a positive weight.
        """
        self.check_values()
        if self.rows == 0:
            raise DataError(
                "every row is left out by the mask or as nodata, so there is nothing to cluster."
            )
        if self.weighted == 0:
            raise DataError(
                python="every sample_weight is zero, so there is nothing to cluster.",
                command="every weight is zero, so there is nothing to cluster.",
            )

    def check_values(self) -> None:
        """Raise an error for rows that no fit can use.

        Raises
        ------
        NonFiniteError
            With the number of bad rows, and the row and block of the first.
        DataError
            For negative weights.
        """
        if self.bad:
            raise NonFiniteError(self.bad, *self.first_bad, large=self.large == self.bad)
        if self.negative:
            raise DataError(
                f"{self.negative} rows have a negative or non-finite",
                python="sample_weight; give every row a weight of zero or more.",
                command="weight; give every row a weight of zero or more.",
            )


@dataclass(frozen=True)
class Census(Pass[Counted]):
    """Count rows, rows of positive weight, and invalid rows."""

    def identity(self) -> Counted:
        return Counted()

    def __call__(self, block: Block) -> Counted:
        if block.n_rows == 0:
            return self.identity()
        bad, large, first = 0, 0, _NO_ROW
        for tile in block.tiles() if block.values.dtype.kind == "f" else ():
            places = _bad_rows(np.where(np.isnan(tile.x), 0, tile.x) if block.gaps else tile.x)
            if places.size and first == _NO_ROW:
                place = tile.start + int(places[0])
                first = (int(block.row_numbers(place, place + 1)[0]), block.number)
            bad += places.size
            large += int(np.isfinite(tile.x[places]).all(axis=1).sum())
        weighted, negative = block.n_rows, 0
        if block.weights is not None:
            usable = np.isfinite(block.weights) & (block.weights >= 0)
            weighted = int(np.count_nonzero(block.weights[usable]))
            negative = int(np.count_nonzero(~usable))
        return Counted(block.n_rows, weighted, negative, bad, first, large)


def _bad_rows(x: FloatArray) -> npt.NDArray[np.intp]:
    """Return the positions of rows with a value that is NaN, infinite or too large to square."""
    most = np.sqrt(np.finfo(np.float64).max / x.shape[1]) / 4
    if float(x.min()) > -most and float(x.max()) < most:  # without a copy; false for NaN
        return np.empty(0, np.intp)
    with np.errstate(invalid="ignore"):
        return np.flatnonzero(~(np.abs(x).max(axis=1).astype(np.float64) < most))
