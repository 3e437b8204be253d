"""Rows in small blocks, from which mini-batches are put together."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from streamkm.rows.block import Block
from streamkm.rows.memory import Budget
from streamkm.rows.open import Rows
from streamkm.rows.opened import starts_of, unit_of, within
from streamkm.rows.plan import BlockPlan, plan_blocks
from streamkm.rows.stored import StoredRows

_GOLDEN = (math.sqrt(5) - 1) / 2
_PIECES = 16  # blocks of a batch at most; smaller blocks would cost more time for each row


@dataclass(frozen=True)
class InterleavedRows(StoredRows):
    """Rows in memory whose blocks each take rows from all over the array.

    Block i holds the rows of numbers ``(t * stride) % n`` for t from ``i * size`` to
    ``(i + 1) * size``. The stride is about 0.618 n and coprime to n, so every row is in exactly one
    block, and each block of a sorted or periodic array resembles the whole array.

    Parameters
    ----------
    stride : int
    contiguous : StoredRows
        The same rows in plain blocks, for per-row answers.
    """

    stride: int = 1
    contiguous: StoredRows | None = None

    @property
    def for_answers(self) -> StoredRows:
        assert self.contiguous is not None
        return replace(self.contiguous, layout=self.layout)

    def block(self, number: int) -> Block:
        """Gather one block."""
        first, last = self.plan.edges[0][number : number + 2]
        layout, m = self.layout, last - first
        places = np.arange(first, last) * self.stride % layout.n_rows
        index = np.unravel_index(places, layout.row_shape)
        features = range(-len(layout.feature_axes), 0)
        values = np.moveaxis(self.array, layout.feature_axes, features)[index].reshape(m, -1)
        flat = replace(layout, shape=values.shape, feature_axes=(1,))
        weights, mask = (None if a is None else a[index] for a in (self.weights, self.mask))
        block = Block.cut(flat, BlockPlan(((0, m),)), 0, values, weights, mask)
        return replace(
            block,
            number=number,
            origin=(0,) * len(layout.row_shape),
            shape=layout.row_shape,
            row_shape=layout.row_shape,
            places=places if block.places is None else places[block.places],
        )


def in_batches(rows: Rows, batch_size: int, budget: Budget) -> Rows:
    """The same rows in blocks of which batches of `batch_size` rows are drawn.

    Blocks of rows in memory are interleaved and have `batch_size` rows. A block of a store is one
    chunk or shard, or several where a batch would otherwise have more than 16 blocks. A Dask array
    keeps its chunks.

    Parameters
    ----------
    rows : Rows
    batch_size : int, rows of a mini-batch
    budget : Budget

    Raises
    ------
    MemoryLimitError
        If the blocks do not fit in the memory limit.
    """
    if not isinstance(rows, StoredRows) or batch_size >= rows.layout.n_rows:
        return rows
    layout = rows.layout
    if rows.in_memory and all(isinstance(a, np.ndarray) for a in rows.beside):
        plan = plan_blocks((layout.n_rows,), (1,), 1, batch_size)
        parts = vars(rows) | {"plan": plan}
        return InterleavedRows(**parts, stride=_stride(layout.n_rows), contiguous=rows)
    most = batch_size // _PIECES
    if most >= rows.plan.largest:
        return rows
    budget = budget.of(layout)
    row_nbytes = budget.row_nbytes(layout, rows.beside, rows.mask is not None)
    unit = unit_of(rows, row_nbytes)
    starts = starts_of(rows)
    plan = plan_blocks(layout.row_shape, unit, row_nbytes, most * row_nbytes, starts)
    return within(rows, budget, plan)


def _stride(n_rows: int) -> int:
    stride = max(1, round(_GOLDEN * n_rows))
    while math.gcd(stride, n_rows) > 1:
        stride += 1
    return stride
