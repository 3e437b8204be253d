"""Rows of somebody else's Dask array, kept in its chunks."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from dask.delayed import Delayed

from streamkm.errors import ManyBlocksWarning
from streamkm.rows.block import Block
from streamkm.rows.layout import Layout, check_weights
from streamkm.rows.memory import Budget
from streamkm.rows.plan import BlockPlan
from streamkm.rows.stored import Call, Graph

_MANY_BLOCKS = 10_000


@dataclass(frozen=True)
class DaskRows:
    """Rows of a Dask array; its chunks along the row axes are the blocks.

    Parameters
    ----------
    array : dask.array.Array, one chunk along each feature axis
    layout : Layout
    plan : BlockPlan, the chunks of `array`
    weights : dask.array.Array of the row shape, in the same chunks, or None
    opening_reads : int, reads spent on finding unknown chunk sizes
    """

    array: Any
    layout: Layout
    plan: BlockPlan
    weights: Any = None
    opening_reads: int = 0

    in_memory = False
    resident_nbytes = 0
    ahead = False
    kept = False  # what of its blocks stays in memory is for whoever made the array to say

    def mapped(self, call: Call, name: str) -> Any:
        """A lazy array of boxed results, one a block: the task reads and calls."""
        import dask.array as da  # half a second; loaded by whoever gave the array

        inputs = [self.array]
        if self.weights is not None:
            inputs.append(da.expand_dims(self.weights, self.layout.feature_axes))
        question = f"{name}-pass"
        return da.map_blocks(
            _call_block,
            *inputs,
            # One node: a plan in every task would be blocks times blocks to send.
            call=Delayed(question, {question: partial(_boxed, call, self.layout, self.plan)}),
            name=f"{name}-block",
            dtype=object,
            meta=np.empty((0,) * self.array.ndim, object),
            chunks=tuple((1,) * n for n in self.array.numblocks),
        )

    def graph(self, call: Call, name: str, first: int, last: int) -> tuple[Graph, list[Any]]:
        """Tasks of blocks first:last, fused with the array's own, and their keys."""
        mapped = self.mapped(call, name)
        # Feature axes have one chunk each, so C order over all axes is C order over the row axes
        # wherever they stand.
        places = np.unravel_index(range(first, last), mapped.numblocks)
        keys = [(mapped.name, *place) for place in zip(*(p.tolist() for p in places), strict=True)]
        # What Dask does before it computes, for these keys alone: the rest is never written out.
        graph: Graph = dict(mapped.__dask_optimize__(mapped.__dask_graph__(), keys))
        return graph, keys


def _call_block(
    values: Any,
    weights: Any = None,
    *,
    call: Callable[..., Any],
    block_id: tuple[int, ...] | None = None,
) -> Any:
    return call(values, weights, block_id)


def _boxed(
    call: Call,
    layout: Layout,
    plan: BlockPlan,
    values: Any,
    weights: Any,
    block_id: tuple[int, ...],
) -> Any:
    index = tuple(block_id[a] for a in layout.row_axes)
    number = int(np.ravel_multi_index(index, plan.grid))
    region = plan.region(number)
    boxed = np.empty((1,) * len(layout.shape), object)
    boxed[(0,) * len(layout.shape)] = call(
        Block(
            layout.matrix(np.asarray(values)),
            None if weights is None else np.asarray(weights).reshape(-1),
            number,
            tuple(s.start for s in region),
            tuple(s.stop - s.start for s in region),
            layout.row_shape,
        )
    )
    return boxed


def open_dask(array: Any, axes: tuple[int, ...], weights: Any, budget: Budget) -> DaskRows:
    """Rows of a Dask array; unknown chunk sizes are counted first, which costs a read."""
    import dask.array as da

    opening_reads = 0
    if any(np.isnan(n) for n in array.shape):
        array = array.copy()
        array.compute_chunk_sizes()
        opening_reads = 1
        if weights is not None and any(np.isnan(n) for n in weights.shape):
            weights = weights.copy()
            weights.compute_chunk_sizes()
    layout = Layout(array.shape, axes, array.dtype)
    # Joins chunks of the same rows only, so it moves nothing between blocks.
    array = array.rechunk(dict.fromkeys(axes, -1))
    edges = tuple((0, *itertools.accumulate(array.chunks[a])) for a in layout.row_axes)
    plan = BlockPlan(edges)
    if plan.n_blocks > _MANY_BLOCKS:
        warnings.warn(
            f"a Dask array of {plan.n_blocks} row chunks: each costs half a millisecond a read, "
            "and several on a cluster, however small it is; rechunk it to 64-128 MiB, or give the "
            "Zarr store itself",
            ManyBlocksWarning,
            stacklevel=4,
        )
    if weights is not None:
        check_weights(weights, layout.row_shape)
        chunks = tuple(array.chunks[a] for a in layout.row_axes)
        weights = da.asarray(weights).rechunk(chunks)
    rows = DaskRows(array, layout, plan, weights, opening_reads)
    row_nbytes = layout.n_features * layout.dtype.itemsize + budget.answer_nbytes
    budget.check(plan.largest * row_nbytes, plan.n_blocks, 0)
    return rows
