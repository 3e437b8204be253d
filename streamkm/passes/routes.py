"""A hierarchy of clusters: each row follows the nearest centroid of every level."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array, FloatArray
from streamkm.checkpointable import Checkpointable
from streamkm.kernels import Prepared
from streamkm.passes.base import Statistic
from streamkm.passes.lloyd import refuse_bad
from streamkm.passes.per_row import PerRow
from streamkm.rows import Block, read_only


@dataclass(frozen=True)
class Routes(Checkpointable):
    """A hierarchy in which the children of a cluster have consecutive numbers.

    Parameters
    ----------
    levels : tuple of ndarray of shape (k, d), float64
        Centroids of each level, the top first and the leaves last.
    starts : tuple of ndarray of shape (k + 1,), int64
        Of each level but the last: the children of cluster c are the clusters starts[c] to
        starts[c + 1] of the next level, at least one.
    """

    levels: tuple[Float64Array, ...]
    starts: tuple[npt.NDArray[np.int64], ...]

    @classmethod
    def from_parents(
        cls, levels: Sequence[Float64Array], parents: Sequence[npt.NDArray[np.int64]]
    ) -> Self:
        """Create routes.

        Parameters
        ----------
        levels : centroids of each level, the top first
        parents : of each level but the first, the parent (k,) of each cluster, in ascending order
        """
        starts = [
            np.searchsorted(own, np.arange(len(above) + 1))
            for above, own in zip(levels[:-1], parents, strict=True)
        ]
        return cls(tuple(levels), tuple(starts))

    def labels(self, x: FloatArray) -> npt.NDArray[np.int64]:
        """Return the leaf (n,) that each of the rows (n, d) reaches."""
        return self.nearest(x)[0]

    def nearest(self, x: FloatArray) -> tuple[npt.NDArray[np.int64], Float64Array]:
        """Return the leaf (n,) that each of the rows (n, d) reaches, and its squared distance."""
        first, d2 = self._tops(x.dtype).nearest(x)
        labels = first.astype(np.int64)
        for level in range(len(self.starts)):
            labels, d2 = self._down(level, x, labels)
        return labels, d2

    def _down(
        self, level: int, x: FloatArray, parents: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], Float64Array]:
        """Return the nearest child (n,) of the cluster of each row, and its squared distance."""
        found, d2 = np.empty(len(x), np.int64), np.empty(len(x))
        order = np.argsort(parents, kind="stable")
        present, first = np.unique(parents[order], return_index=True)
        for parent, rows in zip(present.tolist(), np.split(order, first[1:]), strict=True):
            children = self._children[level][parent](x.dtype)
            labels, d2[rows] = children.nearest(read_only(np.ascontiguousarray(x[rows])))
            found[rows] = self.starts[level][parent] + labels
        return found, d2

    @cached_property
    def _tops(self) -> Prepared:
        return Prepared(self.levels[0])

    @cached_property
    def _children(self) -> tuple[tuple[Prepared, ...], ...]:
        """The centroids of the children of every cluster, by level; views until they are used."""
        return tuple(
            tuple(Prepared(below[a:b]) for a, b in itertools.pairwise(starts))
            for below, starts in zip(self.levels[1:], self.starts, strict=True)
        )

    def __getstate__(self) -> dict[str, Any]:
        """Exclude the prepared centroids, which are computed again where they are used."""
        return {"levels": self.levels, "starts": self.starts}


@dataclass(frozen=True)
class Reached(Statistic):
    """The rows that reach a leaf.

    Parameters
    ----------
    rows : int
    loss : float, sum of w * |x - c|**2 for the centroids of the leaves
    """

    rows: int = 0
    loss: float = 0.0

    @classmethod
    def combine(cls, parts: Sequence[Reached]) -> Reached:
        return cls(sum(p.rows for p in parts), sum(p.loss for p in parts))


@dataclass(frozen=True)
class RoutedLabels(PerRow[Reached]):
    """Find the leaf that each row reaches."""

    routes: Routes
    dtype: np.dtype[Any]

    def identity(self) -> Reached:
        return Reached()

    def __call__(self, block: Block) -> tuple[AnyArray, Reached]:
        labels, loss = np.empty(block.n_rows, self.dtype), 0.0
        for tile in block.tiles():
            found, d2 = self.routes.nearest(tile.x)
            refuse_bad(block, tile.start, d2)
            labels[tile.start : tile.start + len(found)] = found
            loss += float((tile.weights * d2).sum())
        return labels, Reached(block.n_rows, loss)
