"""The table of distinct rows, where they are few: then no further read is needed for a fit.

Photographs, quantised bands and label-like data repeat their rows, and small data fit whole. All
that a fit asks of the rows can be asked of the table, with how often each occurs as its weight. It
rides on the first read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamkm.arrays import AnyArray, Float64Array
from streamkm.kernels import RowTable
from streamkm.passes.base import Pass, Statistic
from streamkm.rows import Block, read_only


@dataclass(frozen=True)
class Table(Statistic):
    """Distinct rows of positive weight, in an order that hangs on nothing but themselves.

    Parameters
    ----------
    most : int, rows it may hold
    values : ndarray of shape (m, d), float32 or float64
    weights : ndarray of shape (m,), float64, sums over equal rows
    complete : bool, False where there were more, and then it holds none
    """

    most: int
    values: AnyArray
    weights: Float64Array
    complete: bool = True

    @classmethod
    def combine(cls, parts: Sequence[Table]) -> Table:
        most = parts[0].most
        if not all(p.complete for p in parts):
            return cls.none(most, complete=False)
        parts = [p for p in parts if len(p.weights)]
        if len(parts) < 2:
            return parts[0] if parts else cls.none(most)
        table = RowTable(parts[0].values.shape[1], parts[0].values.dtype, most)
        for part in parts:
            if not table.add(part.values, read_only(part.weights)):
                return cls.none(most, complete=False)
        return cls.of(table, most)

    def rows(self) -> RowTable:
        """The same rows in the same order, to be found by their values."""
        table = RowTable(self.values.shape[1], self.values.dtype, len(self.weights))
        table.add(self.values, read_only(self.weights))
        return table

    @classmethod
    def of(cls, table: RowTable, most: int) -> Table:
        order = table.canonical()
        return cls(most, table.values[order], table.totals[order])

    @classmethod
    def none(cls, most: int, complete: bool = True) -> Table:
        return cls(most, np.empty((0, 0)), np.empty(0), complete)


@dataclass(frozen=True)
class Distinct(Pass[Table]):
    """Gather the distinct rows, up to `most`."""

    most: int

    def identity(self) -> Table:
        return Table.none(self.most)

    def __call__(self, block: Block) -> Table:
        if block.n_rows == 0:
            return self.identity()
        table = RowTable(block.values.shape[1], block.dtype, self.most)
        for tile in block.tiles():
            if not table.add(tile.x, tile.weights):
                return Table.none(self.most, complete=False)
        return Table.of(table, self.most) if len(table.totals) else self.identity()
