"""Whether rows of a stream are still in their store with the values that were read."""

from __future__ import annotations

import math

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.rows import BlockPlan, Piece, Rows, StoredRows
from streamkm.streaming import Summary

_SOME = 8  # rows that are compared; each is read with its chunk


def holds(summary: Summary, rows: Rows, piece: Piece) -> bool:
    """Return whether rows that were written again have the values that were read.

    An append writes a file or the chunks that were not full again, so their times tell nothing.
    Rows of the summary, which are a random sample, are compared with those of the store.

    Parameters
    ----------
    summary : Summary
    rows : Rows
    piece : the position of the rows in the stream, and their extent in the store
    """
    each = math.prod(rows.layout.row_shape[1:])
    position, start, stop = piece
    first = position - start * each  # position that the first row of the store would have
    span = position, position + (stop - start) * each
    inside = (summary.numbers >= span[0]) & (summary.numbers < span[1])
    for at in np.flatnonzero(inside)[:_SOME]:  # sorted by their random draws
        found = _row(rows, int(summary.numbers[at]) - first)
        if not np.array_equal(found.astype(summary.values.dtype), summary.values[at : at + 1]):
            return False
    return True


def _row(rows: Rows, number: int) -> AnyArray:
    """Read the row of a number, as an array (1, d); (0, d) if it is left out."""
    assert isinstance(rows, StoredRows)
    shape = rows.layout.row_shape
    index = np.unravel_index(number, shape)
    edges = [sorted({0, int(i), int(i) + 1, n}) for i, n in zip(index, shape, strict=True)]
    plan = BlockPlan(tuple(map(tuple, edges)))
    place = [each.index(int(i)) for each, i in zip(edges, index, strict=True)]
    block = rows.in_plan(plan).block(int(np.ravel_multi_index(place, plan.grid)))
    values: AnyArray = block.values
    return values
