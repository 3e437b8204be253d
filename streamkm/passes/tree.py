"""A binary tree of clusters: each row follows the nearer centroid at every split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array, FloatArray
from streamkm.checkpointable import Checkpointable
from streamkm.kernels import Centroids
from streamkm.passes.census import Counted
from streamkm.passes.lloyd import refuse_bad
from streamkm.passes.per_row import PerRow
from streamkm.rows import Block, read_only


@dataclass(frozen=True)
class TreePath:
    """A path from the root of a tree; called on a block, it keeps the rows that follow the path.

    Parameters
    ----------
    steps : tuple of (pair, side)
        Each split on the path: its centroids (2, d), and which of the two the path follows.
    """

    steps: tuple[tuple[Float64Array, int], ...] = ()

    def __call__(self, block: Block) -> Block:
        for pair, side in self.steps:
            if block.n_rows == 0:
                break
            centroids = Centroids(pair, block.dtype)
            follows = [centroids.nearest(tile.x)[0] == side for tile in block.tiles()]
            block = block.where(np.concatenate(follows))
        return block

    def followed_by(self, pair: Float64Array, side: int) -> TreePath:
        """The path with one more step."""
        return TreePath((*self.steps, (pair, side)))


@dataclass(frozen=True)
class Tree(Checkpointable):
    """A binary tree whose leaves are clusters.

    Parameters
    ----------
    pairs : ndarray of shape (k - 1, 2, d), float64
        Centroids of each split; the first split is the root.
    children : ndarray of shape (k - 1, 2), int64
        Of each side of a split: the number of the next split, or -1 - c for cluster c.
    """

    pairs: Float64Array
    children: npt.NDArray[np.int64]

    def with_leaves(self, centroids: Float64Array) -> Tree:
        """The tree with other centroids (k, d) of its clusters."""
        pairs = self.pairs.copy()
        leaves = self.children < 0
        pairs[leaves] = centroids[-1 - self.children[leaves]]
        return Tree(pairs, self.children)

    def labels(self, x: FloatArray) -> npt.NDArray[np.int64]:
        """Cluster (n,) that each of the rows (n, d) reaches."""
        found = np.zeros(len(x), np.int64)
        waiting = [(0, np.arange(len(x)))] if len(self.pairs) else []
        while waiting:
            split, rows = waiting.pop()
            sides, _ = Centroids(self.pairs[split], x.dtype).nearest(read_only(x[rows]))
            for side, child in enumerate(self.children[split].tolist()):
                own = rows[sides == side]
                if child < 0:
                    found[own] = -1 - child
                elif own.size:
                    waiting.append((child, own))
        return found


@dataclass(frozen=True)
class TreeLabels(PerRow[Counted]):
    """The cluster that each row reaches."""

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
