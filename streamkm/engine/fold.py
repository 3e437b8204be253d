"""One read: a task a block, under a tree of fixed fan-in 8 over the *block numbers*.

Never by arrival, so the bits depend on the plan alone. Graphs stay bounded because the blocks go
out in waves of whole subtrees; what is left to fold between waves is the same tree.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
from dask.delayed import Delayed

from streamkm.engine.schedule import in_threads, on_threads, one_blas_thread, results
from streamkm.passes import Pass, Statistic
from streamkm.passes.base import S
from streamkm.rows import Block, DaskRows, Rows, StoredRows

FAN_IN = 8
WAVE = FAN_IN**3
_DASK_WAVE = FAN_IN**4  # to cut one out of somebody's graph takes a look at all of its keys


def map_reduce(question: Pass[S], rows: Rows, wave: int = WAVE) -> S:
    """Fold a pass over all rows: one read.

    Parameters
    ----------
    question : Pass
    rows : Rows
    wave : blocks of one graph, a power of eight, of a Dask array at least 4,096; it never changes
        a bit of the answer

    Returns
    -------
    Statistic of all rows.
    """
    return fold(question, type(question.identity()), rows, wave)


def fold(call: Callable[[Block], Any], kind: type[S], rows: Rows, wave: int) -> S:
    total = rows.plan.n_blocks
    with one_blas_thread():
        here = isinstance(rows, StoredRows) and rows.stays_here
        if isinstance(rows, StoredRows) and rows.in_memory and on_threads(here):
            answers = in_threads(lambda number: call(rows.block(number)), total)
            return cast(S, _fold_waves(kind, answers))
        if isinstance(rows, DaskRows):
            wave = _wave_of(rows, call, max(wave, _DASK_WAVE))
        graphs = (
            _tree(call, kind, rows, first, min(first + wave, total))
            for first in range(0, total, wave)
        )
        return cast(S, _fold_waves(kind, results(graphs, here, rows.ahead and not rows.kept)))


def _wave_of(rows: DaskRows, call: Any, wave: int) -> int:
    """Blocks of one graph: all, where blocks share what would be done again for every wave.

    As in `x - x.mean(axis=0)`, one block of which has more tasks than there are blocks.
    """
    total = rows.plan.n_blocks
    if wave < total and len(rows.graph(call, "streamkm-trial", 0, 1)[0]) >= total:
        return total
    return wave


def _tree(call: Any, kind: type[Statistic], rows: Rows, first: int, last: int) -> Delayed:
    """The graph of one wave: its blocks and the tree above them."""
    name = f"streamkm-{uuid.uuid4().hex}"
    graph, keys = rows.graph(call, name, first, last)
    level = 0
    while len(keys) > 1 or level == 0:
        level += 1
        parents: list[Any] = []
        for at in range(0, len(keys), FAN_IN):
            parents.append((f"{name}-tree", level, at // FAN_IN))
            graph[parents[-1]] = (_combine, kind, keys[at : at + FAN_IN])
        keys = parents
    return Delayed(keys[0], graph)


def _combine(kind: type[S], parts: list[Any]) -> S:
    return kind.combine([unbox(part) for part in parts])


def _fold_waves(kind: type[S], results: Iterator[S]) -> S:
    """The upper tree, folded as they arrive: at most seven statistics a level are held."""
    levels: list[list[S]] = [[]]
    for statistic in results:
        levels[0].append(statistic)
        at = 0
        while len(levels[at]) == FAN_IN:
            full, levels[at] = levels[at], []
            if at + 1 == len(levels):
                levels.append([])
            levels[at + 1].append(kind.combine(full))
            at += 1
    rest: list[S] = []
    for level in levels:
        waiting = [*level, *rest]
        rest = [kind.combine(waiting)] if waiting else []
    return rest[0]


def unbox(value: Any) -> Any:
    """The result within a box; Dask arrays can only hold results in boxes."""
    return value.flat[0] if isinstance(value, np.ndarray) and value.dtype == object else value
