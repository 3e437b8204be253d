"""Sums and counts of the rows of a block: of all clusters, or of those that its rows belong to."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from streamkm.arrays import LARGE_NBYTES, AnyArray, Float64Array, Int32Array
from streamkm.kernels import Centroids, add
from streamkm.rows import Tile, read_only

Gathered = tuple[Int32Array, Float64Array, float]


class Sums(Protocol):
    """Accumulator of a block."""

    def gather(self, centroids: Centroids, tile: Tile) -> Gathered:
        """Add a tile; return its labels (n,), squared distances (n,) and weighted loss."""

    def result(self) -> tuple[Float64Array, Float64Array, AnyArray | None]:
        """Return sums (m, d), counts (m,) and their clusters (m,), or None for all clusters."""


def sums_of(centroids: Float64Array, n_rows: int) -> Sums:
    """Return the accumulator of a block of `n_rows` rows.

    Sums of many more clusters than rows would take longer to clear and to combine than the rows.
    """
    few = centroids.nbytes >= LARGE_NBYTES and n_rows < len(centroids)
    return OwnClusters(centroids.shape, n_rows) if few else AllClusters(centroids.shape)


class AllClusters:
    """Sums of all clusters (k, d)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._sums, self._counts = np.zeros(shape), np.zeros(shape[0])

    def gather(self, centroids: Centroids, tile: Tile) -> Gathered:
        return centroids.gather(tile.x, tile.weights, self._sums, self._counts)

    def result(self) -> tuple[Float64Array, Float64Array, None]:
        return self._sums, self._counts, None


class OwnClusters:
    """Sums of the clusters of at most `n_rows` rows, in the order in which they occur."""

    def __init__(self, shape: tuple[int, ...], n_rows: int) -> None:
        self._sums, self._counts = np.zeros((n_rows, *shape[1:])), np.zeros(n_rows)
        self._clusters = np.empty(0, np.int64)
        self._places = np.full(shape[0], -1, np.int32)

    def gather(self, centroids: Centroids, tile: Tile) -> Gathered:
        labels, d2 = centroids.nearest(tile.x)
        new = np.unique(labels[self._places[labels] < 0])
        self._places[new] = np.arange(len(self._clusters), len(self._clusters) + len(new))
        self._clusters = np.concatenate([self._clusters, new])
        own: Any = self._places[labels]
        loss = add(tile.x, tile.weights, read_only(own), read_only(d2), self._sums, self._counts)
        return labels, d2, float(loss)

    def result(self) -> tuple[Float64Array, Float64Array, AnyArray]:
        order = np.argsort(self._clusters)
        return self._sums[order], self._counts[order], self._clusters[order]
