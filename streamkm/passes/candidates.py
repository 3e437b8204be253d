"""The rows that a small change of prices moves to another cluster, and where they may go.

The margin of a row is the difference of its two least sums of squared distance and price. As long
as no two prices change by more than that relative to each other, the row stays in its cluster. The
rows with the smallest margins are returned with their candidates; of the others, only their number
in each cluster and their loss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import Float64Array, FloatArray, Int32Array
from streamkm.kernels import Prepared, cheapest
from streamkm.passes.base import Pass, Statistic
from streamkm.passes.priced import WithPrices
from streamkm.rows import Block, read_only

Int64Array = npt.NDArray[np.int64]
_UNEVEN = 1.5  # as for boundary rows: some blocks have more of them than others
_ENTRIES = 2**17  # numbers of the rows whose candidates are found at once


@dataclass(frozen=True)
class Candidates(Statistic):
    """Rows of small margins with their candidate clusters, sorted by margin and row number.

    Parameters
    ----------
    most : int, maximum number of these rows
    counts : ndarray of shape (k,), int64, number of the other rows in each cluster
    loss : float, sum of the squared distances of the other rows
    nearest_loss : float, sum of the squared distances of all rows to their nearest centroid
    reach : float, lower bound of the margins of the other rows
    margins : ndarray of shape (m,), float64
    numbers : ndarray of shape (m,), int64, row numbers
    clusters : ndarray of shape (m, t), int32, candidates by ascending sum; the first is the label
    costs : ndarray of shape (m, t), float64, squared distances of the candidates
    """

    most: int
    counts: Int64Array
    loss: float
    nearest_loss: float
    reach: float
    margins: Float64Array
    numbers: Int64Array
    clusters: Int32Array
    costs: Float64Array

    @classmethod
    def combine(cls, parts: Sequence[Candidates]) -> Candidates:
        columns: list[Any] = [
            np.concatenate([getattr(p, name) for p in parts])
            for name in ("margins", "numbers", "clusters", "costs")
        ]
        order = np.lexsort((columns[1], columns[0]))
        whole = cls(
            parts[0].most,
            np.sum([p.counts for p in parts], axis=0),
            sum(p.loss for p in parts),
            sum(p.nearest_loss for p in parts),
            min(p.reach for p in parts),
            *(column[order] for column in columns),
        )
        return whole.smallest(parts[0].most)

    def smallest(self, most: int) -> Candidates:
        """Return the statistic with only the `most` rows of the smallest margins."""
        if len(self.margins) <= most:
            return self
        labels, lost = self.clusters[most:, 0], self.costs[most:, 0]
        columns: list[Any] = [self.margins, self.numbers, self.clusters, self.costs]
        return Candidates(
            self.most,
            self.counts + np.bincount(labels, minlength=len(self.counts)),
            self.loss + float(lost.sum()),
            self.nearest_loss,
            min(self.reach, float(self.margins[most])),
            *(column[:most] for column in columns),
        )

    @property
    def sizes(self) -> Int64Array:
        """Number of all rows in each cluster (k,), by the labels of the read."""
        own: Int64Array = np.bincount(self.clusters[:, 0], minlength=len(self.counts))
        return self.counts + own


@dataclass(frozen=True)
class KeepCandidates(WithPrices, Pass[Candidates]):
    """Assign every row by squared distance and price; return the rows of small margins.

    Parameters
    ----------
    centroids : ndarray of shape (k, d), float64
    prices : ndarray of shape (k,), float64
    most : int, maximum number of rows that are returned
    width : int, number of candidates of each row, at most k
    measures_nearest : bool, whether `nearest_loss` is computed; otherwise it is zero
    """

    centroids: Float64Array
    prices: Float64Array
    most: int
    width: int
    measures_nearest: bool = True

    def identity(self) -> Candidates:
        none, rows = np.empty(0), np.empty(0, np.int64)
        clusters, costs = np.empty((0, self.width), np.int32), np.empty((0, self.width))
        counts = np.zeros(len(self.centroids), np.int64)
        return Candidates(self.most, counts, 0.0, 0.0, np.inf, none, rows, clusters, costs)

    @cached_property
    def _nearest(self) -> Prepared:
        return Prepared(self.centroids)

    def _nearest_loss(self, x: FloatArray) -> float:
        return float(self._nearest(x.dtype).nearest(x)[1].sum())

    def __call__(self, block: Block) -> Candidates:
        if block.n_rows == 0:
            return self.identity()
        share = self.most * block.n_rows / math.prod(block.row_shape)
        most = min(self.most, math.ceil(_UNEVEN * share))
        # Until the end, the only candidate of a row is its label, and its position is its number.
        rows = replace(self, width=1).identity()
        for tile in block.tiles():
            labels, d2, margins = self.assigned(tile.x)
            total = self._nearest_loss(tile.x) if self.measures_nearest else 0.0
            near = margins < rows.reach
            rest = np.bincount(labels[~near], minlength=len(self.centroids))
            at = np.flatnonzero(near)
            columns = (margins[at], at + tile.start, labels[at, None], d2[at, None])
            lost = float(d2[~near].sum())
            found = Candidates(self.most, rest, lost, total, rows.reach, *columns)
            last = tile.start + len(labels) == block.n_rows
            joined = Candidates.combine([replace(rows, most=block.n_rows), found])
            # Cut rarely, so that each row is sorted a few times at most.
            cut = last or len(joined.margins) > 2 * most
            rows = joined.smallest(most) if cut else joined
        return self._with_candidates(block, rows)

    def _with_candidates(self, block: Block, rows: Candidates) -> Candidates:
        """Return the rows with row numbers and all of their candidates."""
        m, places = len(rows.numbers), rows.numbers
        clusters, costs = np.empty((m, self.width), np.int32), np.empty((m, self.width))
        step = max(1, _ENTRIES // self.centroids.shape[1])
        for start in range(0, m, step):
            part = slice(start, start + step)
            own = Block.from_values(block.rows(places[part]))
            x = read_only(np.concatenate([tile.x for tile in own.tiles()]))
            known = (self.centroids, self.prices, rows.clusters[part, 0])
            clusters[part], costs[part] = cheapest(x, *known, self.width)
        numbers = np.empty(m, np.int64)
        for start in range(0, block.n_rows, _ENTRIES):
            stop = min(start + _ENTRIES, block.n_rows)
            here = np.flatnonzero((places >= start) & (places < stop))
            numbers[here] = block.row_numbers(start, stop)[places[here] - start]
        return replace(rows, most=self.most, numbers=numbers, clusters=clusters, costs=costs)
