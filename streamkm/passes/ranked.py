"""The first rows of each cluster in an order: as a list, or by cluster and rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array
from streamkm.errors import MemoryLimitError
from streamkm.passes.base import Statistic
from streamkm.rows.machine import memory_here
from streamkm.sizes import show_bytes

Most = int | npt.NDArray[np.int64]
_NO_ROW = -1
_LABELLED = ("dataset", "indices")  # attributes of the result of xarray data
_RESULT = 2 * 8  # bytes of the number and the distance of a row


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
        order = order[ranks(clusters[order]) < most_of(some[0].most, clusters[order])]
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
        at = self.clusters, ranks(self.clusters)
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


def most_of(most: Most, clusters: npt.NDArray[np.int64]) -> Any:
    """Return the maximum number of rows of some clusters."""
    return most if isinstance(most, int) else most[clusters]


def ranks(clusters: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the position of each entry among those of its cluster; clusters are sorted."""
    return np.arange(len(clusters)) - np.searchsorted(clusters, clusters)
