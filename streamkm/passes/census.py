"""Who is there: rows, weights and rows that cannot be used. Rides on the first read of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
    """

    rows: int = 0
    weighted: int = 0
    negative: int = 0
    bad: int = 0
    first_bad: tuple[int, int] = _NO_ROW

    @classmethod
    def combine(cls, parts: Sequence[Counted]) -> Counted:
        return cls(
            sum(p.rows for p in parts),
            sum(p.weighted for p in parts),
            sum(p.negative for p in parts),
            sum(p.bad for p in parts),
            min(p.first_bad for p in parts),
        )

    def check(self) -> None:
        """Refuse rows that no fit can use.

        Raises
        ------
        NonFiniteError
            With the number of bad rows, and the row and block of the first.
        DataError
            For negative weights, or when no weight is positive.
        """
        if self.bad:
            raise NonFiniteError(self.bad, *self.first_bad)
        if self.negative:
            raise DataError(
                f"{self.negative} rows have a negative or non-finite sample_weight; "
                "give every row a weight of zero or more."
            )
        if self.weighted == 0:
            raise DataError("every sample_weight is zero, so there is nothing to cluster.")


@dataclass(frozen=True)
class Census(Pass[Counted]):
    """Count rows, weights and bad rows."""

    def identity(self) -> Counted:
        return Counted()

    def __call__(self, block: Block) -> Counted:
        total = Counted(rows=block.n_rows)
        for tile in block.tiles() if self._has_doubts(block) else ():
            largest = np.sqrt(np.finfo(np.float64).max / max(tile.x.shape[1], 1)) / 4
            with np.errstate(invalid="ignore"):
                bad = np.flatnonzero(~(np.abs(tile.x).max(axis=1) < largest))
            first = _NO_ROW
            if bad.size:
                place = tile.start + int(bad[0])
                first = (int(block.row_numbers(place, place + 1)[0]), block.number)
            usable = (tile.weights >= 0) & np.isfinite(tile.weights)
            part = Counted(
                0,
                int(np.count_nonzero(tile.weights[usable])),
                int(np.count_nonzero(~usable)),
                bad.size,
                first,
            )
            total = Counted.combine([total, part])
        return total if self._has_doubts(block) else Counted(block.n_rows, block.n_rows)

    @staticmethod
    def _has_doubts(block: Block) -> bool:
        return block.weights is not None or block.values.dtype.kind == "f"
