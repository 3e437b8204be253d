"""Runs of bisecting k-means (Steinbach, Karypis and Kumar 2000) by fits of two clusters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from streamkm.arrays import AnyArray, Float64Array
from streamkm.engine import caching, same_processes, write_rows
from streamkm.errors import CheckpointError, DataError, RunAgain
from streamkm.fitting import (
    FitState,
    Reads,
    StateCallback,
    first_state,
    iterate,
    restart_seeds,
    with_scaling,
)
from streamkm.heap import one_heap
from streamkm.in_memory.monitor import monitored
from streamkm.passes import Spread, Tree, TreeLabels, TreePath
from streamkm.rows import Rows, Scaling, rows_in_memory
from streamkm.runs.bisected import Bisected, Leaf
from streamkm.runs.fit import PreparedFit
from streamkm.runs.fit_options import FitOptions
from streamkm.runs.options import DataOptions, draw_seed
from streamkm.runs.running import ProgressCallbacks, publish, scaled_rows
from streamkm.updates import LossesUpdate

# Writes the labels of a tree, and publishes them at the end of the block.
TreeWriter: TypeAlias = Callable[[Rows, Tree], AbstractContextManager[None]]

_ROUNDING = float((8 * np.finfo(np.float64).eps) ** 2)


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


def prepare_bisecting(data: DataOptions, options: FitOptions) -> PreparedFit:
    """Plan the memory for fits of two clusters, open the data, and check the options.

    Raises
    ------
    DataError
        If the data cannot be clustered, or have fewer rows than clusters.
    MemoryLimitError
        If the work does not fit the memory limit.
    """
    if data.memory_limit is not None:
        one_heap()
    budget = replace(options, n_clusters=2).budget(data.memory_limit)
    rows = data.open(budget)
    options.check(rows)
    return PreparedFit(options, rows, budget)


def bisect(
    prepared: PreparedFit,
    by_weight: bool,
    labels: TreeWriter | AnyArray | None = None,
    progress: ProgressCallbacks | None = None,
    save: Callable[[Bisected], None] | None = None,
) -> Bisected:
    """Split the cluster of the largest loss, or the heaviest, until there are k clusters.

    Parameters
    ----------
    prepared : PreparedFit
    by_weight : bool
        Whether to split the heaviest cluster.
    labels : ndarray of the row shape, a function that writes labels, or None
        Receives the cluster of each row.
    progress : ProgressCallbacks or None
    save : callable or None
        Saves the model. The labels are published directly after that.

    Returns
    -------
    Bisected

    Raises
    ------
    DataError
        If there are fewer distinct rows than clusters.
    """
    progress, options = progress or ProgressCallbacks(), prepared.options
    n_seeds = options.n_clusters * options.n_init
    seeds = restart_seeds(draw_seed(options.random_state), n_seeds)
    with same_processes(), monitored(progress.search), ExitStack() as stack:
        rows = scaled_rows(prepared.rows, options, progress)
        cached = stack.enter_context(caching(rows))
        publishing = stack.enter_context(ExitStack())
        tree, leaves, reads, scaling = _grown(prepared, cached, seeds, by_weight, progress)
        result = Bisected(tree, leaves, reads, with_scaling(rows, scaling))
        if labels is not None:
            progress.read("labels")
            result = _labelled(result, with_scaling(cached, scaling), labels, publishing)
        return publish(result, publishing, save)


def _labelled(
    result: Bisected, rows: Rows, labels: TreeWriter | AnyArray, publishing: ExitStack
) -> Bisected:
    """The result after the labels are written, or with the error that prevented it."""
    if not callable(labels):
        write_rows(TreeLabels(result.tree, labels.dtype), rows, labels)
        return result
    reads = result.reads if rows.uncached(None) == () else result.reads.one_more("labelling")
    try:
        publishing.enter_context(labels(rows, result.tree))
    except (RunAgain, CheckpointError):
        raise
    except Exception as error:  # without labels, the model is still saved
        return replace(result, failure=error)
    return replace(result, reads=reads)


def _grown(
    prepared: PreparedFit,
    rows: Rows,
    seeds: Sequence[int],
    by_weight: bool,
    progress: ProgressCallbacks,
) -> tuple[Tree, list[Leaf], Reads, Scaling | None]:
    """The tree, its leaves, the reads and the scaling of the fits."""
    k, n_init = prepared.options.n_clusters, prepared.options.n_init
    watch = [progress.state]
    progress.part(f"split 1 of {max(1, k - 1)}")
    state = _fitted(prepared, rows, min(2, k), seeds[:n_init], watch)
    reads, scaling = state.reads, state.scaling
    rows = with_scaling(rows, scaling)
    in_memory = rows.cached or state.table is not None
    if state.table is not None:  # the later splits need no other rows
        rows = rows_in_memory(state.table.values, state.table.weights)
    root = _leaves(state, TreePath())
    if k == 1:
        tree = Tree(np.empty((0, 2, rows.layout.n_features)), np.empty((0, 2), np.int64))
        return tree, root, reads, scaling
    splits = [_Split(_centroids(state), [*root])]
    for number in range(1, k - 1):
        leaf, parent, side = _largest(splits, by_weight)
        subset = replace(rows, layout=replace(rows.layout, block_map=leaf.path))
        own_seeds = seeds[number * n_init : (number + 1) * n_init]
        progress.part(f"split {number + 1} of {k - 1}")
        state = _fitted(prepared, subset, 2, own_seeds, watch)
        if not in_memory:
            reads = reads.plus(replace(state.reads, opening=0))
        parent.children[side] = number
        splits.append(_Split(_centroids(state), [*_leaves(state, leaf.path)]))
    return *_numbered(splits), reads, scaling


def _fitted(
    prepared: PreparedFit,
    rows: Rows,
    n_clusters: int,
    seeds: Sequence[int],
    watch: Sequence[StateCallback],
) -> FitState:
    """The finished fit of one split, with the loss of each of its clusters."""
    update = LossesUpdate(prepared.options.rules)
    room = prepared.budget.room(rows.layout)
    init = str(prepared.options.init)
    state = first_state(rows, n_clusters, init, seeds, update, room)
    return iterate(rows, state, watch=watch)


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
    """The leaf to split next, its parent and its side there; the first of equal leaves."""
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
    """The largest loss that rounding of the mean can give to equal rows."""
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
