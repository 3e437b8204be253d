"""One read: a task a block, under a tree of fixed fan-in 8 over the *block numbers*.

The order of arrival plays no part, so the bits depend on the plan alone. Blocks go out in waves of
whole subtrees, which bounds the graphs. Between waves the same tree remains to be folded, so a read
can stop after any wave and resume from there. A read of some blocks only is the same tree over
their positions in the given sequence.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

import numpy as np
from dask.delayed import Delayed

from streamkm.checkpointable import Checkpointable
from streamkm.engine.schedule import in_threads, on_threads, one_blas_thread, results
from streamkm.passes import Pass, Statistic
from streamkm.passes.base import S
from streamkm.rows import DaskRows, Rows, StoredRows

FAN_IN = 8
WAVE = FAN_IN**3
T = TypeVar("T")
_DASK_WAVE = FAN_IN**4  # to cut one out of somebody's graph takes a look at all of its keys


class Blocks(Protocol):
    """What a read goes over: rows of an array, or whatever else comes in numbered pieces."""

    @property
    def n_blocks(self) -> int:
        """How many there are."""

    @property
    def block_map(self) -> Callable[[Any], Any] | None:
        """The function applied to every block once it is read, or None."""

    @property
    def ahead(self) -> bool:
        """Whether there is memory for a block more than cores."""

    @property
    def cached(self) -> bool:
        """Whether every block is in memory."""

    def graph(
        self, call: Callable[[Any], Any], name: str, numbers: Sequence[int]
    ) -> tuple[dict[Any, Any], list[Any]]:
        """Tasks that call `call` on the blocks of these numbers, and their keys."""


@dataclass(frozen=True)
class Folded(Checkpointable):
    """What a read has folded so far: nodes of the tree that wait for their siblings.

    Parameters
    ----------
    n_blocks : int, blocks in it, the first of the plan or of the sequence that was asked for
    levels : for each level of the tree its nodes, each of 8**level blocks, at most seven
    """

    n_blocks: int = 0
    levels: tuple[tuple[Any, ...], ...] = ()

    def plus(self, node: Statistic, level: int, n_blocks: int) -> Folded:
        """With the next node of a level, which ends at a block."""
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

    def total(self) -> Any:
        """The statistic of all blocks so far."""
        rest: list[Any] = []
        for level in self.levels:
            waiting = [*level, *rest]
            rest = [type(waiting[0]).combine(waiting)] if waiting else []
        return rest[0]


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
        What is folded so far; the last holds all blocks of the read.
    """
    numbers = range(rows.n_blocks) if blocks is None else blocks
    folded, total = folded or Folded(), len(numbers)
    if rows.block_map is not None:
        call = _Mapped(rows.block_map, call)
    with one_blas_thread():
        here = isinstance(rows, StoredRows) and rows.stays_here
        if isinstance(rows, StoredRows) and rows.in_memory and on_threads(here):
            first = folded.n_blocks
            answers = in_threads(lambda at: call(rows.block(numbers[first + at])), total - first)
            for done, answer in enumerate(answers, first + 1):
                folded = folded.plus(answer, 0, done)
            yield folded
            return
        if isinstance(rows, DaskRows):
            wave = _wave_of(rows, call, max(wave, _DASK_WAVE))
        spans = list(_spans(folded.n_blocks, total, wave))
        graphs = (_tree(call, rows, numbers[span.start : span.stop]) for span, _ in spans)
        answers = results(graphs, here, rows.ahead and not rows.cached)
        for (span, level), answer in zip(spans, answers, strict=True):
            folded = folded.plus(answer, level, span.stop)
            yield folded


@dataclass(frozen=True)
class _Mapped:
    """A call on what the block map makes of a block."""

    block_map: Callable[[Any], Any]
    call: Callable[[Any], Any]

    def __call__(self, block: Any) -> Any:
        return self.call(self.block_map(block))


def last(states: Iterator[T]) -> T:
    """The last of some states; there is at least one."""
    return deque(states, maxlen=1)[0]


def _spans(first: int, total: int, wave: int) -> Iterator[tuple[range, int]]:
    """Waves of blocks from the first on, each a whole subtree, and its level in the tree."""
    while first < total:
        level = 0
        while FAN_IN ** (level + 1) <= wave and first % FAN_IN ** (level + 1) == 0:
            level += 1
        stop = min(first + FAN_IN**level, total)
        yield range(first, stop), level
        first = stop


def _wave_of(rows: DaskRows, call: Any, wave: int) -> int:
    """Blocks of one graph: all, where blocks share what would be done again for every wave.

    As in `x - x.mean(axis=0)`, one block of which has more tasks than there are blocks.
    """
    total, most = rows.plan.n_blocks, wave
    while most < total:
        most *= FAN_IN
    if wave < most and len(rows.graph(call, "streamkm-trial", range(1))[0]) >= total:
        return most
    return wave


def _tree(call: Any, rows: Blocks, numbers: Sequence[int]) -> Delayed:
    """The graph of one wave: its blocks and the tree above them."""
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


def _combine(parts: list[Any]) -> Any:
    statistics = [unbox(part) for part in parts]
    return type(statistics[0]).combine(statistics)


def unbox(value: Any) -> Any:
    """The result within a box; Dask arrays can only hold results in boxes."""
    return value.flat[0] if isinstance(value, np.ndarray) and value.dtype == object else value
