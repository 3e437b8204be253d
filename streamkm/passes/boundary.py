"""Lloyd's step that also returns boundary rows, so that the next steps need no read.

The margin of a row is the difference between its distances to the second nearest and to the nearest
centroid of the read. As long as its own centroid and any other centroid have together moved by less
than the margin, its label does not change (the triangle inequality, as in Hamerly, SDM 2010,
applied to all rows of a read). The rows with the smallest margins are the boundary rows. Of the
other rows only the sums are returned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array, Int32Array
from streamkm.kernels import add, squared_length
from streamkm.passes.base import Pass, Statistic, WithCentroids
from streamkm.passes.lloyd import Assigned, Lloyd
from streamkm.rows import Block, Tile

# Where rows are sorted, some blocks have more boundary rows than others.
_UNEVEN = 1.5
_ROUNDING = 64 * float(np.finfo(np.float64).eps)
_COLUMNS = ("margins", "d2", "labels", "values")


@dataclass(frozen=True)
class Boundary(Statistic):
    """Sums of all rows by their nearest centroid, except for the boundary rows, which are stored.

    Parameters
    ----------
    most : int, maximum number of boundary rows
    rest : Assigned, statistic of the other rows
    reach : float, lower bound of the margins of the other rows
    margins, d2 : ndarray of shape (m,), float64, margins and squared distances of the boundary rows
    labels : ndarray of shape (m,), int32
    values : ndarray of shape (m, d), of the stored dtype
    weights : ndarray of shape (m,), or None
    """

    most: int
    rest: Assigned
    reach: float
    margins: Float64Array
    d2: Float64Array
    labels: Int32Array
    values: AnyArray
    weights: AnyArray | None

    @classmethod
    def combine(cls, parts: Sequence[Boundary]) -> Boundary:
        most, reach = parts[0].most, min(p.reach for p in parts)
        rest = [p.rest for p in parts]
        parts = [p for p in parts if len(p.margins)] or list(parts[:1])
        margins = np.concatenate([p.margins for p in parts])
        if len(margins) > most:
            bound = float(np.partition(margins, most)[most])
            reach = min(reach, bound)
            rest += [p._beyond(bound) for p in parts]
            parts = [p._picked(p.margins < bound) for p in parts]
        columns: list[Any] = [np.concatenate([getattr(p, n) for p in parts]) for n in _COLUMNS]
        weights = [p.weights for p in parts if p.weights is not None]
        columns.append(np.concatenate(weights) if weights else None)
        return cls(most, Assigned.combine(rest), reach, *columns)

    def _picked(self, which: npt.NDArray[np.bool_]) -> Boundary:
        """Select boundary rows by position."""
        rows = np.flatnonzero(which)
        columns: list[Any] = [getattr(self, name)[rows] for name in _COLUMNS]
        columns.append(_of(self.weights, rows))
        return Boundary(self.most, self.rest, self.reach, *columns)

    def _beyond(self, bound: float) -> Assigned:
        """Return the statistic of the rows whose margins are not below a bound."""
        far = self._picked(self.margins >= bound)
        dropped = _Rest(Block.from_values(far.values, far.weights), self.rest.sums.shape)
        dropped.add_rows(slice(None), far.labels, far.d2)
        return dropped.assigned(far.values[:0])

    def holds(self, anchor: Float64Array, centroids: Float64Array) -> bool:
        """Return whether every row that is not a boundary row still has its label."""
        if math.isinf(self.reach):
            return True
        moves = np.sqrt(np.square(centroids - anchor).sum(axis=1))
        if len(moves) == 1:
            return True
        others = np.where(np.arange(len(moves)) == moves.argmax(), np.sort(moves)[-2], moves.max())
        farthest = float((moves + others)[self.rest.counts > 0].max(initial=0.0))
        return farthest < self.reach * (1 - _ROUNDING)


def _split(margins: Float64Array, most: int) -> tuple[Any, Any, float]:
    """Return the positions of the `most` smallest margins, of the others, and the others' bound."""
    bound = float(np.partition(margins, most)[most])
    near = margins < bound
    return np.flatnonzero(near), np.flatnonzero(~near), bound


