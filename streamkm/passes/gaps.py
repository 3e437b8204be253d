"""Other questions asked of rows with gaps: of complete rows, or with the gaps filled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.errors import DataError
from streamkm.passes.base import Pass, S, Statistic
from streamkm.rows import Block


@dataclass(frozen=True)
class Observed(Statistic):
    """Complete rows, and the observed values of each feature.

    Parameters
    ----------
    complete : int, rows of positive weight without a gap
    sums : ndarray of shape (d,), float64, weighted sums of observed values; (0,) without rows
    seen : ndarray of shape (d,), float64, weights of the rows that have a value
    """

    complete: int
    sums: Float64Array
    seen: Float64Array

    @classmethod
    def combine(cls, parts: Sequence[Observed]) -> Observed:
        some = [part for part in parts if part.seen.size] or list(parts[:1])
        sums, seen = some[0].sums.copy(), some[0].seen.copy()
        for part in some[1:]:
            sums += part.sums
            seen += part.seen
        return cls(sum(part.complete for part in parts), sums, seen)

    @property
    def means(self) -> Float64Array:
        """Means (d,) of the observed values.

        Raises
        ------
        DataError
            If a feature has no value in any row.
        """
        empty = np.flatnonzero(self.seen == 0)
        if empty.size:
            raise DataError(
                f"{empty.size} of {self.seen.size} features have no value in any row that counts "
                f"(the first is number {empty[0]}), so their gaps cannot be filled: leave these "
                "features out."
            )
        means: Float64Array = self.sums / self.seen
        return means


@dataclass(frozen=True)
class CountObserved(Pass[Observed]):
    """Count complete rows, and sum the observed values of each feature."""

    def identity(self) -> Observed:
        return Observed(0, np.empty(0), np.empty(0))

    def __call__(self, block: Block) -> Observed:
        if block.n_rows == 0:
            return self.identity()
        complete, d = 0, block.values.shape[1]
        sums, seen = np.zeros(d), np.zeros(d)
        for tile in block.tiles():
            there = ~np.isnan(tile.x)
            weights = tile.weights[:, None]
            complete += int(np.count_nonzero(there.all(axis=1) & (tile.weights > 0)))
            sums += (np.where(there, tile.x, 0) * weights).sum(axis=0)
            seen += (there * weights).sum(axis=0)
        return Observed(complete, sums, seen)


@dataclass(frozen=True)
class OfComplete(Pass[S]):
    """Ask a question of the rows without a gap."""

    question: Pass[S]

    def identity(self) -> S:
        return self.question.identity()

    def __call__(self, block: Block) -> S:
        complete = np.asarray(~np.isnan(block.values).any(axis=1))
        return self.question(block.where(complete))

    def statistic_nbytes(self, n_features: int) -> int:
        return self.question.statistic_nbytes(n_features)


@dataclass(frozen=True)
class Filled(Pass[S]):
    """Ask a question of all rows, with a number for each feature in their gaps.

    Parameters
    ----------
    question : Pass
    values : ndarray of shape (d,), float64, in the units of scaled rows
    """

    question: Pass[S]
    values: Float64Array

    def identity(self) -> S:
        return self.question.identity()

    def __call__(self, block: Block) -> S:
        rows = block.rows(slice(None))
        rows = np.where(np.isnan(rows), self.values.astype(rows.dtype), rows)
        return self.question(replace(block, values=rows, scaling=None))

    def statistic_nbytes(self, n_features: int) -> int:
        return self.question.statistic_nbytes(n_features)
