"""Block plans: which rows form which block, computed without data."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from streamkm.checkpointable import Checkpointable
from streamkm.errors import DataError

_MOST = 2**24  # blocks
_FEW_CHUNKS, _CHUNKS_PER_BLOCK = 1000, 64


@dataclass(frozen=True)
class BlockPlan(Checkpointable):
    """A grid of blocks over the row axes, numbered in C order.

    Parameters
    ----------
    edges : tuple of tuple of int
        For each row axis, the starts of its blocks and the end of the last one.
    """

    edges: tuple[tuple[int, ...], ...]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle even edges by their step, because a plan is sent with every wave of blocks."""
        return _unpacked, tuple(_packed(e) for e in self.edges)

    @cached_property
    def grid(self) -> tuple[int, ...]:
        return tuple(len(e) - 1 for e in self.edges)

    @property
    def n_blocks(self) -> int:
        return math.prod(self.grid)

    @property
    def is_known(self) -> bool:
        """Whether the extents are known; those of a Dask array may not be."""
        return not any(math.isnan(e[-1]) for e in self.edges)

    @property
    def common_chunks(self) -> tuple[int, ...]:
        """Return the largest uniform chunks, one size for each dimension, within the blocks."""
        return tuple(math.gcd(*edges[:-1]) or edges[-1] for edges in self.edges)

    def is_aligned(self, steps: Sequence[int]) -> bool:
        """Return whether every block consists of whole chunks of an array of the row shape."""
        return not any(
            edge % step
            for edges, step in zip(self.edges, steps, strict=True)
            for edge in edges[:-1]
        )

    @property
    def n_common_chunks(self) -> int:
        """Number of chunks of this size."""
        pairs = zip(self.row_shape, self.common_chunks, strict=True)
        return math.prod(-(-n // c) for n, c in pairs)

    @property
    def suits_labels(self) -> bool:
        """Whether labels of the rows need no more chunks than are practical."""
        return self.n_common_chunks <= max(_FEW_CHUNKS, _CHUNKS_PER_BLOCK * self.n_blocks)

    @property
    def row_shape(self) -> tuple[int, ...]:
        return tuple(e[-1] for e in self.edges)

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...]:
        """Sizes of the blocks along each row axis, in Dask's notation of chunks."""
        return tuple(tuple(np.diff(e).tolist()) for e in self.edges)

    @property
    def largest(self) -> int:
        """Number of rows of the largest block."""
        return math.prod(max(c) for c in self.chunks)

    def index(self, number: int) -> tuple[int, ...]:
        """Return the position of a block in the grid."""
        index: list[int] = []
        if not 0 <= number < self.n_blocks:
            raise IndexError(f"block {number} of {self.n_blocks}")
        for size in reversed(self.grid):
            number, place = divmod(number, size)
            index.append(place)
        return tuple(reversed(index))

    def cut_at(self, start: int) -> BlockPlan:
        """Return the plan in which no block has rows on both sides of a place on the first axis."""
        first = sorted({*self.edges[0], start})
        return BlockPlan((tuple(first), *self.edges[1:]))

    def between(self, start: int, stop: int) -> range:
        """Return the numbers of the blocks between two places on the first axis, both edges."""
        each = math.prod(self.grid[1:])
        return range(self.edges[0].index(start) * each, self.edges[0].index(stop) * each)

    def n_rows(self, number: int) -> int:
        """Return the number of rows of a block, those that are left out included."""
        return math.prod(span.stop - span.start for span in self.region(number))

    def region(self, number: int) -> tuple[slice, ...]:
        """Return the rows of a block: a slice for each row axis."""
        index = self.index(number)
        return tuple(slice(e[i], e[i + 1]) for e, i in zip(self.edges, index, strict=True))


def plan_blocks(
    row_shape: Sequence[int],
    unit: Sequence[int],
    row_nbytes: int,
    target_nbytes: int,
    starts: Sequence[int] | None = None,
) -> BlockPlan:
    """Plan blocks of whole units (stored chunks or shards) of at most `target_nbytes`.

    A block grows along the last row axis first, so that it is contiguous in the stored order. It is
    never smaller than a unit, because a chunk in two blocks would be decoded twice.

    Parameters
    ----------
    row_shape, unit : lengths of the row axes, and of a unit along each
    row_nbytes, target_nbytes : bytes of a row, and of a block
    starts : starts of units of uneven sizes along the first axis, and its end, or None
        They are the edges of blocks unless labels would then need very many chunks.

    Examples
    --------
    >>> plan_blocks((1000,), (100,), row_nbytes=8, target_nbytes=2400).edges
    ((0, 300, 600, 900, 1000),)
    """
    nbytes = math.prod(unit) * row_nbytes
    sizes = list(unit)
    for axis in reversed(range(len(unit))):
        whole = -(-row_shape[axis] // unit[axis])
        count = max(1, min(whole, target_nbytes // max(nbytes, 1)))
        sizes[axis] = unit[axis] * count
        nbytes *= count
        if count < whole:
            break
    count = math.prod(-(-length // size) for length, size in zip(row_shape, sizes, strict=True))
    if count > _MOST:
        raise DataError(
            f"the data have {count:,} blocks of whole chunks, more than {_MOST:,}: they are "
            "damaged, or need larger chunks."
        )
    edges = tuple(_even(length, size) for length, size in zip(row_shape, sizes, strict=True))
    if starts is not None:
        uneven = BlockPlan((_merged(starts, sizes[0]), *edges[1:]))
        if uneven.suits_labels:
            return uneven
    return BlockPlan(edges)


def _merged(starts: Sequence[int], size: int) -> tuple[int, ...]:
    """Join units that follow each other while they have at most `size` rows together."""
    edges = [0]
    for start, end in itertools.pairwise(starts):
        if end - edges[-1] > size and start > edges[-1]:
            edges.append(start)
    return (*edges, starts[-1])


@lru_cache(maxsize=16)  # the scheduler and its workers share one plan for all waves
def _even(length: int, size: int) -> tuple[int, ...]:
    return (*range(0, length, size), length)


def _packed(edges: tuple[int, ...]) -> tuple[int, ...] | range:
    even = len(edges) > 2 and edges[1] and len(edges) == -(-edges[-1] // edges[1]) + 1
    if even and edges == _even(edges[-1], edges[1]):
        return range(0, edges[-1], edges[1])
    return edges


def _unpacked(*axes: tuple[int, ...] | range) -> BlockPlan:
    return BlockPlan(tuple(_even(a.stop, a.step) if isinstance(a, range) else a for a in axes))
