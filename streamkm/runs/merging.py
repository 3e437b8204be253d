"""Merge of sorted runs: each task finds its part of every run by binary search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.outputs.partition_formats import PartitionWriter
from streamkm.passes import Counted
from streamkm.runs.sorted_runs import NUMBERS_KIND, Int64Array, Kind, SortedRun


@dataclass(frozen=True)
class Span:
    """Rows `start` to `stop` of the merged rows, written by one task."""

    number: int
    start: int
    stop: int


@dataclass(frozen=True)
class MergedRuns:
    """The rows of all runs in the order of cluster and row number, merged where they are read.

    Parameters
    ----------
    folder : path of the folder of the runs
    n_runs : int
    offsets : ndarray of shape (k + 1,), int64, positions at which the clusters begin
    n_rows : number of rows of the data, including those that are left out
    kinds : dtype and width of each array, by name
    """

    folder: str
    n_runs: int
    offsets: Int64Array
    n_rows: int
    kinds: Mapping[str, Kind]

    def read(
        self, start: int, stop: int, names: Sequence[str]
    ) -> tuple[Int64Array, dict[str, AnyArray]]:
        """Return the clusters of the rows at positions start to stop, and arrays of these names."""
        begin, end = self._positions(start, stop)
        pieces: dict[str, list[AnyArray]] = {
            name: [] for name in dict.fromkeys([*names, "numbers"])
        }
        labels = []
        for at in np.flatnonzero(begin < end).tolist():
            run, own = self._runs[at], (int(begin[at]), int(end[at]))
            index, places = run.index(), np.arange(*own)
            labels.append(index[np.searchsorted(index[:, 1], places, side="right") - 1, 0])
            for name, parts in pieces.items():
                parts.append(run.part(name, self.kinds[name], *own))
        together, numbers = np.concatenate(labels), np.concatenate(pieces.pop("numbers"))
        order = np.lexsort((numbers, together))
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order))
        merged = {name: _placed(parts, ranks) for name, parts in pieces.items()}
        merged["numbers"] = numbers[order]
        return together[order], merged

    @cached_property
    def _runs(self) -> list[SortedRun]:
        return [SortedRun(self.folder, number) for number in range(self.n_runs)]

    def _positions(self, start: int, stop: int) -> tuple[Int64Array, Int64Array]:
        """Return where the rows at positions start to stop are in every run (n_runs,)."""
        ends = (start, stop)
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
            numbers = self._runs[at].load("numbers", NUMBERS_KIND)
            count[at] = np.searchsorted(numbers[begin[at] : end[at]], number)
        return count


@dataclass(frozen=True)
class MergedArray:
    """An array of merged runs, which is read when it is sliced along the rows.

    Parameters
    ----------
    runs : MergedRuns
    name : name of the array
    """

    runs: MergedRuns
    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        width = self.runs.kinds[self.name][1]
        return (int(self.runs.offsets[-1]), *([width] if width else []))

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.runs.kinds[self.name][0]

    def __getitem__(self, key: tuple[slice, ...]) -> AnyArray:
        start, stop, _ = key[0].indices(self.shape[0])
        if start >= stop:
            return np.empty((0, *self.shape[1:]), self.dtype)
        return self.runs.read(start, stop, [self.name])[1][self.name]


@dataclass(frozen=True)
class MergeRuns:
    """Merge the rows of a span from all runs, and write them.

    Parameters
    ----------
    runs : MergedRuns
    writer : PartitionWriter
    """

    runs: MergedRuns
    writer: PartitionWriter

    def identity(self) -> Counted:
        return Counted()

    def __call__(self, span: Span) -> Counted:
        labels, merged = self.runs.read(span.start, span.stop, list(self.runs.kinds))
        self.writer.write(span.number, span.start, labels, merged)
        return Counted(rows=len(labels))


def _place(index: AnyArray, cluster: int) -> tuple[int, int, int, int]:
    """Return where the rows of a cluster begin and end in a run, and their extreme row numbers.

    A cluster without rows begins and ends where its rows would be.
    """
    at = int(np.searchsorted(index[:, 0], cluster))
    begin = int(index[at, 1])
    if index[at, 0] != cluster:
        return begin, begin, 0, -1
    return begin, int(index[at + 1, 1]), int(index[at, 2]), int(index[at, 3])


def _placed(parts: list[AnyArray], ranks: Int64Array) -> AnyArray:
    """Return the rows of all parts at their ranks."""
    out = np.empty((len(ranks), *parts[0].shape[1:]), parts[0].dtype)
    start = 0
    for part in parts:
        out[ranks[start : start + len(part)]] = part
        start += len(part)
    return out
