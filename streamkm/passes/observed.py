"""Lloyd's step on rows with gaps: labels by the observed values, and sums of these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array, Int32Array
from streamkm.kernels import add
from streamkm.kernels.observed import ObservedCentroids
from streamkm.passes.base import Pass
from streamkm.passes.draw import DrawFarthest
from streamkm.passes.lloyd import Assigned, refuse_bad
from streamkm.passes.per_row import PerRow
from streamkm.rows import Block, Tile, read_only


@dataclass(frozen=True)
class ObservedSums(Assigned):
    """Sums of the observed values, counts and loss of the rows of each cluster.

    Parameters
    ----------
    sums, counts, loss, squares, clusters : as for `Assigned`, of the observed values; float64
    seen : ndarray of shape (k, d), float64, weights of the rows that have a value of the feature
    """

    seen: Float64Array = field(default_factory=lambda: np.empty((0, 0)))

    @classmethod
    def combine(cls, parts: Sequence[Assigned]) -> ObservedSums:
        added = Assigned.combine(parts)
        seen = parts[0].seen.copy()  # type: ignore[attr-defined]
        for part in parts[1:]:
            seen += part.seen  # type: ignore[attr-defined]
        return cls(added.sums, added.counts, added.loss, seen=seen)

    def means(self, otherwise: Float64Array) -> Float64Array:
        """Return the means (k, d) of observed values, which are the least loss for these labels.

        Filling gaps with the centroid and taking the mean of all values, repeatedly, has this limit
        (k-POD; Chi, Chi and Baraniuk 2016). Features that no row of a cluster has stay those of
        `otherwise`.
        """
        means = otherwise.copy()
        np.divide(self.sums, self.seen, out=means, where=self.seen > 0)
        return means

    def variance(self, centroids: Float64Array) -> float:
        """Return the mean squared difference of observed values from the mean of their feature."""
        seen = self.seen.sum(axis=0)
        known = np.where(seen > 0, seen, 1.0)
        moved = centroids - self.sums.sum(axis=0) / known
        between = 2 * moved * (self.sums - self.seen * centroids) + self.seen * moved**2
        total = float(seen.sum())
        return max(0.0, self.loss + float(between.sum())) / (total if total > 0 else 1.0)

    def reordered(self, order: npt.NDArray[np.intp]) -> ObservedSums:
        own = (self.sums[order], self.counts[order])
        return ObservedSums(*own, self.loss, seen=self.seen[order])

    def relocated(
        self, rows: AnyArray, weights: AnyArray, labels: AnyArray, clusters: Sequence[int]
    ) -> Self:
        there = ~np.isnan(rows)
        moved = super().relocated(np.where(there, rows, 0.0), weights, labels, clusters)
        seen, own = self.seen.copy(), weights[:, None] * there
        np.subtract.at(seen, labels, own)
        seen[clusters] = own
        return replace(moved, seen=seen)

    def about(self, before: Float64Array, after: Float64Array) -> ObservedSums:
        moves = after - before
        change = self.seen * moves**2 - 2 * moves * (self.sums - self.seen * before)
        return replace(self, loss=self.loss + float(change.sum()))


class WithObserved:
    """A question that compares the observed values of rows with `centroids` (k, d)."""

    centroids: Float64Array

    @cached_property
    def _prepared(self) -> ObservedCentroids:
        return ObservedCentroids(self.centroids)

    def _nearest(self, block: Block) -> Iterator[tuple[Tile, Int32Array, Float64Array]]:
        """Yield tiles with their labels (n,) and squared distances (n,)."""
        for tile in block.tiles():
            yield tile, *self._prepared.nearest(tile.x)


class _Assigning(WithObserved):
    """A question whose statistic is that of Lloyd's step."""

    def identity(self) -> ObservedSums:
        k, d = self.centroids.shape
        return ObservedSums(np.zeros((k, d)), np.zeros(k), seen=np.zeros((k, d)))

    def statistic_nbytes(self, n_features: int) -> int:
        """Bytes of two numbers for each feature of each cluster."""
        return 2 * self.centroids.nbytes

    def assign(self, block: Block, labels: AnyArray | None = None) -> ObservedSums:
        """Return the statistic of a block; `labels` (n,) receives the labels, if given.

        Raises
        ------
        NonFiniteError
            If labels are requested and a row is infinite.
        """
        total, loss, none = self.identity(), 0.0, np.zeros(len(self.centroids))
        for tile, nearest, d2 in self._nearest(block):
            if labels is not None:
                refuse_bad(block, tile.start, d2)
                labels[tile.start : tile.start + len(nearest)] = nearest
            seen = ~np.isnan(tile.x)
            known = (tile.weights, read_only(nearest), read_only(d2))
            values = read_only(np.where(seen, tile.x, 0).astype(np.float64))
            loss += float(add(values, *known, total.sums, total.counts))
            add(read_only(seen.astype(np.float64)), *known, total.seen, none)
        return replace(total, loss=loss)


@dataclass(frozen=True)
class LloydObserved(_Assigning, Pass[ObservedSums]):
    """Assign every row to the centroid nearest in its observed values, and sum these values."""

    centroids: Float64Array

    def __call__(self, block: Block) -> ObservedSums:
        return self.assign(block)


@dataclass(frozen=True)
class LabelsObserved(_Assigning, PerRow[ObservedSums]):
    """Label every row by its observed values."""

    centroids: Float64Array
    dtype: np.dtype[Any]

    def __call__(self, block: Block) -> tuple[AnyArray, ObservedSums]:
        labels = np.empty(block.n_rows, self.dtype)
        return labels, self.assign(block, labels)


@dataclass(frozen=True)
class DrawFarthestObserved(WithObserved, DrawFarthest):
    """Find the rows whose observed values are farthest from their nearest centroid."""

    def keyed(self, block: Block) -> Iterator[tuple[Tile, Float64Array, Int32Array]]:
        for tile, labels, d2 in self._nearest(block):
            yield tile, np.where((tile.weights > 0) & (d2 > 0), -d2, np.inf), labels
