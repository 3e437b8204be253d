"""Opening of arrays that can be sliced: the plan of their blocks within a memory budget."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from streamkm.arrays import AnyArray
from streamkm.rows.formats.base import FileArray
from streamkm.rows.formats.decoded import read_fastest, stored_in
from streamkm.rows.kinds import is_a
from streamkm.rows.layout import Layout
from streamkm.rows.memory import BLOCK_NBYTES, Budget
from streamkm.rows.on_disk import Mapped
from streamkm.rows.plan import BlockPlan, plan_blocks
from streamkm.rows.stored import StoredRows
from streamkm.rows.variables import Variables

_BLOCKS = 28  # minimum number of blocks, so that every core has some; full size from 1 GB on
_SMALLEST_NBYTES = 4 * 2**20
_STRETCH = 8
_UNIT_NBYTES = 2**16  # for files without chunks


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
    starts = starts_of(rows)
    plan = plan_blocks(layout.row_shape, unit, row_nbytes, min(target, largest), starts)
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
        if is_a(stored_in(other), "zarr.Array"):
            unit = _aligned(unit, other.shards or other.chunks, layout.row_shape)
    return unit


def starts_of(rows: StoredRows) -> tuple[int, ...] | None:
    """Starts of the units of files along the first row axis if their sizes differ, or None."""
    array = rows.array
    return array.edges if isinstance(array, FileArray) and 0 in rows.layout.row_axes else None


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
    if is_a(stored_in(array), "zarr.Array"):
        stored = array.shards or array.chunks
        unit = math.prod(min(stored[a], rows.layout.shape[a]) for a in rows.layout.row_axes)
        if array.shards or plan.largest > unit:
            rows = replace(rows, array=read_fastest(array))
    elif isinstance(array, Variables):
        rows = replace(rows, array=array.fastest())
    fits_in_memory = budget.keeps(
        rows.cached_nbytes, budget.projected(block, plan.n_blocks, resident)
    )
    resident += rows.cached_nbytes if fits_in_memory else 0
    ahead = budget.ahead(block, plan.n_blocks, resident)
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
