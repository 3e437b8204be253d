"""The rows nearest to each centroid, in one read."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array, FloatArray
from streamkm.errors import MemoryLimitError
from streamkm.kernels import exponentials
from streamkm.passes.base import Pass, Statistic, WithCentroids
from streamkm.passes.lloyd import refuse_bad
from streamkm.rows import Block, Tile
from streamkm.rows.machine import memory_here
from streamkm.sizes import show_bytes

Most = int | npt.NDArray[np.int64]
_NO_ROW = -1
_LABELLED = ("dataset", "indices")  # attributes of the result of xarray data
_RESULT = 2 * 8  # bytes of the number and the distance of a row
_BESIDE_VALUES = 3 * 8  # bytes of the cluster, the number and the distance of a row


class Assigner(Protocol):
    """A rule that assigns rows to other clusters than those of the nearest centroids."""

    def labels(self, x: FloatArray) -> npt.NDArray[np.int64]:
        """Cluster (n,) of each of the rows (n, d)."""


@dataclass(frozen=True)
class Nearest(Statistic):
    """The rows of each cluster that are nearest to its centroid, sorted by (distance, row number).

    Parameters
    ----------
    numbers : ndarray of shape (k, n), int64
        Row numbers in C order over the row axes; -1 if the cluster has fewer than n rows.
    distances : ndarray of shape (k, n), float64
        Euclidean distances, of scaled rows if there is a scaling; inf if the cluster has fewer than
        n rows.
    values : ndarray of shape (k, n, d)
        The rows, of the stored dtype; of shape (k, n, 0) if they were not requested.
    """

    numbers: npt.NDArray[np.int64]
    distances: Float64Array
    values: AnyArray

    def __repr__(self) -> str:
        (k, n), d = self.numbers.shape, self.values.shape[2]
        rows = f"{n} row{'s' * (n > 1)}"
        return f"<{type(self).__name__}: {rows} for each of {k} clusters, {d} features>"

    def __getattr__(self, name: str) -> Any:
        if name in _LABELLED:
            raise AttributeError(
                f"{name!r} is known for xarray data only: give a DataArray to representatives. "
                "numbers, distances and values are known for all data."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @classmethod
    def combine(cls, parts: Sequence[Nearest]) -> Nearest:
        """Return the nearest rows among several parts.

        Parameters
        ----------
        parts : sequence of Nearest
            Nearest rows of disjoint parts of the data, for the same centroids.

        Returns
        -------
        Nearest
            Of all parts together.

        Examples
        --------
        >>> import numpy as np, streamkm
        >>> row = np.zeros((1, 1, 2))
        >>> parts = [streamkm.Nearest(np.array([[n]]), np.array([[n / 2]]), row) for n in (7, 3)]
        >>> streamkm.Nearest.combine(parts).numbers.tolist()
        [[3]]
        """
        n_clusters, most = parts[0].numbers.shape
        return Ranked.combine([Ranked.of_nearest(part) for part in parts]).nearest(n_clusters, most)


@dataclass(frozen=True)
class Ranked(Statistic):
    """The first rows of those clusters that have rows, sorted by (cluster, distance, number).

    Parameters
    ----------
    most : int, maximum number of rows of each cluster; or ndarray of shape (k,), int64
    clusters : ndarray of shape (r,), int64
    numbers : ndarray of shape (r,), int64, row numbers
    distances : ndarray of shape (r,), float64
    values : ndarray of shape (r, d), of the stored dtype; of shape (r, 0) if they are not kept
    """

    most: Most
    clusters: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int64]
    distances: Float64Array
    values: AnyArray

    @classmethod
    def combine(cls, parts: Sequence[Ranked]) -> Ranked:
        some = [part for part in parts if len(part.numbers)]  # the identity has no features
        if len(some) < 2:
            return some[0] if some else parts[0]
        clusters = np.concatenate([part.clusters for part in some])
        numbers = np.concatenate([part.numbers for part in some])
        distances = np.concatenate([part.distances for part in some])
        order = np.lexsort((numbers, distances, clusters))
        order = order[_ranks(clusters[order]) < _most_of(some[0].most, clusters[order])]
        values = np.concatenate([part.values for part in some])[order]
        return cls(some[0].most, clusters[order], numbers[order], distances[order], values)

    @classmethod
    def of_nearest(cls, found: Nearest) -> Ranked:
        """The same rows as those of a `Nearest`."""
        clusters, rank = np.nonzero(found.numbers != _NO_ROW)
        at = clusters, rank
        most = found.numbers.shape[1]
        return cls(most, clusters, found.numbers[at], found.distances[at], found.values[at])

    def nearest(self, n_clusters: int, most: int) -> Nearest:
        """Return the rows by cluster (k) and rank (n)."""
        shape = (n_clusters, most)
        numbers, distances = np.full(shape, _NO_ROW, np.int64), np.full(shape, np.inf)
        at = self.clusters, _ranks(self.clusters)
        numbers[at], distances[at] = self.numbers, self.distances
        values = np.zeros((*shape, self.values.shape[1]), self.values.dtype)
        values[at] = self.values
        return Nearest(numbers, distances, values)


def refuse_too_many(n_clusters: int, most: int) -> None:
    """Refuse a `Nearest` of (k, n) rows that this machine cannot hold, before the read.

    Raises
    ------
    MemoryLimitError
    """
    nbytes, memory = n_clusters * most * _RESULT, memory_here()
    if memory and nbytes > memory:
        raise MemoryLimitError(
            f"{most:,} rows for each of {n_clusters:,} clusters take {show_bytes(nbytes)}, and "
            f"this machine has {show_bytes(memory)}: find fewer rows."
        )


def _most_of(most: Most, clusters: npt.NDArray[np.int64]) -> Any:
    """Return the maximum number of rows of some clusters."""
    return most if isinstance(most, int) else most[clusters]


def _ranks(clusters: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the position of each entry among those of its cluster; clusters are sorted."""
    return np.arange(len(clusters)) - np.searchsorted(clusters, clusters)


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
                full = _ranks(best.clusters) == _most_of(self.most, best.clusters) - 1
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
        order = order[_ranks(labels[order]) < _most_of(self.most, labels[order])]
        numbers = block.row_numbers(tile.start, tile.start + len(tile.x))[order]
        kept = slice(None) if self.keep_values else slice(0)
        values = block.values[tile.start + order, kept]
        return Ranked(self.most, labels[order], numbers, keys[order], values)


@dataclass(frozen=True)
class Closest(Ranking):
    """Find the rows of each cluster that are nearest to its centroid."""

    def keys(self, numbers: npt.NDArray[np.int64], squared_distances: Float64Array) -> Float64Array:
        return np.sqrt(squared_distances)


@dataclass(frozen=True)
class DrawMembers(Ranking):
    """Draw rows of each cluster at random, without replacement.

    Parameters
    ----------
    centroids, most, assigner, keep_values : as for `Ranking`
    seed, stream : key of the draws
    """

    seed: int = 0
    stream: int = 0

    def keys(self, numbers: npt.NDArray[np.int64], squared_distances: Float64Array) -> Float64Array:
        return exponentials(numbers, self.seed, self.stream)
