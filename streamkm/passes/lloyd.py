"""Lloyd's step (IEEE Trans. Inf. Theory 28(2), 1982): sums, counts and loss of each cluster."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array, in_parts
from streamkm.errors import NonFiniteError
from streamkm.kernels import squared_length
from streamkm.passes.base import Pass, Statistic, WithCentroids
from streamkm.passes.sums import sums_of
from streamkm.rows import Block


@dataclass(frozen=True)
class Assigned(Statistic):
    """Sums, counts and loss of the rows of each cluster.

    Unweighted integers of at most 16 bits are summed as integers, so the order of the blocks does
    not change any bit, and their loss is computed from `squares`. Other rows are summed in float64.

    With very many clusters, the statistic of a block holds only the clusters of its rows. Combined
    with a statistic of all clusters, it becomes one of all clusters.

    Parameters
    ----------
    sums : ndarray of shape (k, d), int64 or float64, weighted sums of rows
    counts : ndarray of shape (k,), of the same dtype, weights
    loss : float, sum of w * |x - c|**2; 0 where it is computed from `squares`
    squares : int, sum of |x|**2 of integer rows
    clusters : ndarray of shape (m,), int64, ascending, the clusters of `sums` (m, d) and `counts`
        (m,); None for all clusters
    """

    sums: AnyArray
    counts: AnyArray
    loss: float = 0.0
    squares: int = 0
    clusters: AnyArray | None = None

    @classmethod
    def combine(cls, parts: Sequence[Assigned]) -> Assigned:
        clusters, places, n_clusters = _common_clusters(parts)
        return cls(
            _added([p.sums for p in parts], places, n_clusters),
            _added([p.counts for p in parts], places, n_clusters),
            sum(p.loss for p in parts),
            sum(p.squares for p in parts),
            clusters,
        )

    @property
    def weight(self) -> float:
        return float(self.counts.sum())

    def means(self, otherwise: Float64Array) -> Float64Array:
        """Return the means (k, d) of the clusters; empty ones have rows of `otherwise` (k, d).

        Examples
        --------
        Five rows with the labels 0, 1, 1, 0 and 0, which are those of the last feature:

        >>> import numpy as np
        >>> from streamkm.passes import Lloyd
        >>> from streamkm.rows import Block
        >>> x = np.column_stack([np.arange(20).reshape(5, 4), [0, 99, 99, 0, 0]])
        >>> centroids = np.array([[0.0] * 5, [0.0] * 4 + [99.0]])
        >>> Lloyd(centroids)(Block.from_values(x)).means(centroids)[:, :4].round(2).tolist()
        [[9.33, 10.33, 11.33, 12.33], [6.0, 7.0, 8.0, 9.0]]
        """
        means = otherwise.copy()
        for part in in_parts(means):
            sums, counts, own = self.sums[part], self.counts[part], means[part]
            occupied = counts > 0
            own[occupied] = sums[occupied] / counts[occupied, None]
        return means

    def inertia(self, centroids: Float64Array) -> float:
        """Return the sum of w * |x - c|**2 for the centroids of the pass.

        For integers J = [sum |x|**2 - sum |s|**2 / n] + sum n |c - s/n|**2. The bracket is computed
        in exact integers, because its two sums nearly cancel.
        """
        if self.sums.dtype.kind == "f":
            return float(self.loss)
        occupied = self.counts > 0
        counts = self.counts[occupied]
        sums = self.sums[occupied]
        longest = sums.shape[1] * int(np.abs(sums).max(initial=0)) ** 2
        whole = sums if longest < 2**63 else sums.astype(object)
        squares = (whole**2).sum(axis=1)
        wholes: int = sum(int(s) // int(n) for s, n in zip(squares, counts, strict=True))
        parts = math.fsum(int(s) % int(n) / int(n) for s, n in zip(squares, counts, strict=True))
        moved = centroids[occupied] - sums / counts[:, None]
        between = float((counts * np.einsum("kd,kd->k", moved, moved)).sum())
        return max(0.0, float(self.squares - wholes) - parts + between)

    def variance(self, centroids: Float64Array) -> float:
        """Return the mean variance of the features, from the sums within and between clusters."""
        total = float(self.weight)
        mean = self.sums.sum(axis=0) / total
        between = 0.0
        for part in in_parts(centroids):
            moved = centroids[part] - mean
            own = self.sums[part] - self.counts[part, None] * centroids[part]
            between += 2.0 * float((own * moved).sum()) + float(
                (self.counts[part] * np.einsum("kd,kd->k", moved, moved)).sum()
            )
        variance: float = (self.inertia(centroids) + between) / (total * centroids.shape[1])
        return max(0.0, variance)

    def reordered(self, order: npt.NDArray[np.intp]) -> Assigned:
        """Return the statistic of the clusters in another order."""
        return Assigned(self.sums[order], self.counts[order], self.loss, self.squares)

    def relocated(
        self, rows: AnyArray, weights: AnyArray, labels: AnyArray, clusters: Sequence[int]
    ) -> Self:
        """Return the statistic in float64, with rows in empty clusters, one in each.

        Parameters
        ----------
        rows : ndarray of shape (m, d)
        weights : ndarray of shape (m,)
        labels : ndarray of shape (m,), the clusters that the rows leave
        clusters : the m empty clusters
        """
        sums, counts = self.sums.astype(np.float64), self.counts.astype(np.float64)
        weighted = weights[:, None] * rows
        np.subtract.at(sums, labels, weighted)
        np.subtract.at(counts, labels, weights)
        sums[clusters], counts[clusters] = weighted, weights
        return replace(self, sums=sums, counts=counts)

    def about(self, before: Float64Array, after: Float64Array) -> Assigned:
        """Return the statistic with the same labels and the loss for other centroids (k, d)."""
        if self.sums.dtype.kind != "f":
            return self
        moves = after - before
        own = self.sums - self.counts[:, None] * before
        change = self.counts * np.einsum("kd,kd->k", moves, moves)
        change -= 2 * np.einsum("kd,kd->k", moves, own)
        return replace(self, loss=self.loss + float(change.sum()))


@dataclass(frozen=True)
class Lloyd(WithCentroids, Pass[Assigned]):
    """Assign every row to the nearest centroid (k, d), float64, and sum the rows of each."""

    centroids: Float64Array

    def identity(self) -> Assigned:
        return Assigned(
            np.zeros(self.centroids.shape, np.int64), np.zeros(len(self.centroids), np.int64)
        )

    def __call__(self, block: Block) -> Assigned:
        return self.assign(block)

    def assign(
        self,
        block: Block,
        labels: AnyArray | None = None,
        distances: Float64Array | None = None,
        losses: Float64Array | None = None,
    ) -> Assigned:
        """Return the statistic of a block.

        If given, `labels` (n,) receives the labels, and the weighted sums of the distances or of
        the squared distances of each cluster are added to `distances` (k,) or `losses` (k,).

        Raises
        ------
        NonFiniteError
            If labels are requested and a row is NaN or infinite.
        """
        if block.n_rows == 0:
            return self.identity()
        centroids = self.prepared(block.dtype)
        gathering = sums_of(self.centroids, block.n_rows)
        loss, squares = 0.0, 0
        for tile in block.tiles():
            nearest, d2, lost = gathering.gather(centroids, tile)
            loss += lost
            if labels is not None:
                refuse_bad(block, tile.start, d2)
                labels[tile.start : tile.start + len(nearest)] = nearest
            if distances is not None:
                apart = tile.weights * np.sqrt(d2)
                distances += np.bincount(nearest, apart, minlength=len(distances))
            if losses is not None:
                losses += np.bincount(nearest, tile.weights * d2, minlength=len(losses))
            if block.is_integer:
                squares += int(squared_length(tile.x))
        sums, counts, clusters = gathering.result()
        if block.is_integer:  # whole numbers below 2**53 are exact in float64
            return Assigned(sums.astype(np.int64), counts.astype(np.int64), 0.0, squares, clusters)
        return Assigned(sums, counts, loss, 0, clusters)


def _common_clusters(parts: Sequence[Assigned]) -> tuple[AnyArray | None, list[Any], int]:
    """Return the clusters of the sum of the parts, the places of each part, and their number.

    Clusters and places are None for all clusters.
    """
    whole = next((p for p in parts if p.clusters is None), None)
    if whole is not None:
        return None, [p.clusters for p in parts], len(whole.counts)
    held = [p.clusters for p in parts if p.clusters is not None]
    clusters = np.unique(np.concatenate(held))
    return clusters, [np.searchsorted(clusters, own) for own in held], len(clusters)


def _added(arrays: Sequence[AnyArray], places: Sequence[Any], n_clusters: int) -> AnyArray:
    """Return the sum of arrays over `n_clusters` clusters, added in order to one new array.

    Arrays of an empty block are integers, also beside sums of floats.
    """
    kind = np.result_type(*arrays)
    if places[0] is None:
        total, first = arrays[0].astype(kind), 1
    else:
        total, first = np.zeros((n_clusters, *arrays[0].shape[1:]), kind), 0
    for array, place in zip(arrays[first:], places[first:], strict=True):
        if place is None:
            total += array
        else:
            total[place] += array
    return total


def refuse_bad(block: Block, start: int, d2: Float64Array) -> None:
    """Raise an error if a distance of the tile that begins at row `start` is not finite."""
    bad = np.flatnonzero(~np.isfinite(d2))
    if bad.size:
        place = start + int(bad[0])
        row = int(block.row_numbers(place, place + 1)[0])
        large = bool(np.isfinite(block.values[start + bad]).all())
        raise NonFiniteError(bad.size, row, block.number, large)
