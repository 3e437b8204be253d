"""Chunks and shards of the store."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from streamkm.ingesting.source import Form, Region

_FAR = 2**62  # assumed rows if their number is unknown


def plan(
    form: Form, itemsize: int, chunk_nbytes: int, shard_nbytes: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of a chunk and of a write: whole chunks and whole grains.

    Examples
    --------
    >>> import numpy as np
    >>> form = Form("x", ("row", "feature"), 10**6, (8,), np.dtype("f4"), (1,), (1, 8))
    >>> plan(form, 4, 2**20, 2**23)
    ((32768, 8), (262144, 8))
    """
    shape = (_FAR if form.n is None else form.n, *form.row_shape)
    unit = tuple(n if a in form.features else 1 for a, n in enumerate(shape))
    items = max(1, chunk_nbytes // itemsize)
    chunk = _grown(unit, form.grain, items, dividing=True)
    if chunk == form.grain:
        chunk = _grown(chunk, shape, items)
    base = tuple(-(-g // c) * c for g, c in zip(form.grain, chunk, strict=True))
    return chunk, _grown(base, shape, max(1, shard_nbytes // itemsize), multiple=True)


def _grown(
    unit: tuple[int, ...],
    whole: tuple[int, ...],
    items: int,
    dividing: bool = False,
    multiple: bool = False,
) -> tuple[int, ...]:
    """Combine adjacent units up to a number of items, contiguous in C order.

    Parameters
    ----------
    unit, whole : minimum and maximum along each axis
    items : maximum number of items, if a unit has fewer
    dividing : whether to prefer a nearby size that divides the whole
    multiple : whether the last unit stays whole if the axis ends within it
    """
    sizes = list(unit)
    for axis in reversed(range(len(unit))):
        n_units = -(-whole[axis] // unit[axis])
        count = max(1, min(n_units, items // math.prod(sizes)))
        if dividing and count < n_units:
            near = range(count, count // 2, -1)
            count = next((c for c in near if n_units % c == 0), count)
        sizes[axis] = unit[axis] * count if multiple else min(whole[axis], unit[axis] * count)
        if count < n_units:
            break
    return tuple(sizes)


def regions(n: int | None, row_shape: tuple[int, ...], step: tuple[int, ...]) -> Iterator[Region]:
    """Yield the regions of writes in C order; endless if the number of rows is unknown.

    Examples
    --------
    >>> [tuple((s.start, s.stop) for s in r) for r in regions(5, (2,), (3, 2))]
    [((0, 3), (0, 2)), ((3, 5), (0, 2))]
    """
    firsts = itertools.count(0, step[0]) if n is None else range(0, n, step[0])
    for first in firsts:  # product() would exhaust them first
        last = first + step[0] if n is None else min(n, first + step[0])
        others = (range(0, length, s) for length, s in zip(row_shape, step[1:], strict=True))
        for starts in itertools.product(*others):
            ends = zip(starts, row_shape, step[1:], strict=True)
            yield (slice(first, last), *(slice(at, min(n, at + s)) for at, n, s in ends))
