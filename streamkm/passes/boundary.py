"""Lloyd's step that keeps the rows whose label may change next, so that more steps need no read.

At the centroids of a read, the anchor, a row has a margin: how much farther its second centroid is
than its own. While its own centroid and any other have together moved by less, its label stays
(the triangle inequality, as in Hamerly, SDM 2010, but for all rows of a read at once). The rows of
the smallest margins are kept; of the others the sums are enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.kernels import Centroids, add, squared_length
from streamkm.passes.base import Pass, Statistic
from streamkm.passes.lloyd import Assigned, Lloyd
from streamkm.rows import Block, Tile

Array = npt.NDArray[np.float64]
_UNEVEN = 1.25  # how much more than its share of the rows a block may keep
_ROUNDING = 64 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Boundary(Statistic):
    """All rows by their nearest centroid, of which those of the smallest margins are kept.

    Parameters
    ----------
    most : int, rows it may keep
    rest : Assigned, the rows that are not kept
    reach : float, the margin that none of these is under
    margins, d2 : ndarray of shape (m,), float64, of the rows that are kept
    labels : ndarray of shape (m,), int32
    values : ndarray of shape (m, d), of the stored dtype
    weights : ndarray of shape (m,), or None
    """

    most: int
    rest: Assigned
    reach: float
    margins: Array
    d2: Array
    labels: npt.NDArray[np.int32]
    values: npt.NDArray[Any]
    weights: npt.NDArray[Any] | None

    @classmethod
    def combine(cls, parts: Sequence[Boundary]) -> Boundary:
        most, reach = parts[0].most, min(p.reach for p in parts)
        rest = [p.rest for p in parts]
        parts = [p for p in parts if len(p.margins)] or list(parts[:1])
        margins = np.concatenate([p.margins for p in parts])
        under = margins[margins < reach]
        if len(under) > most:
            reach = float(np.partition(under, most)[most])
        columns: Any = [
            None if getattr(parts[0], name) is None else [getattr(p, name) for p in parts]
            for name in ("margins", "d2", "labels", "values", "weights")
        ]
        kept = margins < reach
        if not kept.all():
            dropped = [c and np.concatenate(c)[~kept] for c in columns]
            rest.append(_gathered(len(rest[0].sums), *dropped[1:]))
        columns = [c and np.concatenate(c)[kept] for c in columns]
        return cls(most, Assigned.combine(rest), reach, *columns)

    def holds(self, anchor: Array, centroids: Array) -> bool:
        """Whether no row of the rest can have left its cluster."""
        if math.isinf(self.reach):
            return True
        moves = np.sqrt(np.square(centroids - anchor).sum(axis=1))
        if len(moves) == 1:
            return True
        others = np.where(np.arange(len(moves)) == moves.argmax(), np.sort(moves)[-2], moves.max())
        farthest = float((moves + others)[self.rest.counts > 0].max(initial=0.0))
        return farthest < self.reach * (1 - _ROUNDING)


def _gathered(
    k: int,
    d2: Array,
    labels: npt.NDArray[np.int32],
    values: npt.NDArray[Any],
    weights: npt.NDArray[Any] | None,
) -> Assigned:
    """The statistic of rows whose labels are known."""
    sums, counts, loss, squares = np.zeros((k, values.shape[1])), np.zeros(k), 0.0, 0
    block = Block.of(values, weights)
    for tile in block.tiles():
        part = slice(tile.start, tile.start + len(tile.x))
        loss += add(tile.x, tile.weights, labels[part], d2[part], sums, counts)
        squares += int(squared_length(tile.x)) if block.is_integer else 0
    return _assigned(block, sums, counts, loss, squares)


def _assigned(block: Block, sums: Array, counts: Array, loss: float, squares: int) -> Assigned:
    if block.is_integer:
        return Assigned(sums.astype(np.int64), counts.astype(np.int64), 0.0, squares)
    return Assigned(sums, counts, loss)


@dataclass(frozen=True)
class KeepBoundary(Pass[Boundary]):
    """Assign every row, sum up those of large margins and keep the others.

    Parameters
    ----------
    centroids : ndarray of shape (k, d), float64
    most : int, rows to keep
    """

    centroids: Array
    most: int

    def identity(self) -> Boundary:
        return self._empty(Block.of(np.empty((0, self.centroids.shape[1]), np.uint8)), self.most)

    def _empty(self, block: Block, most: int) -> Boundary:
        none = np.empty(0)
        weights = None if block.weights is None else block.weights[:0]
        labels = np.empty(0, np.int32)
        rest = Lloyd(self.centroids).identity()
        return Boundary(most, rest, np.inf, none, none, labels, block.values[:0], weights)

    def __call__(self, block: Block) -> Boundary:
        share = self.most * block.n_rows / math.prod(block.row_shape)
        found = self._empty(block, min(self.most, math.ceil(_UNEVEN * share)))
        if block.n_rows == 0:
            return self.identity()
        centroids = Centroids(self.centroids, block.dtype)
        waiting = [found]
        for tile in block.tiles():
            waiting.append(self._tile(block, tile, centroids, waiting[0]))
            if sum(len(part.margins) for part in waiting[1:]) > found.most:
                waiting = [Boundary.combine(waiting)]
        found = Boundary.combine(waiting)
        columns = (found.margins, found.d2, found.labels, found.values, found.weights)
        return Boundary(self.most, found.rest, found.reach, *columns)

    def _tile(self, block: Block, tile: Tile, centroids: Centroids, found: Boundary) -> Boundary:
        labels, d2, gaps = centroids.nearest_and_gaps(tile.x)
        second = np.sqrt(d2 + gaps)
        margins = second - np.sqrt(d2) - _ROUNDING * (tile.x.shape[1] + 8) * second
        kept = np.flatnonzero(margins < found.reach)
        rest = labels.copy()
        rest[kept] = -1
        sums, counts = np.zeros(self.centroids.shape), np.zeros(len(self.centroids))
        loss = add(tile.x, tile.weights, rest, d2, sums, counts)
        squares = 0
        if block.is_integer:
            squares = int(squared_length(tile.x)) - int(squared_length(tile.x[kept]))
        places = kept + tile.start
        return Boundary(
            found.most,
            _assigned(block, sums, counts, loss, squares),
            found.reach,
            margins[kept],
            d2[kept],
            labels[kept],
            block.values[places],
            None if block.weights is None else block.weights[places],
        )
