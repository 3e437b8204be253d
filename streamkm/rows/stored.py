"""Rows of arrays that can be sliced, such as Zarr and NumPy arrays, read block by block."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import call as call_on
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError, ReadError
from streamkm.rows.base import ArrayRows
from streamkm.rows.block import Block
from streamkm.rows.chunks import fastest, read, unreadable
from streamkm.rows.kinds import is_a
from streamkm.rows.layout import Layout
from streamkm.rows.memory import BLOCK_NBYTES, Budget
from streamkm.rows.nodata import as_meant
from streamkm.rows.on_disk import Mapped
from streamkm.rows.plan import BlockPlan, plan_blocks
from streamkm.rows.variables import Variables

_BLOCKS = 28  # minimum number of blocks, so that every core has some; full size from 1 GB on
_SMALLEST_NBYTES = 4 * 2**20
_STRETCH = 8
_LABEL_NBYTES = 8  # an array of int32, as for an array in memory, and its parts
_UNIT_NBYTES = 2**16  # for files without chunks
_WAITS = (0.1, 0.4, 1.6)  # seconds before a failed read is retried

Call = Callable[[Block], Any]
Graph = dict[Any, Any]
Beside = tuple[AnyArray | None, ...]


@dataclass(frozen=True)
class StoredRows(ArrayRows):
    """Rows of an array that is sliced for every block.

    Parameters
    ----------
    array : zarr.Array, Variables, or an array in memory or in a file that can be sliced
    layout : Layout
    plan : BlockPlan of whole chunks or shards of a Zarr array
    weights, mask : arrays of the row shape that slice like `array`, or None
    stays_here : whether the rows belong to this process and are not sent to a cluster
    fits_in_memory : whether all blocks may be cached in this process beside the work of a fit
    ahead : whether memory allows one more block than cores, which is read while they compute
    """

    stays_here: bool = False
    fits_in_memory: bool = False
    ahead: bool = False

    @property
    def for_answers(self) -> StoredRows:
        """The same rows in blocks that per-row answers can be written in."""
        return self

    @property
    def cached(self) -> bool:
        """Whether every block is in memory, so that a pass over them is not a read."""
        return False

    @property
    def in_memory(self) -> bool:
        return isinstance(self.array, np.ndarray)

    @property
    def resident_nbytes(self) -> int:
        """Bytes of the input and of a memory map's labels that are in this process anyway."""
        arrays = (self.array, *self.beside)
        labels = _LABEL_NBYTES * self.layout.n_rows if isinstance(self.array, Mapped) else 0
        return labels + sum(_held_nbytes(a) for a in arrays if isinstance(a, np.ndarray))

    @property
    def cached_nbytes(self) -> int:
        """Bytes of all blocks; the last blocks of an array may contain whole chunks."""
        if self.in_memory:
            return self.resident_nbytes
        beside = sum(a.dtype.itemsize for a in self.beside)
        stored = self.array.shards or self.array.chunks or (1,) * len(self.array.shape)
        whole = math.prod(-(-n // s) * s for n, s in zip(self.array.shape, stored, strict=True))
        return int(whole * self.layout.dtype.itemsize + self.layout.n_rows * beside)

    def in_plan(self, plan: BlockPlan) -> StoredRows:
        """The same rows in the blocks of another plan."""
        return replace(self, plan=plan)

    def block(self, number: int) -> Block:
        """Read one block.

        Raises
        ------
        ReadError
            With the block, its rows and the stored chunk that failed.
        """
        return self.block_beside(number, self.beside_of(number))

    def beside_of(self, number: int) -> Beside:
        """Return the weights and mask of a block if in memory, so that only these are sent."""
        region = self.plan.region(number)
        weights, mask = (
            a[region] if isinstance(a, np.ndarray) else None for a in (self.weights, self.mask)
        )
        return weights, mask

    @property
    def to_send(self) -> StoredRows:
        """Return the rows without weights and mask that are in memory."""
        weights, mask = (
            None if isinstance(a, np.ndarray) else a for a in (self.weights, self.mask)
        )
        return replace(self, weights=weights, mask=mask)

    def block_beside(self, number: int, beside: Beside) -> Block:
        """Read one block; its weights and mask may be given."""
        region = self.plan.region(number)
        try:
            values = _patiently(self.array, self.layout.full_region(region))
            values = as_meant(values, self.layout.dtype)
            weights, mask = (
                sent if sent is not None or a is None else _patiently(a, region)
                for sent, a in zip(beside, (self.weights, self.mask), strict=True)
            )
        except DataError:  # a value that the common dtype of several variables cannot represent
            raise
        except Exception as error:
            raise ReadError(self._failure(number, region, error)) from error
        return Block.cut(self.layout, self.plan, number, values, weights, mask)

    def _failure(self, number: int, region: tuple[slice, ...], error: Exception) -> str:
        rows = ", ".join(f"{s.start}:{s.stop}" for s in region)
        culprit = self._unreadable_chunk(region)
        return (
            f"block {number} (rows {rows}) could not be read{culprit}: "
            f"{type(error).__name__}: {error}. Restore that part of the store, or fit a "
            "copy without it."
        )

    def _unreadable_chunk(self, region: tuple[slice, ...]) -> str:
        full = self.layout.full_region(region)
        several = isinstance(self.array, Variables)
        for array, own in self.array.parts(full) if several else [(self.array, full)]:
            if is_a(array, "zarr.Array") and (key := unreadable(array, own)):
                return f", chunk {key} of {array.store_path}"
        return ""

    def graph(self, call: Call, name: str, numbers: Sequence[int]) -> tuple[Graph, list[Any]]:
        """Return tasks that read these blocks and call `call` on each, and their keys."""
        question, source = f"{name}-pass", f"{name}-rows"
        graph: Graph = {question: call}
        keys: list[Any] = [(f"{name}-block", number) for number in numbers]
        if self.in_memory:  # views in this process; other processes receive only their rows
            for key in keys:
                graph[key] = (call_on, question, self.block(key[1]))
            return graph, keys
        graph[source] = self.to_send
        for key in keys:
            beside = self.beside_of(key[1])
            graph[key] = (_read_and_call, question, source, key[1], *beside)
        return graph, keys


def _patiently(array: Any, region: tuple[slice, ...]) -> AnyArray:
    """Read a region, with retries for temporary failures of networks and object stores."""
    for wait in _WAITS:
        try:
            return read(array, region)
        except (FileNotFoundError, ValueError, RuntimeError):
            raise  # missing or undecodable data: retries would not help
        except Exception:  # every kind of store has its own errors
            time.sleep(wait)
    return read(array, region)


def _held_nbytes(array: AnyArray) -> int:
    """Return the bytes of an array; axes along which a view repeats its values take none."""
    lengths = zip(array.shape, array.strides, strict=True)
    n_values: int = math.prod(n for n, stride in lengths if stride)
    return array.itemsize * n_values


def _read_and_call(call: Call, rows: StoredRows, number: int, *beside: Any) -> Any:
    return call(rows.block_beside(number, beside))


def open_stored(array: Any, layout: Layout, beside: tuple[Any, Any], budget: Budget) -> StoredRows:
    """Plan the blocks of a sliceable array, its weights and its mask, within a memory budget."""
    rows = StoredRows(array, layout, BlockPlan(()), *beside)
    row_nbytes = budget.row_nbytes(layout, rows.beside, rows.mask is not None)
    unit = unit_of(rows, row_nbytes)
    largest = BLOCK_NBYTES
    if not rows.in_memory:
        # Not for a store: its plan, on which bits depend, has never counted weights and mask.
        resident = rows.resident_nbytes if isinstance(array, Mapped) else 0
        n_units = layout.nbytes // max(math.prod(unit) * row_nbytes, 1)
        largest = budget.block_nbytes(n_units, resident)
    # Small enough that every core has blocks, by a rule that is the same on all machines.
    target = max(_SMALLEST_NBYTES, layout.nbytes // _BLOCKS)
    plan = plan_blocks(layout.row_shape, unit, row_nbytes, min(target, largest))
    return within(rows, budget, plan)


def unit_of(rows: StoredRows, row_nbytes: int) -> list[int]:
    """Minimum number of rows read together along each row axis: a chunk, a shard, or one row."""
    array, layout = rows.array, rows.layout
    if rows.in_memory:
        return [1] * len(layout.row_axes)
    stored = array.shards or array.chunks or (1,) * len(layout.shape)
    unit = [min(stored[a], layout.shape[a]) for a in layout.row_axes]
    if math.prod(unit) == 1 and not array.chunks:  # nothing else prevents tiny blocks
        unit[-1] = min(layout.row_shape[-1], max(1, _UNIT_NBYTES // row_nbytes))
    for other in rows.beside:
        if is_a(other, "zarr.Array"):
            unit = _aligned(unit, other.shards or other.chunks, layout.row_shape)
    return unit


def within(rows: StoredRows, budget: Budget, plan: BlockPlan) -> StoredRows:
    """Return the rows in a plan, with caching and read-ahead by the budget.

    Raises
    ------
    MemoryLimitError
        If the budget does not allow the blocks in flight.
    """
    array, rows = rows.array, rows.in_plan(plan)
    row_nbytes = budget.row_nbytes(rows.layout, rows.beside, rows.mask is not None)
    block, resident = plan.largest * row_nbytes, rows.resident_nbytes
    if isinstance(array, Variables):  # a chunk of one may cover many blocks of the others
        block = max(block, array.chunk_nbytes)
    budget.check(block, plan.n_blocks, resident)
    if rows.in_memory:
        return rows
    if is_a(array, "zarr.Array"):
        stored = array.shards or array.chunks
        unit = math.prod(min(stored[a], rows.layout.shape[a]) for a in rows.layout.row_axes)
        if array.shards or plan.largest > unit:
            rows = replace(rows, array=fastest(array))
    elif isinstance(array, Variables):
        rows = replace(rows, array=array.fastest())
    fits_in_memory = budget.keeps(
        rows.cached_nbytes, budget.projected(block, plan.n_blocks, resident)
    )
    resident += rows.cached_nbytes if fits_in_memory else 0
    more = replace(budget, threads=budget.threads + 1)
    ahead = more.allows(more.projected(block, plan.n_blocks, resident))
    return replace(rows, ahead=ahead, fits_in_memory=fits_in_memory)


def rows_in_memory(values: AnyArray, weights: AnyArray | None) -> StoredRows:
    """Create rows (n, d) in memory that represent others, such as a table of distinct rows."""
    rows = open_stored(values, Layout(values.shape, (1,), values.dtype), (weights, None), Budget())
    return replace(rows, stays_here=True)


def _aligned(unit: list[int], other: tuple[int, ...], row_shape: tuple[int, ...]) -> list[int]:
    """Return units that are whole chunks of the weights, too, so that none is read twice.

    Where such units would be too large, chunks of the weights, which are small, are read
    repeatedly.
    """
    both = [min(math.lcm(u, o), n) for u, o, n in zip(unit, other, row_shape, strict=True)]
    return both if math.prod(both) <= _STRETCH * math.prod(unit) else unit
