"""The rows nearest to each centroid, in one read."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array, FloatArray
from streamkm.passes.base import Pass, WithCentroids
from streamkm.passes.lloyd import refuse_bad
from streamkm.passes.ranked import Most, Ranked, most_of, ranks
from streamkm.rows import Block, Tile

_BESIDE_VALUES = 3 * 8  # bytes of the cluster, the number and the distance of a row


class Assigner(Protocol):
    """A rule that assigns rows to other clusters than those of the nearest centroids."""

    def labels(self, x: FloatArray) -> npt.NDArray[np.int64]:
        """Cluster (n,) of each of the rows (n, d)."""


@dataclass(frozen=True)
class Ranking(WithCentroids, Pass[Ranked]):
    """Find the rows of each cluster with the smallest keys, in place of distances.

    Rows of weight zero are never found. The statistic of a block has only rows of the block, so it
    does not grow with the clusters.

    Parameters
    ----------
    centroids : ndarray of shape (k, d), float64
    most : int, number of rows for each cluster; or ndarray of shape (k,), int64
    assigner : rule that assigns rows to clusters, or None where a row belongs to the nearest
        centroid
    keep_values : whether the statistic has the values of the rows
    """

    centroids: Float64Array
    most: Most
    assigner: Assigner | None = None
    keep_values: bool = True

    @abstractmethod
    def keys(self, numbers: npt.NDArray[np.int64], squared_distances: Float64Array) -> Float64Array:
        """Return the keys (n,) of rows from their numbers and squared distances."""

    def identity(self) -> Ranked:
        none = np.empty(0, np.int64)
        return Ranked(self.most, none, none, np.empty(0), np.empty((0, 0), np.uint8))

    def statistic_nbytes(self, n_features: int) -> int:
        """Bytes of the rows of all clusters."""
        row = _BESIDE_VALUES + 8 * n_features * self.keep_values
        return int(np.broadcast_to(self.most, len(self.centroids)).sum()) * row

    def __call__(self, block: Block) -> Ranked:
        best, waiting, n_waiting = self.identity(), list[Ranked](), 0
        # The largest key of clusters that have enough rows.
        bars = np.where(np.broadcast_to(self.most, len(self.centroids)) > 0, np.inf, -np.inf)
        for tile, labels, keys in self._keyed(block):
            hopeful = np.flatnonzero((keys <= bars[labels]) & (tile.weights > 0))
            if hopeful.size:
                waiting.append(self._found(block, tile, hopeful, labels, keys))
                n_waiting += len(hopeful)
            if n_waiting > len(best.numbers):  # not for each tile, because all are sorted
                best, waiting, n_waiting = Ranked.combine([best, *waiting]), [], 0
                full = ranks(best.clusters) == most_of(self.most, best.clusters) - 1
                bars[best.clusters[full]] = best.distances[full]
        return Ranked.combine([best, *waiting]) if waiting else best

    def _keyed(self, block: Block) -> Iterator[tuple[Tile, npt.NDArray[np.int64], Float64Array]]:
        """Yield tiles with the clusters (n,) and the keys (n,) of their rows."""
        if block.n_rows == 0:
            return
        centroids = self.prepared(block.dtype)
        for tile in block.tiles():
            if self.assigner is None:
                nearest, d2 = centroids.nearest(tile.x)
                labels = nearest.astype(np.int64)
            else:
                labels = self.assigner.labels(tile.x)
                d2 = np.square(tile.x - self.centroids[labels]).sum(axis=1)
            refuse_bad(block, tile.start, d2)
            numbers = block.row_numbers(tile.start, tile.start + len(tile.x))
            yield tile, labels, self.keys(numbers, d2)

    def _found(
        self, block: Block, tile: Tile, at: AnyArray, labels: Any, keys: Float64Array
    ) -> Ranked:
        """Return the first of some rows of a tile."""
        order = at[np.lexsort((at, keys[at], labels[at]))]
        order = order[ranks(labels[order]) < most_of(self.most, labels[order])]
        numbers = block.row_numbers(tile.start, tile.start + len(tile.x))[order]
        kept = slice(None) if self.keep_values else slice(0)
        values = block.values[tile.start + order, kept]
        return Ranked(self.most, labels[order], numbers, keys[order], values)


@dataclass(frozen=True)
class Closest(Ranking):
    """Find the rows of each cluster that are nearest to its centroid."""

    def keys(self, numbers: npt.NDArray[np.int64], squared_distances: Float64Array) -> Float64Array:
        return np.sqrt(squared_distances)
