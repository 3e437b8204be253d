"""Rows of a Dask array, in its chunks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from dask.delayed import Delayed

from streamkm.errors import ManyBlocksWarning
from streamkm.rows.base import ArrayRows
from streamkm.rows.block import Block, in_numpy, not_numpy
from streamkm.rows.layout import Layout, check_beside
from streamkm.rows.memory import Budget
from streamkm.rows.plan import BlockPlan
from streamkm.rows.stored import Call, Graph
from streamkm.warn import warn

_MANY_BLOCKS = 10_000


@dataclass(frozen=True)
class DaskRows(ArrayRows):
    """Rows of a Dask array; its chunks along the row axes are the blocks.

    Parameters
    ----------
    array : dask.array.Array, one chunk along each feature axis
    layout : Layout
    plan : BlockPlan, the chunks of `array`
    weights, mask : dask.array.Array of the row shape, in the same chunks, or None
    opening_reads : int, reads that were needed to find unknown chunk sizes
    """

    in_memory = False
    resident_nbytes = 0
    ahead = 0
    cached = False  # the creator of the array may persist its blocks

    @property
    def for_answers(self) -> DaskRows:
        """The same rows in blocks that per-row answers can be written in."""
        return self

    def answers(self, call: Call, name: str, dtype: np.dtype[Any], width: int | None) -> Any:
        """Return a lazy array of the results of `call` for each row, in the chunks of the rows."""
        axes = self.layout.row_axes
        extra = () if width is None else ((width,),)
        return self._blockwise(
            call,
            name,
            tuple(range(len(axes))),
            dtype=dtype,
            meta=np.empty((0,) * (len(axes) + len(extra)), dtype),
            drop_axis=list(self.layout.feature_axes),
            new_axis=[len(axes)] if extra else None,
            chunks=(*(self.array.chunks[a] for a in axes), *extra),
        )

    def _blockwise(self, call: Call, name: str, axes: tuple[int, ...], **kwargs: Any) -> Any:
        """Apply `call` to each block; the rows are at these axes of the result."""
        import dask.array as da  # already imported by the caller

        beside = [da.expand_dims(a, self.layout.feature_axes) for a in self.beside]
        which = (self.weights is not None, self.mask is not None)
        question = f"{name}-pass"
        on_block = partial(_on_block, call, self.layout, self.plan, axes, which)
        # One node: a plan in every task would be quadratic in the number of blocks.
        call_once = Delayed(question, {question: on_block})
        inputs = (self.array, *beside)
        return da.map_blocks(_call_block, *inputs, call=call_once, name=f"{name}-block", **kwargs)

    def graph(self, call: Call, name: str, numbers: Sequence[int]) -> tuple[Graph, list[Any]]:
        """Return tasks for the blocks of these numbers, fused with the array's, and their keys."""
        ndim = self.array.ndim
        mapped = self._blockwise(
            _Boxed(call, (1,) * ndim),
            name,
            self.layout.row_axes,
            dtype=object,
            meta=np.empty((0,) * ndim, object),
            chunks=tuple((1,) * n for n in self.array.numblocks),
        )
        # Feature axes have one chunk each, so C order over all axes is C order over the row axes
        # wherever they stand.
        places = np.unravel_index(numbers, mapped.numblocks)
        keys = [(mapped.name, *place) for place in zip(*(p.tolist() for p in places), strict=True)]
        # Dask's optimisation for these keys only; the rest of the graph is not materialised.
        graph: Graph = dict(mapped.__dask_optimize__(mapped.__dask_graph__(), keys))
        return graph, keys


def _call_block(
    *inputs: Any, call: Callable[..., Any], block_id: tuple[int, ...] | None = None
) -> Any:
    return call(block_id, *inputs)


def _on_block(
    call: Call,
    layout: Layout,
    plan: BlockPlan,
    axes: tuple[int, ...],
    which: tuple[bool, bool],
    block_id: tuple[int, ...],
    values: Any,
    *beside: Any,
) -> Any:
    index = tuple(block_id[a] for a in axes)
    number = int(np.ravel_multi_index(index, plan.grid))
    arrays = iter(np.asarray(a) for a in beside)
    weights, mask = (next(arrays) if there else None for there in which)
    return call(Block.cut(layout, plan, number, in_numpy(values), weights, mask))


@dataclass(frozen=True)
class _Boxed:
    """Statistics in the form of a Dask array: one object for each block."""

    call: Call
    shape: tuple[int, ...]

    def __call__(self, block: Block) -> Any:
        boxed = np.empty(self.shape, object)
        boxed[(0,) * len(self.shape)] = self.call(block)
        return boxed


def open_dask(
    array: Any, layout: Layout, beside: tuple[Any, Any], budget: Budget, count: bool = True
) -> DaskRows:
    """Create rows from a Dask array; counting unknown chunk sizes costs a read.

    `count` is False for lazy results, for which the chunk sizes need not be known.
    """
    opening_reads, axes = 0, layout.feature_axes
    unknown = any(np.isnan(n) for n in array.shape)
    if unknown and count:
        array = array.copy()
        array.compute_chunk_sizes()
        opening_reads, unknown = 1, False
        layout = replace(layout, shape=array.shape)
        beside = (_counted(beside[0]), _counted(beside[1]))
        for name, given in zip(("sample_weight", "mask"), beside, strict=True):
            if given is not None:
                check_beside(given, layout.row_shape, name)
    # Joins chunks of the same rows only, so no data move between blocks.
    array = array.rechunk(dict.fromkeys(axes, -1))
    chunks = tuple(array.chunks[a] for a in layout.row_axes)
    plan = BlockPlan(tuple((0, *itertools.accumulate(c)) for c in chunks))
    if plan.n_blocks > _MANY_BLOCKS:
        warn(
            f"the Dask array has {plan.n_blocks} row chunks, and each takes half a millisecond per "
            "read (several on a cluster), however small it is; rechunk it to 64-128 MiB, or give "
            "the Zarr store itself",
            ManyBlocksWarning,
        )
    weights, mask = (
        a if a is None or unknown else _in_chunks(a, layout.row_shape, chunks) for a in beside
    )
    rows = DaskRows(array, layout, plan, weights, mask, opening_reads)
    if plan.is_known:
        row_nbytes = budget.row_nbytes(layout, rows.beside, mask is not None)
        budget.check(plan.largest * row_nbytes, plan.n_blocks, 0)
    return rows


def _in_chunks(array: Any, shape: tuple[int, ...], chunks: tuple[tuple[int, ...], ...]) -> Any:
    """Return weights or a mask in chunks; axes of length one are repeated within each chunk."""
    import dask.array as da

    lengths = zip(array.shape, shape, chunks, strict=True)
    own = tuple(sizes if n == whole else (1,) for n, whole, sizes in lengths)
    array = da.asarray(array).rechunk(own)
    return array if array.shape == shape else da.broadcast_to(array, shape, chunks=chunks)


def check_blocks(array: Any) -> None:
    """Raise an error for a Dask array whose blocks are not NumPy arrays."""
    from dask.array.utils import meta_from_array  # already imported by the caller

    meta = meta_from_array(array)
    if not isinstance(meta, np.ndarray):
        raise not_numpy(meta)


def _counted(array: Any) -> Any:
    """Return the array with known chunk sizes."""
    if array is None or not any(np.isnan(n) for n in array.shape):
        return array
    array = array.copy()
    array.compute_chunk_sizes()
    return array
