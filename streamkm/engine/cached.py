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
from streamkm.rows.stored import Beside, Call, Graph

_SPARE = (
    2  # a cluster's memory must hold the data this many times, because its workers also compute
)


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
    is_cached = isinstance(rows, CachedRows | WorkerCachedRows)
    if is_cached or not isinstance(rows, StoredRows) or not can_cache(rows):
        yield rows
        return
    cluster = client()
    held: CachedRows | WorkerCachedRows = CachedRows(**_parts(rows))
    if cluster is not None:
        held = WorkerCachedRows(**_parts(rows), client=cluster)
    try:
        yield held
    finally:
        held.release()


@dataclass(frozen=True)
class CachedRows(StoredRows):
    """Stored rows whose blocks stay in this process after they have been read.

    Other processes receive the stored rows without blocks and read the data themselves.
    """

    blocks: dict[int, Block] = field(default_factory=dict, repr=False, compare=False)
    closed: Event = field(default_factory=Event, repr=False, compare=False)

    @property
    def cached(self) -> bool:
        return len(self.blocks) == self.plan.n_blocks

    def in_plan(self, plan: BlockPlan) -> StoredRows:
        if plan == self.plan:
            return self
        self.blocks.clear()
        return _uncached(self, plan)

    def block_beside(self, number: int, beside: Beside) -> Block:
        block = self.blocks.get(number)
        if block is None:
            block = super().block_beside(number, beside)
            if not self.closed.is_set():
                self.blocks[number] = block
        return replace(
            block, scaling=self.layout.scaling
        )  # the scaling may be learned after the read

    def release(self) -> None:
        self.closed.set()  # tasks that still run after a failure cache nothing
        self.blocks.clear()

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredRows, tuple(_parts(self).values())


@dataclass(frozen=True)
class WorkerCachedRows(StoredRows):
    """Stored rows whose blocks stay on the workers that read them, as futures.

    Blocks of a lost worker are read again by Dask.
    """

    client: Any = None
    futures: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def cached(self) -> bool:
        return len(self.futures) == self.plan.n_blocks

    def in_plan(self, plan: BlockPlan) -> StoredRows:
        if plan == self.plan:
            return self
        self.release()
        return _uncached(self, plan)

    def graph(self, call: Call, name: str, numbers: Sequence[int]) -> tuple[Graph, list[Any]]:
        wanted = [number for number in numbers if number not in self.futures]
        if wanted:
            source = self.client.submit(StoredRows, **_parts(self.to_send), key=f"{name}-rows")
            beside = [self.beside_of(number) for number in wanted]
            reads = self.client.map(
                _read, wanted, beside, source=source, key=f"{name}-kept", pure=False
            )
            self.futures.update(zip(wanted, reads, strict=True))
        question, scaling = f"{name}-pass", f"{name}-scaling"
        keys = [(f"{name}-block", number) for number in numbers]
        graph: Graph = {question: call, scaling: self.layout.scaling}
        for key in keys:
            graph[key] = (_call, question, self.futures[key[1]], scaling)
        return graph, keys

    def release(self) -> None:
        for future in self.futures.values():
            future.release()
        self.futures.clear()


def _uncached(rows: StoredRows, plan: BlockPlan) -> StoredRows:
    """The rows in another plan, whose numbers denote other blocks than the cached ones."""
    return StoredRows(**_parts(rows) | {"plan": plan})


def _parts(rows: StoredRows) -> dict[str, Any]:
    return {f.name: getattr(rows, f.name) for f in fields(StoredRows)}


def _read(number: int, beside: Beside, source: StoredRows) -> Block:
    return source.block_beside(number, beside)


def _call(call: Call, block: Block, scaling: Scaling | None) -> Any:
    return call(replace(block, scaling=scaling))
