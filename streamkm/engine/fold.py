"""One read: a task for each block, and a reduction tree of fan-in 8 over the *block numbers*.

Statistics are combined in this tree whatever the order in which tasks finish, so the bits depend
only on the block plan. Blocks are submitted in waves of whole subtrees, which bounds the size of
the graphs. A read can stop after any wave and resume from there. A read of some of the blocks uses
the same tree over their positions in the given sequence.

The nodes of the tree would need much memory for very many clusters. A statistic of at least 32 MiB
is therefore one accumulator, to which blocks are added in the order of their numbers.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

import numpy as np
from dask.delayed import Delayed

from streamkm.arrays import LARGE_NBYTES
from streamkm.checkpointable import Checkpointable
from streamkm.engine.schedule import (
    in_threads,
    on_threads,
    results,
    same_processes,
    shared,
)
from streamkm.kernels import one_blas_thread
from streamkm.passes import Pass, Statistic
from streamkm.passes.base import S
from streamkm.rows import DaskRows, Rows, StoredRows

FAN_IN = 8
WAVE = FAN_IN**3
T = TypeVar("T")
_DASK_WAVE = FAN_IN**4  # because culling visits all keys of the array's graph


class Blocks(Protocol):
    """The numbered blocks of a read: rows of an array, or items of a list."""

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""

    @property
    def block_map(self) -> Callable[[Any], Any] | None:
        """The function applied to every block once it is read, or None."""

    @property
    def ahead(self) -> bool:
        """Whether memory allows one more block than cores."""

    @property
    def cached(self) -> bool:
        """Whether every block is in memory."""

    def graph(
        self, call: Callable[[Any], Any], name: str, numbers: Sequence[int]
    ) -> tuple[dict[Any, Any], list[Any]]:
        """Return tasks that call `call` on the blocks of these numbers, and their keys."""


@dataclass(frozen=True)
class Folded(Checkpointable):
    """Partial result of a read: the nodes of the tree that are not combined yet.

    Parameters
    ----------
    n_blocks : number of folded blocks, from the start of the plan or of the requested sequence
    levels : nodes of each level of the tree, at most seven, each of 8**level blocks
    """

    n_blocks: int = 0
    levels: tuple[tuple[Any, ...], ...] = ()

    def plus(self, node: Statistic, level: int, n_blocks: int) -> Folded:
        """Return the result with one more node of a level, after which it has `n_blocks`."""
        levels = [list(nodes) for nodes in self.levels]
        levels += [[] for _ in range(level + 1 - len(levels))]
        levels[level].append(node)
        while len(levels[level]) == FAN_IN:
            full, levels[level] = levels[level], []
            level += 1
            if level == len(levels):
                levels.append([])
            levels[level].append(type(node).combine(full))
        return Folded(n_blocks, tuple(map(tuple, levels)))

    def then(self, statistic: Statistic, n_blocks: int) -> Folded:
        """Return the result with the next blocks added in order, after which it has `n_blocks`."""
        total = type(statistic).combine([self.total(), statistic])
        return Folded(n_blocks, ((total,),))

    def total(self) -> Any:
        """The statistic of all blocks so far."""
        rest: list[Any] = []
        for level in self.levels:
            waiting = [*level, *rest]
            rest = [type(waiting[0]).combine(waiting)] if len(waiting) > 1 else waiting
        return rest[0]


def map_reduce(question: Pass[S], rows: Rows, wave: int = WAVE) -> S:
    """Fold a pass over all rows: one read.

    Parameters
    ----------
    question : Pass
    rows : Rows
    wave : number of blocks of one graph, a power of eight; for a Dask array at
        least 4,096 are used. It does not change the result

    Returns
    -------
    Statistic of all rows.
    """
    return cast(S, last(folding(question, rows, wave)).total())


def folding(
    call: Callable[[Any], Statistic],
    rows: Blocks,
    wave: int,
    folded: Folded | None = None,
    blocks: Sequence[int] | None = None,
) -> Iterator[Folded]:
    """Fold a read wave by wave.

    Parameters
    ----------
    call : Pass, or another function from a block to its statistic
    rows, wave : as for `map_reduce`
    folded : an earlier result of the same read, to resume from
    blocks : distinct numbers of the blocks to read, in the order of the tree's leaves; all by
        default

    Yields
    ------
    Folded
        Partial result after each wave; the last one includes all blocks of the read.
    """
    numbers = range(rows.n_blocks) if blocks is None else blocks
    folded, total = folded or Folded(), len(numbers)
    in_order = _in_order(call, rows)
    if in_order and folded.n_blocks == 0:
        folded = Folded(0, ((call.identity(),),))  # type: ignore[attr-defined]
    if rows.block_map is not None:
        call = _Mapped(rows.block_map, call)
    with one_blas_thread():
        here = isinstance(rows, StoredRows) and rows.stays_here
        if isinstance(rows, StoredRows) and rows.in_memory and on_threads(here):
            yield _in_threads(call, rows, numbers, folded, in_order)
            return
        if in_order:
            yield from _folding_in_order(call, rows, wave, folded, numbers)
            return
        if isinstance(rows, DaskRows):
            wave = _wave_of(rows, call, max(wave, _DASK_WAVE))
        spans = list(_spans(folded.n_blocks, total, wave))
        graphs = (_tree(call, rows, numbers[span.start : span.stop]) for span, _ in spans)
        answers = results(graphs, here, rows.ahead and not rows.cached)
        for (span, level), answer in zip(spans, answers, strict=True):
            folded = folded.plus(answer, level, span.stop)
            yield folded


def _in_order(call: Any, rows: Blocks) -> bool:
    """Return whether blocks are added in order, because the statistic is large."""
    nbytes = getattr(call, "statistic_nbytes", None)
    if nbytes is None or not isinstance(rows, (StoredRows, DaskRows)):
        return False
    return bool(nbytes(rows.layout.n_features) >= LARGE_NBYTES)


def _in_threads(
    call: Any, rows: StoredRows, numbers: Sequence[int], folded: Folded, in_order: bool
) -> Folded:
    """Return the result with further blocks, computed on threads of this process."""
    first = folded.n_blocks
    answers = in_threads(lambda at: call(rows.block(numbers[first + at])), len(numbers) - first)
    for done, answer in enumerate(answers, first + 1):
        folded = folded.then(answer, done) if in_order else folded.plus(answer, 0, done)
    return folded


def _folding_in_order(
    call: Any, rows: Any, wave: int, folded: Folded, numbers: Sequence[int]
) -> Iterator[Folded]:
    """Fold a read into one accumulator, wave by wave."""
    here = isinstance(rows, StoredRows) and rows.stays_here
    stored = isinstance(rows, StoredRows)
    on_this = stored and on_threads(here)
    if stored and not on_this:  # the centroids are sent to each worker once in a read
        call = shared(call)
    for start in range(folded.n_blocks, len(numbers), wave):
        own = numbers[: start + wave]
        if on_this:  # a graph would keep the accumulator from before the wave
            folded = _in_threads(call, rows, own, folded, in_order=True)
        else:
            graph = _chain(call, rows, own[start:], folded.total())
            (total,) = results(iter([graph]), here, rows.ahead and not rows.cached)
            folded = Folded(len(own), ((total,),))
        yield folded


@dataclass(frozen=True)
class _Mapped:
    """Apply the block map to a block, then `call`."""

    block_map: Callable[[Any], Any]
    call: Callable[[Any], Any]

    def __call__(self, block: Any) -> Any:
        return self.call(self.block_map(block))


def last(states: Iterator[T]) -> T:
    """Return the last item of an iterator of the waves of a read, which is not empty."""
    with same_processes():
        return deque(states, maxlen=1)[0]


def _spans(first: int, total: int, wave: int) -> Iterator[tuple[range, int]]:
    """Yield the waves from block `first` on: the range of each, a whole subtree, and its level."""
    while first < total:
        level = 0
        while FAN_IN ** (level + 1) <= wave and first % FAN_IN ** (level + 1) == 0:
            level += 1
        stop = min(first + FAN_IN**level, total)
        yield range(first, stop), level
        first = stop


def _wave_of(rows: DaskRows, call: Any, wave: int) -> int:
    """Return the number of blocks of a graph: all blocks if they share tasks, else `wave`.

    Every wave would compute shared tasks again. In `x - x.mean(axis=0)`, for example, each block
    depends on at least as many tasks as there are blocks.
    """
    total, most = rows.plan.n_blocks, wave
    while most < total:
        most *= FAN_IN
    if wave < most and len(rows.graph(call, "streamkm-trial", range(1))[0]) >= total:
        return most
    return wave


def _tree(call: Any, rows: Blocks, numbers: Sequence[int]) -> Delayed:
    """Return the graph of one wave: its blocks and the tree above them."""
    name = f"streamkm-{uuid.uuid4().hex}"
    graph, keys = rows.graph(call, name, numbers)
    level = 0
    while len(keys) > 1 or level == 0:
        level += 1
        parents: list[Any] = []
        for at in range(0, len(keys), FAN_IN):
            parents.append((f"{name}-tree", level, at // FAN_IN))
            graph[parents[-1]] = (_combine, keys[at : at + FAN_IN])
        keys = parents
    return Delayed(keys[0], graph)


def _chain(call: Any, rows: Blocks, numbers: Sequence[int], start: Any) -> Delayed:
    """Return the graph that adds the blocks of one wave in order to the statistic `start`."""
    name = f"streamkm-{uuid.uuid4().hex}"
    graph, keys = rows.graph(call, name, numbers)
    total: Any = (f"{name}-start", 0)
    graph[total] = shared(start)
    for at, key in enumerate(keys):
        graph[(f"{name}-sum", at)] = (_combine, [total, key])
        total = (f"{name}-sum", at)
    return Delayed(total, graph)


def _combine(parts: list[Any]) -> Any:
    statistics = [unbox(part) for part in parts]
    return type(statistics[0]).combine(statistics)


def unbox(value: Any) -> Any:
    """Return the content of a 0-d object array, in which a Dask array holds a statistic."""
    return value.flat[0] if isinstance(value, np.ndarray) and value.dtype == object else value
