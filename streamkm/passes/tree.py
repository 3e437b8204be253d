"""Clusters of clusters: rows go down a tree of pairs of centroids, to the nearer at each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array, FloatArray
from streamkm.kernels import Centroids
from streamkm.passes.census import Counted
from streamkm.passes.lloyd import refuse_bad
from streamkm.passes.per_row import PerRow
from streamkm.rows import Block, read_only


@dataclass(frozen=True)
class Branch:
    """The rows of a block that go a certain way.

    Parameters
    ----------
    way : tuple of (pair of centroids (2, d), the side that is taken)
    """

    way: tuple[tuple[Float64Array, int], ...]

    def __call__(self, block: Block) -> Block:
        for pair, side in self.way:
            if block.n_rows == 0:
                break
            centroids = Centroids(pair, block.dtype)
            here = [centroids.nearest(tile.x)[0] == side for tile in block.tiles()]
            block = block.where(np.concatenate(here))
        return block

    def then(self, pair: Float64Array, side: int) -> Branch:
        return Branch((*self.way, (pair, side)))


@dataclass(frozen=True)
class Tree:
    """A binary tree whose leaves are clusters.

    Parameters
    ----------
    pairs : ndarray of shape (k - 1, 2, d), the centroids at each fork; the first is the root
    children : ndarray of shape (k - 1, 2), int64, a fork, or -1 - cluster
    """

    pairs: Float64Array
    children: npt.NDArray[np.int64]

    def with_leaves(self, centroids: Float64Array) -> Tree:
        """The tree with these centroids (k, d) as its leaves."""
        pairs = self.pairs.copy()
        leaves = self.children < 0
        pairs[leaves] = centroids[-1 - self.children[leaves]]
        return Tree(pairs, self.children)

    def labels(self, x: FloatArray) -> npt.NDArray[np.int64]:
        """The clusters (n,) that rows (n, d) come to."""
        found = np.zeros(len(x), np.int64)
        waiting = [(0, np.arange(len(x)))] if len(self.pairs) else []
        while waiting:
            fork, rows = waiting.pop()
            sides, _ = Centroids(self.pairs[fork], x.dtype).nearest(read_only(x[rows]))
            for side, child in enumerate(self.children[fork].tolist()):
                own = rows[sides == side]
                if child < 0:
                    found[own] = -1 - child
                elif own.size:
                    waiting.append((child, own))
        return found


@dataclass(frozen=True)
class TreeLabels(PerRow[Counted]):
    """The cluster that every row comes to."""

    tree: Tree
    dtype: np.dtype[Any]

    def identity(self) -> Counted:
        return Counted()

    def __call__(self, block: Block) -> tuple[AnyArray, Counted]:
        labels = np.empty(block.n_rows, self.dtype)
        for tile in block.tiles():
            refuse_bad(block, tile.start, tile.x.sum(axis=1, dtype=np.float64))
            labels[tile.start : tile.start + len(tile.x)] = self.tree.labels(tile.x)
        return labels, Counted(rows=block.n_rows)
