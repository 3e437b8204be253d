"""Cached blocks: decoded blocks that stay in memory for the length of a fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from threading import Event
from typing import Any

import dask

from streamkm.engine.schedule import PROCESSES, client
from streamkm.rows import Block, BlockPlan, Rows, Scaling, StoredRows
from streamkm.rows.stored import Beside, Call, Graph, in_graph

# A cluster's memory must hold the data this many times, because its workers also compute.
_SPARE = 2


def can_cache(rows: Rows) -> bool:
    """Return whether a fit on the current scheduler would cache the blocks of the rows."""
    if not isinstance(rows, StoredRows) or rows.in_memory:
        return False
    cluster = client()
    if cluster is None:
        here = dask.config.get("scheduler", None) not in PROCESSES
        return here and rows.fits_in_memory
    workers = cluster.scheduler_info(n_workers=-1)["workers"].values()
    return _SPARE * rows.layout.nbytes <= sum(worker["memory_limit"] or 0 for worker in workers)


@contextmanager
def caching(rows: Rows) -> Iterator[Rows]:
    """Cache the blocks of the rows from their first read on if memory allows; bits do not change.

    Rows whose blocks an outer context caches are yielded as they are.
    The blocks are released at the end, also if an error keeps a reference to the rows.
    """
    if isinstance(rows, CachedRows) or not isinstance(rows, StoredRows) or not can_cache(rows):
        yield rows
        return
    cluster, parts = client(), _parts(rows)
    held: CachedRows = ProcessCachedRows(**parts)
    if cluster is not None:
        held = WorkerCachedRows(**parts, client=cluster)
    try:
        yield held
    finally:
        held.closed.set()  # tasks that still run after a failure cache nothing
        held.clear()


@dataclass(frozen=True)
class CachedRows(StoredRows):
    """Stored rows whose blocks stay in memory after they have been read.

    Other processes receive the stored rows without blocks and read the data themselves.
    """

    blocks: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)
    closed: Event = field(default_factory=Event, repr=False, compare=False)

    @property
    def cached(self) -> bool:
        return len(self.blocks) == self.plan.n_blocks

    def uncached(self, numbers: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if not self.blocks:
            return numbers
        places = range(self.plan.n_blocks) if numbers is None else numbers
        return tuple(number for number in places if number not in self.blocks)

    def in_plan(self, plan: BlockPlan) -> StoredRows:
        """The same rows in another plan, whose numbers denote other blocks than the cached ones."""
        if plan == self.plan:
            return self
        self.clear()
        return StoredRows(**_parts(self) | {"plan": plan})

    def clear(self) -> None:
        """Release the blocks."""
        self.blocks.clear()

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredRows, tuple(_parts(self).values())


@dataclass(frozen=True)
class ProcessCachedRows(CachedRows):
    """Stored rows whose blocks stay in this process."""

    def block_beside(self, number: int, beside: Beside) -> Block:
        block = self.blocks.get(number)
        if block is None:
            block = super().block_beside(number, beside)
            if not self.closed.is_set():
                self.blocks[number] = block
        # The scaling may be learned after the read.
        return replace(block, scaling=self.layout.scaling)


@dataclass(frozen=True)
class WorkerCachedRows(CachedRows):
    """Stored rows whose blocks stay on the workers that read them; `blocks` holds their futures.

    Blocks of a lost worker are read again by Dask.
    """

    client: Any = None

    def graph(self, call: Call, name: str, numbers: Sequence[int]) -> tuple[Graph, list[Any]]:
        wanted = [number for number in numbers if number not in self.blocks]
        if wanted:
            source = self.client.submit(StoredRows, **_parts(self.to_send), key=f"{name}-rows")
            beside = [self.beside_of(number) for number in wanted]
            reads = self.client.map(
                _read, wanted, beside, source=source, key=f"{name}-cached", pure=False
            )
            self.blocks.update(zip(wanted, reads, strict=True))
        scaling = f"{name}-scaling"
        question, graph = in_graph(call, name)
        keys = [(f"{name}-block", number) for number in numbers]
        graph[scaling] = self.layout.scaling
        for key in keys:
            graph[key] = (_call, question, self.blocks[key[1]], scaling)
        return graph, keys

    def clear(self) -> None:
        for future in self.blocks.values():
            future.release()
        super().clear()


def _parts(rows: StoredRows) -> dict[str, Any]:
    return {f.name: getattr(rows, f.name) for f in fields(StoredRows)}


def _read(number: int, beside: Beside, source: StoredRows) -> Block:
    return source.block_beside(number, beside)


def _call(call: Call, block: Block, scaling: Scaling | None) -> Any:
    return call(replace(block, scaling=scaling))
