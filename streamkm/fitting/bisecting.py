"""Bisecting k-means (Steinbach, Karypis and Kumar 2000): a fit of two clusters, again and again."""

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
from streamkm.passes import Branch, Spread, Tree
from streamkm.rows import Rows, Scaling, rows_in_memory

_ROUNDING = float((8 * np.finfo(np.float64).eps) ** 2)
Begin = Callable[[Rows, int, int], FitState]


@dataclass(frozen=True)
class Leaf:
    """A cluster, which may be split.

    Parameters
    ----------
    branch : Branch, the way to it
    centroid : ndarray of shape (d,)
    loss, weight : of its rows
    """

    branch: Branch
    centroid: Float64Array
    loss: float
    weight: float


@dataclass(frozen=True)
class Bisected:
    """A tree of clusters.

    Parameters
    ----------
    tree : Tree
    leaves : list of Leaf, cluster after cluster
    reads : Reads
    scaling : Scaling that the tree and the leaves see rows through, or None
    """

    tree: Tree
    leaves: list[Leaf]
    reads: Reads
    scaling: Scaling | None = None


def bisect(rows: Rows, n_clusters: int, begin: Begin, by_weight: bool) -> Bisected:
    """Split the cluster of the largest loss, or the heaviest, until there are k.

    Parameters
    ----------
    rows : Rows
    n_clusters : k
    begin : the first state of a fit, of some rows, a number of clusters, and how many splits
        went before; its step is `Losses`
    by_weight : whether the heaviest is split

    Raises
    ------
    DataError
        When there are fewer distinct rows than clusters.
    """
    state = iterate(rows, begin(rows, min(2, n_clusters), 0))
    reads, scaling = state.reads, state.scaling
    rows = with_scaling(rows, scaling)
    tabled = state.table is not None
    if state.table is not None:  # all that is wanted from here on, at no read
        rows = rows_in_memory(state.table.values, state.table.weights)
    pairs: list[Float64Array] = []
    forks: list[list[int | Leaf]] = [_leaves(state, Branch(()))]
    if n_clusters > 1:
        pairs.append(_pair(state))
    while sum(isinstance(child, Leaf) for fork in forks for child in fork) < n_clusters:
        leaf, fork, side = _largest(forks, by_weight)
        free = tabled or rows.cached
        own = replace(rows, layout=replace(rows.layout, branch=leaf.branch))
        state = iterate(own, begin(own, 2, len(pairs)))
        reads = reads if free else reads.plus(replace(state.reads, opening=0))
        forks[fork][side] = len(pairs)
        forks.append(_leaves(state, leaf.branch))
        pairs.append(_pair(state))
    return replace(_numbered(pairs, forks, rows.layout.n_features, reads), scaling=scaling)


def _pair(state: FitState) -> Float64Array:
    assert state.best.centroids is not None
    return state.best.centroids


def _leaves(state: FitState, branch: Branch) -> list[int | Leaf]:
    """The clusters that a fit has found among the rows of a branch."""
    centroids, gathered = _pair(state), state.best.gathered
    assert isinstance(gathered, Spread)
    ways = [branch.then(centroids, side) for side in range(2)] if len(centroids) > 1 else [branch]
    found = zip(ways, centroids, gathered.losses, gathered.counts, strict=True)
    return [Leaf(way, c, float(loss), float(weight)) for way, c, loss, weight in found]


def _largest(forks: list[list[int | Leaf]], by_weight: bool) -> tuple[Leaf, int, int]:
    """The leaf to split, and where it hangs; of equal ones the first."""
    found = [
        (leaf.weight if by_weight else leaf.loss, leaf, fork, side)
        for fork, children in enumerate(forks)
        for side, leaf in enumerate(children)
        if isinstance(leaf, Leaf) and leaf.loss > _rounding(leaf)
    ]
    if not found:
        raise DataError("there are fewer distinct rows than clusters; ask for fewer clusters.")
    return max(found, key=lambda item: item[0])[1:]


def _rounding(leaf: Leaf) -> float:
    """The loss of equal rows about a mean that is rounded."""
    return _ROUNDING * leaf.weight * float(np.square(leaf.centroid).sum())


def _numbered(
    pairs: list[Float64Array], forks: list[list[int | Leaf]], n_features: int, reads: Reads
) -> Bisected:
    """The leaves from left to right."""
    leaves: list[Leaf] = []
    children = np.empty((len(pairs), 2), np.int64)
    waiting = [(0, side) for side in reversed(range(len(forks[0])))]
    while waiting:
        fork, side = waiting.pop()
        child = forks[fork][side]
        if isinstance(child, Leaf):
            if pairs:
                children[fork, side] = -1 - len(leaves)
            leaves.append(child)
        else:
            children[fork, side] = child
            waiting += [(child, 1), (child, 0)]
    return Bisected(Tree(np.array(pairs).reshape(-1, 2, n_features), children), leaves, reads)
