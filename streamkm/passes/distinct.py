"""The table of distinct rows; where it is complete, a fit needs no further read.

Photographs, quantised bands and categorical data repeat their rows, and small data fit in the table
completely. The table with the number of occurrences as weights replaces the rows in every pass of a
fit. It is gathered in the first read.
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
    """Distinct rows of positive weight, in an order that depends only on the rows.

    Parameters
    ----------
    most : int, maximum number of rows
    values : ndarray of shape (m, d), float32 or float64
    weights : ndarray of shape (m,), float64, sums over equal rows
    complete : bool, False where there are more than `most` distinct rows; the table is then empty
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
        return cls.from_rows(table, most)

    def rows(self) -> RowTable:
        """The rows as an index in which rows are found by their values."""
        table = RowTable(self.values.shape[1], self.values.dtype, len(self.weights))
        table.add(self.values, read_only(self.weights))
        return table

    @classmethod
    def from_rows(cls, table: RowTable, most: int) -> Table:
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
        return Table.from_rows(table, self.most) if len(table.totals) else self.identity()