def _of(weights: AnyArray | None, rows: npt.NDArray[np.intp]) -> AnyArray | None:
    return None if weights is None else weights[rows]


class _Rest:
    """Accumulator of the rows of a block that are not boundary rows."""

    def __init__(self, block: Block, shape: tuple[int, ...]) -> None:
        self._block = block
        self._sums, self._counts, self._loss = np.zeros(shape), np.zeros(shape[0]), 0.0

    def add(self, tile: Tile, labels: Int32Array, d2: Float64Array) -> None:
        """Add the rows of a tile except for those with negative labels."""
        self._loss += add(tile.x, tile.weights, labels, d2, self._sums, self._counts)

    def add_rows(
        self, rows: npt.NDArray[np.intp] | slice, labels: Int32Array, d2: Float64Array
    ) -> None:
        """Add rows of the block by position."""
        weights = None if self._block.weights is None else self._block.weights[rows]
        for tile in Block.from_values(self._block.rows(rows), weights).tiles():
            part = slice(tile.start, tile.start + len(tile.x))
            self.add(tile, labels[part], d2[part])

    def assigned(self, boundary: AnyArray) -> Assigned:
        """Return the statistic of the block without the rows `boundary` (m, d)."""
        if not self._block.is_integer:
            return Assigned(self._sums, self._counts, self._loss)
        squares = _squares(self._block) - _squares(Block.from_values(boundary))
        return Assigned(self._sums.astype(np.int64), self._counts.astype(np.int64), 0.0, squares)


def _squares(block: Block) -> int:
    return sum(int(squared_length(tile.x)) for tile in block.tiles())


@dataclass(frozen=True)
class KeepBoundary(WithCentroids, Pass[Boundary]):
    """Assign every row; return the sums of rows with large margins, and the other rows themselves.

    Parameters
    ----------
    centroids : ndarray of shape (k, d), float64
    most : int, maximum number of boundary rows
    """

    centroids: Float64Array
    most: int

    def identity(self) -> Boundary:
        none, rest = np.empty(0), Lloyd(self.centroids).identity()
        values = np.empty((0, self.centroids.shape[1]), np.uint8)
        return Boundary(self.most, rest, np.inf, none, none, np.empty(0, np.int32), values, None)

    def __call__(self, block: Block) -> Boundary:
        if block.n_rows == 0:
            return self.identity()
        share = self.most * block.n_rows / math.prod(block.row_shape)
        most, reach = min(self.most, math.ceil(_UNEVEN * share)), np.inf
        centroids = self.prepared(block.dtype)
        rest = _Rest(block, self.centroids.shape)
        columns: list[Any] = [np.empty(0, kind) for kind in ("f8", "f8", "i4", np.intp)]
        for tile in block.tiles():
            labels, d2, gaps = centroids.nearest_and_gaps(tile.x)
            with np.errstate(invalid="ignore"):  # the census reports rows that are not finite
                second = np.sqrt(d2 + gaps)
                margins = second - np.sqrt(d2) - _ROUNDING * (tile.x.shape[1] + 8) * second
            near = np.flatnonzero(margins < reach)
            found = (margins[near], d2[near], labels[near], near + tile.start)
            columns = [np.concatenate(pair) for pair in zip(columns, found, strict=True)]
            labels[near] = -1
            rest.add(tile, labels, d2)
            # Split rarely, so that each row is compared with others a few times at most.
            last = tile.start + len(tile.x) == block.n_rows
            if len(columns[0]) > (most if last else 2 * most):
                near, far, reach = _split(columns[0], most)
                _, d2, labels, rows = (column[far] for column in columns)
                rest.add_rows(rows, labels, d2)
                columns = [column[near] for column in columns]
        margins, d2, labels, rows = columns
        values, weights = block.rows(rows), _of(block.weights, rows)
        left = rest.assigned(values)
        return Boundary(self.most, left, reach, margins, d2, labels, values, weights)
