"""Semantic deduplication: which rows of each cluster are kept, and the mask of these rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.kernels.directions import Directions, independent, near_any
from streamkm.outputs.partitions import Partition
from streamkm.passes import Counted, Statistic
from streamkm.rows import BlockPlan, Sliced
from streamkm.runs.sorted_runs import NUMBERS_KIND, SortedRun
from streamkm.runs.visiting import visited, visiting_order

_KEPT = "kept"  # sorted row numbers that a batch keeps


@dataclass(frozen=True)
class Kept(Statistic):
    """Numbers of rows.

    Parameters
    ----------
    rows : all rows
    kept : rows that are kept
    """

    rows: int = 0
    kept: int = 0

    @classmethod
    def combine(cls, parts: Sequence[Self]) -> Self:
        return cls(sum(part.rows for part in parts), sum(part.kept for part in parts))


@dataclass(frozen=True)
class Batch:
    """Clusters `first` to `last` (exclusive) of a partition, compared by one task."""

    number: int
    first: int
    last: int


@dataclass(frozen=True)
class KeepFirst:
    """Find the rows of a batch that are kept, and write their numbers.

    Parameters
    ----------
    partition : Partition
    threshold : smallest cosine similarity of similar rows
    keep : one of `KEEP_RULES`
    tile : number of rows that are in memory
    folder : path of the folder of the runs
    """

    partition: Partition
    threshold: float
    keep: str
    tile: int
    folder: str

    def identity(self) -> Kept:
        return Kept()

    def __call__(self, batch: Batch) -> Kept:
        ends = self.partition.offsets[batch.first : batch.last + 1]
        first, last = int(ends[0]), int(ends[-1])
        rows = Sliced(self.partition.rows, first, last)
        if len(rows) > self.tile:
            kept = self._large(rows)
        else:
            kept, values = np.zeros(len(rows), bool), np.asarray(rows)
            for begin, end in zip(ends[:-1] - first, ends[1:] - first, strict=True):
                kept[begin:end] = self._small(values[begin:end])
        numbers = np.asarray(Sliced(self.partition.numbers, first, last))[kept]
        n_rows = math.prod(self.partition.row_shape)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < n_rows:
            raise DataError(
                f"{self.partition.path} is damaged: it has row numbers that its data do not have."
            )
        SortedRun(self.folder, batch.number).write(_KEPT, np.sort(numbers))
        return Kept(len(kept), len(numbers))

    def _small(self, rows: AnyArray) -> AnyArray:
        """Return which rows (n,) of a cluster in memory are kept."""
        if self.keep == "first" or len(rows) < 2:
            return independent(Directions.from_rows(rows), self.threshold)
        order = visiting_order(rows, [slice(None)], self.keep)
        kept = np.empty(len(rows), bool)
        kept[order] = independent(Directions.from_rows(rows[order]), self.threshold)
        return kept

    def _large(self, rows: Sliced) -> AnyArray:
        """Return which rows (n,) of a large cluster are kept."""
        n = len(rows)
        tiles = [slice(at, min(at + self.tile, n)) for at in range(0, n, self.tile)]
        if self.keep == "first":
            return self._in_tiles(rows, tiles)
        order = visiting_order(rows, tiles, self.keep)
        kept = np.empty(n, bool)
        with visited(rows, tiles, order, self.folder) as ordered:
            kept[order] = self._in_tiles(ordered, tiles)
        return kept

    def _in_tiles(self, rows: Any, tiles: Sequence[slice]) -> AnyArray:
        """Return which rows (n,) of a large cluster are kept, in the order of their visits."""
        kept = np.zeros(tiles[-1].stop, bool)
        for number, tile in enumerate(tiles):
            own = Directions.from_rows(rows[tile])
            free = np.ones(len(own), bool)
            for earlier in tiles[:number]:
                others = Directions.from_rows(rows[earlier][kept[earlier]])
                free[free] = ~near_any(own.where(free), others, self.threshold)
            free[free] = independent(own.where(free), self.threshold)
            kept[tile] = free
        return kept


@dataclass(frozen=True)
class Piece:
    """A chunk of the mask."""

    number: int


@dataclass(frozen=True)
class MarkKept:
    """Write a chunk of the mask from the numbers that the batches keep.

    Parameters
    ----------
    folder : path of the folder of the runs
    n_runs : int
    plan : BlockPlan of the chunks, each of which has consecutive row numbers
    mask : zarr.Array, bool
    """

    folder: str
    n_runs: int
    plan: BlockPlan
    mask: Any

    def identity(self) -> Counted:
        return Counted()

    def __call__(self, piece: Piece) -> Counted:
        region = self.plan.region(piece.number)
        start = int(np.ravel_multi_index([s.start for s in region], self.plan.row_shape))
        part = np.zeros([s.stop - s.start for s in region], bool)
        flat = part.reshape(-1)
        for number in range(self.n_runs):
            numbers = SortedRun(self.folder, number).load(_KEPT, NUMBERS_KIND)
            begin, end = np.searchsorted(numbers, [start, start + part.size])
            flat[numbers[begin:end] - start] = True
        self.mask[region] = part
        return Counted(rows=part.size)
