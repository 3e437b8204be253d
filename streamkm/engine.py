"""The two verbs on Dask's public API: fold a pass over rows, or map one to per-row results.

A read is one task a block, fused with the reading, under a tree of fixed fan-in 8 over the *block
numbers*: never by arrival, so the bits depend on the plan alone. Graphs stay bounded because the
blocks go out in waves of whole subtrees; what is left to fold between waves is the same tree.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, cast

import dask
import dask.array as da
import numpy as np
from dask.delayed import Delayed
from dask.system import CPU_COUNT
from threadpoolctl import threadpool_limits

from streamkm.passes import Pass, PerRow, Statistic
from streamkm.passes.base import S
from streamkm.rows import Block, DaskRows, Rows, StoredRows

FAN_IN = 8
WAVE = FAN_IN**3
_IN_FLIGHT = 2


def threads() -> int:
    """Tasks that run at once here: Dask's setting, Slurm's, or the cores this process may use."""
    configured = dask.config.get("num_workers", None)
    return int(configured or os.environ.get("SLURM_CPUS_PER_TASK") or CPU_COUNT)


def map_reduce(question: Pass[S], rows: Rows, wave: int = WAVE) -> S:
    """Fold a pass over all rows: one read.

    Parameters
    ----------
    question : Pass
    rows : Rows
    wave : blocks of one graph, a power of eight; it never changes a bit of the answer

    Returns
    -------
    Statistic of all rows.
    """
    return _fold(question, type(question.identity()), rows, wave)


def map_rows(question: PerRow[S], rows: Rows) -> da.Array:
    """Per-row answers as a lazy array in the shape and blocks of the rows; a read when computed.

    Parameters
    ----------
    question : PerRow
    rows : Rows

    Returns
    -------
    dask.array.Array of the row shape, and (width,) last where the pass gives several a row.
    """
    name = f"streamkm-{uuid.uuid4().hex}"
    extra = () if question.width is None else ((question.width,),)
    graph, boxes = rows.graph(_Answers(question), name, 0, rows.plan.n_blocks)
    for number, box in enumerate(boxes):
        place = (*rows.plan.index(number), *(0 for _ in extra))
        graph[(name, *place)] = (_unbox, box)
    return da.Array(graph, name, (*rows.plan.chunks, *extra), dtype=question.dtype)


def write_rows(question: PerRow[S], rows: Rows, out: Any) -> S:
    """Per-row answers into `out`, and the statistic of the same rows: one read for both.

    Parameters
    ----------
    question : PerRow
    rows : Rows
    out : zarr.Array or ndarray of the row shape (and width)
        Each task writes its own region of a Zarr array, whose chunks must lie within the blocks;
        an ndarray is filled here.
    """
    kind = type(question.identity())
    if isinstance(out, np.ndarray):
        gathered = _fold(_Gather(question), _Gathered, rows, WAVE)
        for region, values in gathered.pieces:
            out[region] = values
        return cast(S, gathered.statistic)
    steps = (out.shards or out.chunks)[: len(rows.plan.edges)]
    for edges, step in zip(rows.plan.edges, steps, strict=True):
        if any(edge % step for edge in edges[:-1]):
            raise ValueError(
                f"blocks begin at rows that are no multiple of the output's chunk ({step}), so two "
                "tasks would write one chunk; rechunk the data evenly, or write the lazy labels."
            )
    return _fold(_Write(question, out), kind, rows, WAVE)


@dataclass(frozen=True)
class _Answers:
    """A pass's per-row answers in the block's shape, without the statistic."""

    question: PerRow[Any]

    def __call__(self, block: Block) -> Any:
        return _shaped(self.question(block)[0], block)


@dataclass(frozen=True)
class _Write:
    """Write the answers of a block to its own region of a store; keep the statistic."""

    question: PerRow[Any]
    out: Any

    def __call__(self, block: Block) -> Any:
        values, statistic = self.question(block)
        self.out[_region(block)] = _shaped(values, block)
        return statistic


@dataclass(frozen=True)
class _Gathered(Statistic):
    """Answers of several blocks, for results that lie in memory like their data."""

    pieces: tuple[tuple[tuple[slice, ...], Any], ...]
    statistic: Statistic

    @classmethod
    def combine(cls, parts: Sequence[_Gathered]) -> _Gathered:
        kind = type(parts[0].statistic)
        pieces = tuple(piece for part in parts for piece in part.pieces)
        return cls(pieces, kind.combine([part.statistic for part in parts]))


@dataclass(frozen=True)
class _Gather:
    question: PerRow[Any]

    def __call__(self, block: Block) -> _Gathered:
        values, statistic = self.question(block)
        return _Gathered(((_region(block), _shaped(values, block)),), statistic)


def _region(block: Block) -> tuple[slice, ...]:
    return tuple(slice(o, o + n) for o, n in zip(block.origin, block.shape, strict=True))


def _shaped(values: Any, block: Block) -> Any:
    return values.reshape(*block.shape, *values.shape[1:])


def _unbox(value: Any) -> Any:
    """The result within a box; Dask arrays can only hold results in boxes."""
    return value.flat[0] if isinstance(value, np.ndarray) and value.dtype == object else value


def _fold(call: Callable[[Block], Any], kind: type[S], rows: Rows, wave: int) -> S:
    total = rows.plan.n_blocks
    with _one_blas_thread():
        if total == 1 and isinstance(rows, StoredRows) and rows.in_memory:
            return cast(S, call(rows.block(0)))
        if isinstance(rows, DaskRows):  # slicing its graph costs more than holding it
            wave = FAN_IN ** max(1, int(np.ceil(np.log(total) / np.log(FAN_IN))))
        graphs = (
            _tree(call, kind, rows, first, min(first + wave, total))
            for first in range(0, total, wave)
        )
        return cast(S, _fold_waves(kind, _results(graphs)))


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
    return kind.combine([_unbox(part) for part in parts])


def _fold_waves(kind: type[S], results: Iterator[S]) -> S:
    """The upper tree, folded as waves arrive: at most seven statistics a level are held."""
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


def _results(graphs: Iterator[Delayed]) -> Iterator[Any]:
    """Answers of the waves in order; on a cluster the next is submitted before the last drains."""
    client = _client()
    if client is None:
        settings = {} if dask.config.get("num_workers", None) else {"num_workers": threads()}
        for graph in graphs:
            with dask.config.set(settings):
                (result,) = dask.compute(graph)
            yield result
        return
    waiting: deque[Any] = deque()
    try:
        for graph in graphs:
            waiting.append(client.compute(graph))
            if len(waiting) == _IN_FLIGHT:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        if waiting:
            client.cancel(list(waiting))


def _client() -> Any:
    """The user's distributed Client when waves can be queued on it: not from inside a task."""
    if "distributed" not in sys.modules or dask.config.get("scheduler", None) is not None:
        return None
    import distributed

    try:
        distributed.get_worker()
    except ValueError:
        pass
    else:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


def _one_blas_thread() -> AbstractContextManager[Any]:
    """Dask owns the cores: BLAS is held to one thread for the whole read, not task by task."""
    return threadpool_limits(1, user_api="blas")  # type: ignore[no-any-return]
