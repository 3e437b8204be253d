"""The rows nearest to each centroid, as examples of each cluster, in one read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array
from streamkm.passes.base import Pass, Statistic, WithCentroids
from streamkm.passes.lloyd import refuse_bad
from streamkm.passes.tree import Tree
from streamkm.rows import Block

_NO_ROW = -1


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
        The rows, of the stored dtype.
    """

    numbers: npt.NDArray[np.int64]
    distances: Float64Array
    values: AnyArray

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
        most = parts[0].numbers.shape[1]
        some = [
            part for part in parts if part.values.shape[2]
        ]  # the number of features is unknown without rows
        if len(some) < 2:
            return some[0] if some else parts[0]
        numbers = np.concatenate([part.numbers for part in some], axis=1)
        distances = np.concatenate([part.distances for part in some], axis=1)
        order = np.lexsort((numbers, distances))[:, :most]
        values = np.concatenate([part.values for part in some], axis=1)
        return cls(
            np.take_along_axis(numbers, order, 1),
            np.take_along_axis(distances, order, 1),
            np.take_along_axis(values, order[:, :, None], 1),
        )


@dataclass(frozen=True)
class Closest(WithCentroids, Pass[Nearest]):
    """Find the rows of each cluster that are nearest to its centroid.

    Parameters
    ----------
    centroids : ndarray of shape (k, d), float64
    most : int, number of rows for each cluster
    tree : Tree that assigns rows to clusters, or None where a row belongs to the nearest centroid
    """

    centroids: Float64Array
    most: int
    tree: Tree | None = None

    def identity(self) -> Nearest:
        return self._none(0, np.dtype(np.uint8))

    def _none(self, n_features: int, dtype: np.dtype[Any]) -> Nearest:
        shape = (len(self.centroids), self.most)
        numbers, distances = np.full(shape, _NO_ROW, np.int64), np.full(shape, np.inf)
        return Nearest(numbers, distances, np.zeros((*shape, n_features), dtype))

    def __call__(self, block: Block) -> Nearest:
        if block.n_rows == 0:
            return self.identity()
        centroids = self.prepared(block.dtype)
        best = self._none(self.centroids.shape[1], block.values.dtype)
        for tile in block.tiles():
            labels, d2 = centroids.nearest(tile.x)
            refuse_bad(block, tile.start, d2)
            if self.tree is not None:
                labels = self.tree.labels(tile.x).astype(np.int32)
                d2 = np.square(tile.x - self.centroids[labels]).sum(axis=1)
            hopeful = np.flatnonzero(np.sqrt(d2) <= best.distances[labels, -1])
            order = hopeful[np.lexsort((hopeful, d2[hopeful], labels[hopeful]))]
            rank = np.arange(len(order)) - np.searchsorted(labels[order], labels[order])
            order, rank = order[rank < self.most], rank[rank < self.most]
            if order.size == 0:
                continue
            found, places = self._none(best.values.shape[2], block.values.dtype), labels[order]
            numbers = block.row_numbers(tile.start, tile.start + len(tile.x))
            found.numbers[places, rank] = numbers[order]
            found.distances[places, rank] = np.sqrt(d2[order])
            found.values[places, rank] = block.values[tile.start + order]
            best = Nearest.combine([best, found])
        return best
