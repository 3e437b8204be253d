"""Bisecting k-means (Steinbach, Karypis and Kumar 2000): repeated fits of two clusters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.errors import DataError
from streamkm.fitting.iterate import iterate
from streamkm.fitting.reads import Reads
from streamkm.fitting.scaling import with_scaling
from streamkm.fitting.state import FitState
from streamkm.passes import Spread, Tree, TreePath
from streamkm.rows import Rows, Scaling, rows_in_memory

_ROUNDING = float((8 * np.finfo(np.float64).eps) ** 2)
FirstState = Callable[[Rows, int, int], FitState]


@dataclass(frozen=True)
class Leaf:
    """A cluster that has not been split.

    Parameters
    ----------
    path : TreePath
        From the root of the tree to this cluster.
    centroid : ndarray of shape (d,), float64
    loss : float
        Sum of w * |x - centroid|**2 over the rows of the cluster, in squared data units.
    weight : float
        Sum of the weights of its rows.
    """

    path: TreePath
    centroid: Float64Array
    loss: float
    weight: float


@dataclass(frozen=True)
class _Split:
    """A split of the tree that is being built.

    Parameters
    ----------
    pair : ndarray of shape (2, d), float64
    children : list of two
        A `Leaf`, or the number of the split that has replaced it.
    """

    pair: Float64Array
    children: list[int | Leaf]


@dataclass(frozen=True)
class Bisected:
    """The result of bisecting k-means.

    Parameters
    ----------
    tree : Tree
    leaves : list of Leaf
        In the order of the cluster numbers.
    reads : Reads
    scaling : Scaling or None
        Scaling of the rows; the tree and the leaves are in scaled units.
    """

    tree: Tree
    leaves: list[Leaf]
    reads: Reads
    scaling: Scaling | None


def bisect(rows: Rows, n_clusters: int, first_state: FirstState, by_weight: bool) -> Bisected:
    """Split the cluster of the largest loss, or the heaviest, until there are k.

    Parameters
    ----------
    rows : Rows
    n_clusters : int
    first_state : callable
        Returns the first state of a fit, given the rows, the number of clusters and the number of
        earlier splits. The fit must gather `Losses`.
    by_weight : bool
        Whether to split the heaviest cluster.

    Returns
    -------
    Bisected

    Raises
    ------
    DataError
        If there are fewer distinct rows than clusters.
    """
    state = iterate(rows, first_state(rows, min(2, n_clusters), 0))
    reads, scaling = state.reads, state.scaling
    rows = with_scaling(rows, scaling)
    in_memory = rows.cached or state.table is not None
    if state.table is not None:  # the later splits need no other rows
        rows = rows_in_memory(state.table.values, state.table.weights)
    root = _leaves(state, TreePath())
    if n_clusters == 1:
        tree = Tree(np.empty((0, 2, rows.layout.n_features)), np.empty((0, 2), np.int64))
        return Bisected(tree, root, reads, scaling)
    splits = [_Split(_centroids(state), [*root])]
    for number in range(1, n_clusters - 1):
        leaf, parent, side = _largest(splits, by_weight)
        subset = replace(rows, layout=replace(rows.layout, block_map=leaf.path))
        state = iterate(subset, first_state(subset, 2, number))
        if not in_memory:
            reads = reads.plus(replace(state.reads, opening=0))
        parent.children[side] = number
        splits.append(_Split(_centroids(state), [*_leaves(state, leaf.path)]))
    tree, leaves = _numbered(splits)
    return Bisected(tree, leaves, reads, scaling)


def _centroids(state: FitState) -> Float64Array:
    assert state.best.centroids is not None
    return state.best.centroids


def _leaves(state: FitState, path: TreePath) -> list[Leaf]:
    """The clusters of a fit to the rows that follow a path."""
    centroids, gathered = _centroids(state), state.best.statistic
    assert isinstance(gathered, Spread)
    paths = [path]
    if len(centroids) > 1:
        paths = [path.followed_by(centroids, side) for side in range(2)]
    clusters = zip(paths, centroids, gathered.losses, gathered.counts, strict=True)
    return [Leaf(own, c, float(loss), float(weight)) for own, c, loss, weight in clusters]


def _largest(splits: list[_Split], by_weight: bool) -> tuple[Leaf, _Split, int]:
    """The leaf to split next, its parent and its side there; of equal leaves the first."""
    candidates = [
        (leaf.weight if by_weight else leaf.loss, leaf, split, side)
        for split in splits
        for side, leaf in enumerate(split.children)
        if isinstance(leaf, Leaf) and leaf.loss > _rounding(leaf)
    ]
    if not candidates:
        raise DataError("there are fewer distinct rows than clusters; ask for fewer clusters.")
    return max(candidates, key=lambda item: item[0])[1:]


def _rounding(leaf: Leaf) -> float:
    """The largest loss that equal rows can have because their mean is rounded."""
    return _ROUNDING * leaf.weight * float(np.square(leaf.centroid).sum())


def _numbered(splits: list[_Split]) -> tuple[Tree, list[Leaf]]:
    """The tree, and its leaves numbered from left to right."""
    leaves: list[Leaf] = []
    children = np.empty((len(splits), 2), np.int64)
    waiting = [(0, 1), (0, 0)]
    while waiting:
        split, side = waiting.pop()
        child = splits[split].children[side]
        if isinstance(child, Leaf):
            children[split, side] = -1 - len(leaves)
            leaves.append(child)
        else:
            children[split, side] = child
            waiting += [(child, 1), (child, 0)]
    return Tree(np.array([split.pair for split in splits]), children), leaves
