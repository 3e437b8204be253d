"""Weighted sampling of rows without replacement as a mergeable statistic.

The key of a row is computed from its row number; the m distinct rows with the smallest keys are the
draw. The keys of a uniform or D**2 draw are Exp(1) / weight (Efraimidis and Spirakis 2006), so the
total weight need not be known first, and a draw costs one read for any m.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array, Int32Array, gathered
from streamkm.kernels import exponentials
from streamkm.passes.base import Pass, Statistic, WithCentroids
from streamkm.rows import Block, Tile


@dataclass(frozen=True)
class TopRows(Statistic):
    """The `most` distinct rows with the smallest keys, sorted by (key, row number).

    Parameters
    ----------
    most : int
    keys : ndarray of shape (m,), float64
    numbers : ndarray of shape (m,), int64, row numbers
    values : ndarray of shape (m, d), float64
    weights : ndarray of shape (m,), float64
    labels : ndarray of shape (m,), int32, nearest centroid in draws that have centroids
    hashes : ndarray of shape (m,), uint64, of the values
    """

    most: int
    keys: Float64Array
    numbers: npt.NDArray[np.int64]
    values: Float64Array
    weights: Float64Array
    labels: Int32Array
    hashes: npt.NDArray[np.uint64]

    @classmethod
    def combine(cls, parts: Sequence[TopRows]) -> TopRows:
        most = parts[0].most
        parts = [p for p in parts if len(p.keys)]  # the identity has no features
        if not parts:
            return cls.none(most)
        keys, numbers, weights, labels, hashes = (
            np.concatenate([getattr(p, name) for p in parts])
            for name in ("keys", "numbers", "weights", "labels", "hashes")
        )
        order = np.lexsort((numbers, keys))
        # Equal rows are represented by their smallest key, so duplicates are drawn once.
        values = [p.values for p in parts]
        top = order[_first_of_equals(hashes[order], lambda at: gathered(values, order[at]))]
        top = top[:most]
        rows = gathered(values, top)
        return cls(most, keys[top], numbers[top], rows, weights[top], labels[top], hashes[top])

    @classmethod
    def none(cls, most: int) -> TopRows:
        empty, numbers, labels = np.empty(0), np.empty(0, np.int64), np.empty(0, np.int32)
        hashes = np.empty(0, np.uint64)
        return cls(most, empty, numbers, np.empty((0, 0)), empty, labels, hashes)


def _hashes(values: Float64Array) -> npt.NDArray[np.uint64]:
    """Return a hash of each row (n, d); equal rows have equal hashes."""
    bits = (values + 0.0).view(np.uint64)  # + 0.0 turns minus zero into zero
    odd = np.arange(1, 2 * bits.shape[1], 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    hashes: npt.NDArray[np.uint64] = ((bits ^ (bits >> np.uint64(29))) * odd).sum(axis=1)
    return hashes


def _first_of_equals(
    hashes: npt.NDArray[np.uint64], rows: Callable[[npt.NDArray[np.intp]], Float64Array]
) -> npt.NDArray[np.intp]:
    """Return the places of the rows that equal no earlier row, in ascending order.

    Only rows with equal hashes are compared; `rows` returns those at some places.
    """
    _, first, group, counts = np.unique(
        hashes, return_index=True, return_inverse=True, return_counts=True
    )
    repeated = np.flatnonzero(counts[group] > 1)
    new = np.ones(len(hashes), bool)
    new[repeated] = first[group[repeated]] == repeated
    again = np.flatnonzero(~new)
    differ = (rows(again) != rows(first[group[again]])).any(axis=1)
    if differ.any():  # different rows with the same hash
        new[repeated] = False
        new[repeated[np.unique(rows(repeated), axis=0, return_index=True)[1]]] = True
    return np.flatnonzero(new)


@dataclass(frozen=True)
class _Draw(Pass[TopRows]):
    """Find the `most` rows with the smallest keys; subclasses define the keys."""

    most: int

    @abstractmethod
    def keyed(self, block: Block) -> Iterator[tuple[Tile, Float64Array, Int32Array]]:
        """Yield tiles with keys (n,), infinite for rows that are never drawn, and labels (n,)."""

    def identity(self) -> TopRows:
        return TopRows.none(self.most)

    def statistic_nbytes(self, n_features: int) -> int:
        return self.most * n_features * 8

    def __call__(self, block: Block) -> TopRows:
        best, waiting, n_waiting = self.identity(), list[TopRows](), 0
        for tile, keys, labels in self.keyed(block):
            bar = best.keys[-1] if len(best.keys) == self.most else np.inf
            hopeful = np.flatnonzero((keys <= bar) & (keys < np.inf))
            if hopeful.size:
                waiting.append(self._found(block, tile, hopeful, keys, labels))
                n_waiting += len(hopeful)
            if n_waiting >= self.most:  # not for each tile, because the best rows are copied
                best, waiting, n_waiting = TopRows.combine([best, *waiting]), [], 0
        return TopRows.combine([best, *waiting]) if waiting else best

    def _found(
        self, block: Block, tile: Tile, at: AnyArray, keys: Float64Array, labels: Int32Array
    ) -> TopRows:
        """Return some rows of a tile, unsorted."""
        values = tile.x[at].astype(np.float64)
        numbers, hashes = _numbers(block, tile)[at], _hashes(values)
        return TopRows(self.most, keys[at], numbers, values, tile.weights[at], labels[at], hashes)


@dataclass(frozen=True)
class DrawUniform(_Draw):
    """Draw rows in proportion to their weight. `stream` separates the draws of one seed."""

    seed: int
    stream: int

    def keyed(self, block: Block) -> Iterator[tuple[Tile, Float64Array, Int32Array]]:
        for tile in block.tiles():
            draws = exponentials(_numbers(block, tile), self.seed, self.stream)
            yield tile, _per_weight(draws, tile.weights), np.full(len(draws), -1, np.int32)


@dataclass(frozen=True)
class DrawSquaredDistance(_Draw, WithCentroids):
    """Draw rows in proportion to weight * squared distance to the nearest centroid (D**2)."""

    seed: int
    stream: int
    centroids: Float64Array

    def keyed(self, block: Block) -> Iterator[tuple[Tile, Float64Array, Int32Array]]:
        centroids = self.prepared(block.dtype)
        for tile in block.tiles():
            labels, d2 = centroids.nearest(tile.x)
            draws = exponentials(_numbers(block, tile), self.seed, self.stream)
            yield tile, _per_weight(draws, tile.weights * d2), labels


@dataclass(frozen=True)
class DrawFarthest(_Draw, WithCentroids):
    """Find the rows farthest from their nearest centroid; ties go to the lowest row number."""

    centroids: Float64Array

    def keyed(self, block: Block) -> Iterator[tuple[Tile, Float64Array, Int32Array]]:
        centroids = self.prepared(block.dtype)
        for tile in block.tiles():
            labels, d2 = centroids.nearest(tile.x)
            yield tile, np.where((tile.weights > 0) & (d2 > 0), -d2, np.inf), labels


def _numbers(block: Block, tile: Tile) -> npt.NDArray[np.int64]:
    return block.row_numbers(tile.start, tile.start + len(tile.x))


def _per_weight(draws: Float64Array, weights: Float64Array) -> Float64Array:
    return np.divide(draws, weights, out=np.full_like(draws, np.inf), where=weights > 0)
