"""One read: a task for each block, and a reduction tree of fan-in 8 over the *block numbers*.

Statistics are combined in this tree whatever the order in which tasks finish, so the bits depend
only on the block plan. Blocks are submitted in waves of whole subtrees, which bounds the size of
the graphs. A read can stop after any wave and resume from there. A read of some of the blocks uses
the same tree over their positions in the given sequence.

Blocks with large statistics are added in order instead (`in_order`).
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from dask.delayed import Delayed

from streamkm.engine.folded import FAN_IN, Blocks, Folded, combined
from streamkm.engine.in_order import folding_in_order, is_large
from streamkm.engine.schedule import in_threads, on_threads, results, same_processes
from streamkm.kernels import one_blas_thread
from streamkm.passes import Pass, Statistic
from streamkm.passes.base import S
from streamkm.rows import DaskRows, Rows, StoredRows

WAVE = FAN_IN**3
T = TypeVar("T")
_DASK_WAVE = FAN_IN**4  # because culling visits all keys of the array's graph


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
    in_order = is_large(call, rows)
    if in_order and folded.n_blocks == 0:
        folded = Folded(0, ((call.identity(),),))  # type: ignore[attr-defined]
    if rows.block_map is not None:
        call = _Mapped(rows.block_map, call)
    with one_blas_thread():
        here = isinstance(rows, StoredRows) and rows.stays_here
        if isinstance(rows, DaskRows):
            wave = _wave_of(rows, call, max(wave, _DASK_WAVE))
        if in_order:
            yield from folding_in_order(call, rows, wave, folded, numbers)
            return
        if isinstance(rows, StoredRows) and rows.in_memory and on_threads(here):
            first = folded.n_blocks
            answers = in_threads(lambda at: call(rows.block(numbers[first + at])), total - first)
            for done, answer in enumerate(answers, first + 1):
                folded = folded.plus(answer, 0, done)
            yield folded
            return
        spans = list(_spans(folded.n_blocks, total, wave))
        graphs = (_tree(call, rows, numbers[span.start : span.stop]) for span, _ in spans)
        answers = results(graphs, here, 0 if rows.cached else rows.ahead)
        for (span, level), answer in zip(spans, answers, strict=True):
            folded = folded.plus(answer, level, span.stop)
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
            graph[parents[-1]] = (combined, keys[at : at + FAN_IN])
        keys = parents
    return Delayed(keys[0], graph)
