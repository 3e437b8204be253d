"""Rows sorted by cluster: every block becomes a sorted run in files, and the runs are merged.

The order of the rows is (cluster, row number), so it depends neither on the block plan nor on the
scheduler. A part of the merged rows is found in each run by binary search; nothing else is read.
"""

from __future__ import annotations

import mmap
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray
from streamkm.outputs.partition_formats import PartitionWriter
from streamkm.passes import Counted, PerRow, Sizes
from streamkm.rows import Block

Int64Array = npt.NDArray[np.int64]
Kind = tuple[np.dtype[Any], int]  # dtype and width of an array; 0 for no second axis


INDEX, _INDEX = "index", (np.dtype(np.int64), 4)
_NO_CLUSTER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class SortedRun:
    """The rows of one block, sorted by cluster and row number, in files without headers.

    The file `index` has, for each cluster that has rows: the cluster, the position of its first
    row, and its first and its last row number. A last entry has the number of rows as its position.
    There is one more file for each array.

    Parameters
    ----------
    folder : path of the folder of all runs
    number : number of the block
    """

    folder: str
    number: int

    def save(self, labels: AnyArray, arrays: Mapping[str, AnyArray]) -> tuple[AnyArray, AnyArray]:
        """Write the rows of a block, given in the order of their numbers.

        Parameters
        ----------
        labels : ndarray of shape (n,), clusters of the rows
        arrays : `numbers` (n,), and other arrays of shape (n, ...), by name

        Returns
        -------
        The clusters (m,) that have rows, and their numbers of rows (m,).
        """
        order = np.argsort(labels, kind="stable")
        clusters, first, counts = np.unique(labels[order], return_index=True, return_counts=True)
        numbers = arrays["numbers"][order]
        index = np.full((len(clusters) + 1, 4), (_NO_CLUSTER, len(order), 0, -1), np.int64)
        index[:-1] = np.stack([clusters, first, numbers[first], numbers[first + counts - 1]], 1)
        self._write(INDEX, index)
        for name, values in arrays.items():
            self._write(name, values[order])
        return clusters, counts

    def load(self, name: str, kind: Kind) -> AnyArray:
        """Return an array (n, width), or (n,) if the width is 0, as a memory map."""
        dtype, width = kind
        with self._path(name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        values: AnyArray = np.frombuffer(held, dtype)
        return values.reshape(-1, width) if width else values

    def index(self) -> AnyArray:
        """The index (m, 4), as a memory map."""
        return self.load(INDEX, _INDEX)

    def _path(self, name: str) -> Path:
        return Path(self.folder, f"{self.number:08d}.{name}")

    def _write(self, name: str, values: AnyArray) -> None:
        """Write a whole file, also if a task is repeated while the file is read."""
        path = self._path(name)
        partial = path.with_suffix(f".{uuid.uuid4().hex[:8]}")
        try:
            partial.write_bytes(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def _place(index: AnyArray, cluster: int) -> tuple[int, int, int, int]:
    """Return where the rows of a cluster begin and end in a run, and their extreme row numbers.

    A cluster without rows begins and ends where its rows would be.
    """
    at = int(np.searchsorted(index[:, 0], cluster))
    begin = int(index[at, 1])
    if index[at, 0] != cluster:
        return begin, begin, 0, -1
    return begin, int(index[at + 1, 1]), int(index[at, 2]), int(index[at, 3])


@dataclass(frozen=True)
class SortBlock:
    """Write the sorted run of a block; the statistic is the number of rows of each cluster.

    Parameters
    ----------
    question : PerRow whose results are the labels 0 to n_clusters - 1
    n_clusters : int
    folder : path of the folder of the runs
    dtype : dtype of the rows in the runs
    """

    question: PerRow[Any]
    n_clusters: int
    folder: str
    dtype: np.dtype[Any]

    def identity(self) -> Sizes:
        return Sizes(np.zeros(self.n_clusters, np.int64))

    def statistic_nbytes(self, n_features: int) -> int:
        return self.question.statistic_nbytes(n_features)

    def __call__(self, block: Block) -> Sizes:
        labels, _ = self.question(block)
        arrays = {
            "numbers": block.row_numbers(0, block.n_rows),
            "rows": block.values.astype(self.dtype, copy=False),
        }
        if block.weights is not None:
            arrays["weights"] = block.weights
        clusters, counts = SortedRun(self.folder, block.number).save(labels, arrays)
        sizes = self.identity()
        sizes.counts[clusters] = counts
        return sizes


@dataclass(frozen=True)
class Span:
    """Rows `start` to `stop` of the merged rows, written by one task."""

    number: int
    start: int
    stop: int


@dataclass(frozen=True)
class MergeRuns:
    """Merge the rows of a span from all runs, and write them.

    Parameters
    ----------
    folder : path of the folder of the runs
    n_runs : int
    offsets : ndarray of shape (k + 1,), int64, positions at which the clusters begin
    n_rows : number of rows of the data, including those that are left out
    kinds : dtype and width of each array, by name
    writer : PartitionWriter
    """

    folder: str
    n_runs: int
    offsets: Int64Array
    n_rows: int
    kinds: Mapping[str, Kind]
    writer: PartitionWriter

    def identity(self) -> Counted:
        return Counted()

    def __call__(self, span: Span) -> Counted:
        begin, end = self._positions(span)
        pieces: dict[str, list[AnyArray]] = {name: [] for name in self.kinds}
        labels = []
        for at in np.flatnonzero(begin < end).tolist():
            run, own = self._runs[at], slice(int(begin[at]), int(end[at]))
            index, places = run.index(), np.arange(own.start, own.stop)
            labels.append(index[np.searchsorted(index[:, 1], places, side="right") - 1, 0])
            for name, kind in self.kinds.items():
                pieces[name].append(run.load(name, kind)[own])
        together, numbers = np.concatenate(labels), np.concatenate(pieces.pop("numbers"))
        order = np.lexsort((numbers, together))
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order))
        merged = {name: _placed(parts, ranks) for name, parts in pieces.items()}
        merged["numbers"] = numbers[order]
        self.writer.write(span.number, span.start, together[order], merged)
        return Counted(rows=len(order))

    @cached_property
    def _runs(self) -> list[SortedRun]:
        return [SortedRun(self.folder, number) for number in range(self.n_runs)]

    def _positions(self, span: Span) -> tuple[Int64Array, Int64Array]:
        """Return where the rows of a span begin and end in every run (n_runs,)."""
        ends = (span.start, span.stop)
        clusters = [int(np.searchsorted(self.offsets, at, "right")) - 1 for at in ends]
        places = np.empty((2, self.n_runs, 4), np.int64)
        for number, run in enumerate(self._runs):
            index = run.index()
            for which, cluster in enumerate(clusters):
                places[which, number] = _place(index, cluster)
        begin, end = (
            self._split(places[which], at - int(self.offsets[cluster]))
            for which, (at, cluster) in enumerate(zip(ends, clusters, strict=True))
        )
        return begin, end

    def _split(self, places: Int64Array, rank: int) -> Int64Array:
        """Return the position in every run (n_runs,) of the row of a rank within its cluster.

        A binary search finds the row number below which exactly `rank` rows of the cluster are.

        Parameters
        ----------
        places : ndarray of shape (n_runs, 4), `_place` of the cluster in every run
        rank : int
        """
        begin = places[:, 0]
        if rank == 0:
            return begin
        low, high = 0, self.n_rows
        while low < high:
            middle = (low + high) // 2
            if int(self._below(places, middle).sum()) >= rank:
                high = middle
            else:
                low = middle + 1
        return begin + self._below(places, low)

    def _below(self, places: Int64Array, number: int) -> Int64Array:
        """Return how many rows of the cluster in every run have smaller row numbers."""
        begin, end, first, last = places.T
        count = np.where(last < number, end - begin, 0)
        for at in np.flatnonzero((first < number) & (number <= last)).tolist():
            numbers = self._runs[at].load("numbers", self.kinds["numbers"])
            count[at] = np.searchsorted(numbers[begin[at] : end[at]], number)
        return count


def _placed(parts: list[AnyArray], ranks: Int64Array) -> AnyArray:
    """Return the rows of all parts at their ranks."""
    out = np.empty((len(ranks), *parts[0].shape[1:]), parts[0].dtype)
    start = 0
    for part in parts:
        out[ranks[start : start + len(part)]] = part
        start += len(part)
    return out
