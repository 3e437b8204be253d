"""Fits of the parts of a partition, each once and in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array
from streamkm.engine import map_reduce, threads
from streamkm.fitting import with_scaling
from streamkm.passes import Counted, Losses, Spread
from streamkm.rows import (
    PROCESS_NBYTES,
    Block,
    Budget,
    Rows,
    Scaling,
    Sliced,
    StoredRows,
    memory_here,
    open_rows,
    rows_in_memory,
)
from streamkm.runs.levels import LevelFit
from streamkm.runs.steps_on_disk import Arrays, StepsOnDisk

_TASK_NBYTES = 4 * 2**20  # rows of a task, unless a single part has more
_TASK_PARTS = 64  # maximum number of parts of a task
_IN_MEMORY_NBYTES = 2**30  # maximum bytes of rows that a task reads into memory
_MACHINE_SHARE = 4  # of the memory of the machine, a quarter is used without a memory limit
# Of the rows of a part: as they are read, of positive weight, sorted, as a table, scaled.
_COPIES = 8
_NAMES = ("part", "centroids", "counts", "losses")
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Parts:
    """Consecutive parts that one task fits.

    Parameters
    ----------
    first : number of the first part
    offsets : tuple of int
        Part first + i has the rows offsets[i] to offsets[i + 1] of the partition.
    n_clusters : tuple of int, of each part
    """

    first: int
    offsets: tuple[int, ...]
    n_clusters: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"{self.first:09}"


@dataclass(frozen=True)
class FitParts:
    """Fit each of some parts, and write their clusters as a step.

    Parameters
    ----------
    rows, weights : zarr.Array of a partition; weights may be None
    scaling : Scaling of the rows, or None
    fit : LevelFit
    steps : StepsOnDisk
    every : int
        Of every so many rows of the partition one is written, for the share of routed rows.
    limit : int or None
        Memory limit; a part that is too large for it is read block by block.
    """

    rows: Any
    weights: Any
    scaling: Scaling | None
    fit: LevelFit
    steps: StepsOnDisk
    every: int
    limit: int | None = None

    def __call__(self, parts: Parts) -> Counted:
        self.steps.once(parts.name, lambda: self._fitted(parts))
        return Counted(rows=parts.offsets[-1] - parts.offsets[0])

    def _fitted(self, parts: Parts) -> Arrays:
        """The clusters of all parts: their part, centroid, weight and loss; and sampled rows."""
        start, stop = parts.offsets[0], parts.offsets[-1]
        if (stop - start) * self.rows.shape[1] * self.rows.dtype.itemsize > self._most:
            return self._large(parts)
        values = np.asarray(self.rows[start:stop])
        weights = None if self.weights is None else np.asarray(self.weights[start:stop])
        found = []
        for number, k in enumerate(parts.n_clusters):
            own = slice(parts.offsets[number] - start, parts.offsets[number + 1] - start)
            part = parts.first + number
            some = None if weights is None else weights[own]
            found.append(self._part(values[own], some, k, part))
        columns = map(np.concatenate, zip(*found, strict=True))
        sampled = values[self._first_sampled(start) :: self.every]
        return dict(zip(_NAMES, columns, strict=True)) | {"sampled": self._scaled(sampled)}

    @property
    def _most(self) -> int:
        """Maximum bytes of rows that a task reads into memory."""
        return most_in_memory(self.limit)

    def _first_sampled(self, start: int) -> int:
        """The first sampled row at or after row `start` of the partition, counted from there."""
        return (self.every // 2 - start) % self.every

    def _scaled(self, values: AnyArray) -> AnyArray:
        return replace(Block.from_values(values), scaling=self.scaling).rows(slice(None))

    def _large(self, parts: Parts) -> Arrays:
        """The clusters of a part that is read block by block in every iteration."""
        start, stop = parts.offsets[0], parts.offsets[-1]
        values = Sliced(self.rows, start, stop)
        weights = None if self.weights is None else Sliced(self.weights, start, stop)
        (k,) = parts.n_clusters
        budget = Budget(self.limit, threads(), k, largest=k, fits=True, summaries=1)
        opened = open_rows(values, sample_weight=weights, nodata=None, budget=budget)
        assert isinstance(opened, StoredRows)
        rows = with_scaling(replace(opened, stays_here=True), self.scaling)
        found = self._measured(rows, self.fit.fit(rows, k, parts.first), parts.first)
        # One slice, so that Zarr decodes each chunk once.
        sampled = np.asarray(self.rows[start + self._first_sampled(start) : stop : self.every])
        return dict(zip(_NAMES, found, strict=True)) | {"sampled": self._scaled(sampled)}

    def _part(
        self, values: AnyArray, weights: AnyArray | None, n_clusters: int, part: int
    ) -> tuple[Counts, Float64Array, Float64Array, Float64Array]:
        if weights is not None:
            values, weights = values[weights > 0], weights[weights > 0]
        rows: Rows = with_scaling(rows_in_memory(values, weights), self.scaling)
        few = n_clusters == 1 or len(values) < 2
        k = min(n_clusters, len(values) if few else len(np.unique(values, axis=0)))
        if k == 0:  # rows of weight zero only
            none = np.empty(0)
            return np.empty(0, np.int64), np.empty((0, rows.layout.n_features)), none, none
        return self._measured(rows, self.fit.fit(rows, k, part), part)

    def _measured(
        self, rows: Rows, centroids: Float64Array, part: int
    ) -> tuple[Counts, Float64Array, Float64Array, Float64Array]:
        """The part, centroid, weight and loss of the clusters of a fit."""
        spread = map_reduce(Losses(centroids), rows)
        assert isinstance(spread, Spread)
        counts = spread.counts.astype(np.float64)
        return np.full(len(centroids), part), centroids, counts, spread.losses


def most_in_memory(limit: int | None) -> int:
    """Return the maximum bytes of rows that a task reads into memory.

    Without a limit, the tasks of all threads take at most a share of the machine's memory.
    """
    if limit is None:
        share = memory_here() // _MACHINE_SHARE // (_COPIES * threads())
        return min(share, _IN_MEMORY_NBYTES) or _IN_MEMORY_NBYTES
    return max(0, limit - PROCESS_NBYTES) // (_COPIES * (threads() + 1))


def part_nbytes(nbytes: int, limit: int | None) -> int:
    """Return the bytes of a process that fits parts of `nbytes` of rows.

    Small parts share a task, and parts that are too large are read block by block.
    """
    at_once = min(max(nbytes, _TASK_NBYTES), most_in_memory(limit))
    return PROCESS_NBYTES + _COPIES * threads() * at_once


def tasks_of(offsets: Counts, n_clusters: Counts, row_nbytes: int) -> list[Parts]:
    """Divide the parts that have rows into tasks of about equal size.

    Parameters
    ----------
    offsets : ndarray of shape (k + 1,), of the rows of each part
    n_clusters : ndarray of shape (k,), 0 for parts without rows
    row_nbytes : bytes of a row
    """
    tasks, first = list[Parts](), 0
    for stop in range(1, len(n_clusters) + 1):
        nbytes = int(offsets[stop] - offsets[first]) * row_nbytes
        last = stop == len(n_clusters)
        # A part of the size of a task is not added to others.
        large = not last and int(offsets[stop + 1] - offsets[stop]) * row_nbytes >= _TASK_NBYTES
        if not (last or large or nbytes >= _TASK_NBYTES or stop - first == _TASK_PARTS):
            continue
        if offsets[stop] > offsets[first]:
            own = tuple(offsets[first : stop + 1].tolist()), tuple(n_clusters[first:stop].tolist())
            tasks.append(Parts(first, *own))
        first = stop
    return tasks
