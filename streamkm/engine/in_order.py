"""Reads with large statistics: blocks are added in the order of their numbers.

The nodes of a reduction tree would need many times the memory of large centroids. One accumulator
has the same bits on every scheduler, too, and for any size of the waves.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from dask.delayed import Delayed

from streamkm.arrays import LARGE_NBYTES
from streamkm.engine.folded import Blocks, Folded, combined
from streamkm.engine.schedule import in_threads, on_threads, results, shared
from streamkm.rows import DaskRows, StoredRows


def is_large(call: Any, rows: Blocks) -> bool:
    """Return whether the statistic of a read is large."""
    nbytes = getattr(call, "statistic_nbytes", None)
    if nbytes is None or not isinstance(rows, (StoredRows, DaskRows)):
        return False
    return bool(nbytes(rows.layout.n_features) >= LARGE_NBYTES)


def folding_in_order(
    call: Any, rows: Any, wave: int, folded: Folded, numbers: Sequence[int]
) -> Iterator[Folded]:
    """Add the blocks of a read to what is folded so far.

    Parameters
    ----------
    call : function from a block to its statistic
    rows : StoredRows or DaskRows
    wave : number of blocks of a graph
    folded : Folded, the identity or an earlier result of the same read
    numbers : numbers of all blocks of the read

    Yields
    ------
    Folded
        After each wave; on threads of this process after each block, which takes long.
    """
    stored = isinstance(rows, StoredRows)
    here = stored and rows.stays_here
    if stored and on_threads(here):  # a graph would hold the accumulator from before the wave
        first = folded.n_blocks
        answers = in_threads(lambda at: call(rows.block(numbers[first + at])), len(numbers) - first)
        for done, answer in enumerate(answers, first + 1):
            folded = folded.then(answer, done)
            yield folded
        return
    if stored:
        call = shared(call)  # large centroids are sent to each worker once in a read
    for start in range(folded.n_blocks, len(numbers), wave):
        own = numbers[start : start + wave]
        graph = _chain(call, rows, own, folded.total())
        (total,) = results(iter([graph]), here, 0 if rows.cached else rows.ahead)
        folded = Folded(start + len(own), ((total,),))
        yield folded


def _chain(call: Any, rows: Blocks, numbers: Sequence[int], start: Any) -> Delayed:
    """Return the graph that adds the blocks of one wave in order to the statistic `start`."""
    name = f"streamkm-{uuid.uuid4().hex}"
    graph, keys = rows.graph(call, name, numbers)
    total: Any = (f"{name}-start", 0)
    graph[total] = shared(start)
    for at, key in enumerate(keys):
        graph[(f"{name}-sum", at)] = (combined, [total, key])
        total = (f"{name}-sum", at)
    return Delayed(total, graph)
