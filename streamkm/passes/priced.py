"""Assignment of rows to the centroid with the least sum of squared distance and price.

With one more feature, which is zero for rows and the root of the price for centroids, this sum is a
squared distance, so the kernels of nearest centroids compute it, with the same exactness.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array, FloatArray, Int32Array
from streamkm.kernels import Prepared, add, squared_distances, squared_length
from streamkm.passes.base import Pass
from streamkm.passes.lloyd import Assigned, Lloyd, refuse_bad
from streamkm.passes.per_row import PerRow
from streamkm.rows import Block, Tile, read_only


class WithPrices:
    """A question that compares rows with `centroids` (k, d) that have `prices` (k,)."""

    centroids: Float64Array
    prices: Float64Array

    def statistic_nbytes(self, n_features: int) -> int:
        """Bytes of one number for each feature of each cluster."""
        return self.centroids.nbytes

    @cached_property
    def prepared(self) -> Prepared:
        """The centroids with the additional feature; only differences of prices matter."""
        return Prepared(np.column_stack([self.centroids, np.sqrt(self._raised)]))

    @cached_property
    def _raised(self) -> Float64Array:
        raised: Float64Array = self.prices - self.prices.min()
        return raised

    def assigned(self, x: FloatArray) -> tuple[Int32Array, Float64Array, Float64Array]:
        """Return labels (n,), squared distances without prices (n,), and margins (n,).

        A margin is a lower bound of the difference of the two least sums.
        """
        wide = np.zeros((len(x), x.shape[1] + 1), x.dtype)
        wide[:, :-1] = x
        labels, sums, margins = self.prepared(x.dtype).nearest_and_gaps(read_only(wide))
        if len(self.centroids) == 1:
            margins[:] = np.inf
        return labels, np.maximum(sums - self._raised[labels], 0.0), margins


class Totals:
    """Accumulator of Lloyd's statistic of a block with known labels."""

    def __init__(self, block: Block, shape: tuple[int, ...]) -> None:
        self._block, self._squares = block, 0
        self._sums, self._counts, self._loss = np.zeros(shape), np.zeros(shape[0]), 0.0

    def add(self, tile: Tile, labels: Int32Array, d2: Float64Array) -> None:
        """Add the rows of a tile."""
        known = (read_only(labels), read_only(d2))
        self._loss += float(add(tile.x, tile.weights, *known, self._sums, self._counts))
        if self._block.is_integer:
            self._squares += int(squared_length(tile.x))

    def result(self) -> Assigned:
        """Return the statistic; sums of small integers are integers, as for `Lloyd`."""
        if not self._block.is_integer:
            return Assigned(self._sums, self._counts, self._loss)
        sums, counts = self._sums.astype(np.int64), self._counts.astype(np.int64)
        return Assigned(sums, counts, 0.0, self._squares)


@dataclass(frozen=True)
class PricedLloyd(WithPrices, Pass[Assigned]):
    """Assign every row by squared distance and price, and sum the rows of each cluster.

    Parameters
    ----------
    centroids : ndarray of shape (k, d), float64
    prices : ndarray of shape (k,), float64, in squared data units
    """

    centroids: Float64Array
    prices: Float64Array

    def identity(self) -> Assigned:
        return Lloyd(self.centroids).identity()

    def __call__(self, block: Block) -> Assigned:
        if block.n_rows == 0:
            return self.identity()
        totals = Totals(block, self.centroids.shape)
        for tile in block.tiles():
            labels, d2, _ = self.assigned(tile.x)
            totals.add(tile, labels, d2)
        return totals.result()


@dataclass(frozen=True)
class PricedLabels(WithPrices, PerRow[Assigned]):
    """Label rows by squared distance and price, except for rows whose label is given.

    Parameters
    ----------
    centroids, prices : as for `PricedLloyd`
    numbers : ndarray of shape (m,), int64, ascending numbers of the rows with given labels
    labels : ndarray of shape (m,), int32
    dtype : dtype of the labels
    """

    centroids: Float64Array
    prices: Float64Array
    numbers: npt.NDArray[np.int64]
    labels: Int32Array
    dtype: np.dtype[Any]

    def identity(self) -> Assigned:
        return Lloyd(self.centroids).identity()

    def __call__(self, block: Block) -> tuple[AnyArray, Assigned]:
        answers = np.empty(block.n_rows, self.dtype)
        if block.n_rows == 0:
            return answers, self.identity()
        totals = Totals(block, self.centroids.shape)
        for tile, labels, d2 in self._labelled(block):
            refuse_bad(block, tile.start, d2)
            answers[tile.start : tile.start + len(labels)] = labels
            totals.add(tile, labels, d2)
        return answers, totals.result()

    def _labelled(self, block: Block) -> Iterator[tuple[Tile, Int32Array, Float64Array]]:
        for tile in block.tiles():
            labels, d2, _ = self.assigned(tile.x)
            numbers = block.row_numbers(tile.start, tile.start + len(labels))
            places = np.searchsorted(self.numbers, numbers)
            known = places < len(self.numbers)
            known[known] = self.numbers[places[known]] == numbers[known]
            for row in np.flatnonzero(known):
                labels[row] = self.labels[places[row]]
                own = self.centroids[labels[row], None]
                d2[row] = squared_distances(tile.x[row, None], own)[0, 0]
            yield tile, labels, d2
