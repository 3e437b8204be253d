"""Projection of the memory of a read from its parameters, without data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamkm.arrays import LARGE_NBYTES
from streamkm.checkpointable import Checkpointable
from streamkm.errors import MemoryLimitError
from streamkm.rows.layout import Layout
from streamkm.rows.machine import memory_here
from streamkm.rows.memory_advice import advice_on
from streamkm.sizes import show_bytes

# The interpreter, Dask, Zarr, Numba's compiler and scikit-learn, without data
# [scripts/prove-memory prints it].
PROCESS_NBYTES = 256 * 2**20
# Larger blocks are not read faster and take more memory [docs/benchmarks.md].
BLOCK_NBYTES = 32 * 2**20
# Memory of a block while it is read, in blocks: itself, its decoded chunks, their stored bytes, and
# memory of the previous block in the allocator [measured: 3.5 to 4.9, docs/benchmarks.md].
_COPIES = 5
# Maximum bytes of rows that stay in memory between reads.
TABLE_NBYTES = 16 * 2**20
SAMPLE_NBYTES = 64 * 2**20  # for one restart
SAMPLES_NBYTES = 256 * 2**20  # for all restarts
# For all restarts, of seeding methods that say how many rows are enough.
ENOUGH_NBYTES = 512 * 2**20
# Without a limit, blocks are cached up to this fraction of the machine's memory.
KEPT_SHARE = 0.25
_SAMPLE_COPIES = 3  # the sample, the parts it is combined from, and the search
_BESIDE_A_DISTINCT_ROW = 8 + 8 + 8  # weight, hash, slots
_BESIDE_A_SAMPLED_ROW = 8 + 8 + 8 + 8 + 4  # key, number, weight, rate, label
# Large centroids (float64): themselves, in the precision of the data, two accumulators while a
# block is added or sums and means afterwards, and parts of them [measured].
_LARGE_COPIES = 5.3
_LARGE_SAMPLE_COPIES = 2.4  # the sample and its parts, or the centroids that are found
_RANKED_ROW = 8 + 8 + 8  # cluster, number, distance
_RANKED_COPIES = 6  # themselves, all rows that are sorted, their order, and the result


@dataclass(frozen=True)
class Room(Checkpointable):
    """Numbers of rows that may stay in memory between reads.

    Parameters
    ----------
    table : maximum number of distinct rows of the table
    sample : maximum number of rows of a sample, or of boundary rows, of one restart
    """

    table: int
    sample: int


@dataclass(frozen=True)
class Budget:
    """Memory limit of a process, and the parameters of the work that determine its memory.

    Parameters
    ----------
    limit : bytes of the process, or None
    threads : number of tasks that run at once in the process
    clusters : centroids or candidates of the widest pass, of all trajectories together
    n_features : number of features
    answer_nbytes : bytes of the result for a row; by default those of a label, also if no labels
        are requested, so that the plan does not depend on it
    fits : whether the rows are for a fit, which may have a table of distinct rows
    summaries : number of restarts that have a sample or boundary rows
    summary_rows : minimum number of rows of each sample
    answer_share : further bytes of the result for a row, as a share of those of its values
    unsampled : number of summaries with a seeding method that has no sample; None if the caller
        cannot choose a method
    largest : centroids of a single trajectory, at most
    itemsize : bytes of a stored number
    summary_enough : number of rows of each sample from which on more rows bring little, or 0 if
        each may have as many as fit
    samples_if_small : whether large centroids are random rows, which need no sample
    ranked : rows of all clusters together that a read finds, without their values
    beside : further bytes of the work between reads
    machine : bytes that the process may take if there is no limit; 0 if unknown
    """

    limit: int | None = None
    threads: int = 1
    clusters: int = 0
    n_features: int = 0
    answer_nbytes: int = 8
    fits: bool = False
    summaries: int = 0
    summary_rows: int = 0
    answer_share: float = 0.0
    unsampled: int | None = None
    largest: int = 0
    itemsize: int = 4
    ranked: int = 0
    beside: int = 0
    summary_enough: int = 0
    samples_if_small: bool = False
    machine: int = 0

    def of(self, layout: Layout) -> Budget:
        """Return the budget for data of this layout."""
        budget = replace(self, n_features=layout.n_features, itemsize=layout.dtype.itemsize)
        if budget.large and budget.samples_if_small:
            return replace(budget, summaries=0, summary_rows=0)
        return budget

    @property
    def large(self) -> bool:
        """Whether the centroids of a trajectory are large."""
        return self.largest * self.n_features * 8 >= LARGE_NBYTES

    @property
    def _to_keep(self) -> float:
        """Bytes of the limit that remain beside the process."""
        return math.inf if self.limit is None else max(0, self.limit - PROCESS_NBYTES)

    @property
    def table_nbytes(self) -> int:
        """Bytes of a table of distinct rows; every thread and level of the tree may hold one."""
        return int(min(TABLE_NBYTES, self._to_keep / 64)) if self.fits else 0

    @property
    def sample_nbytes(self) -> int:
        """Bytes of the samples of all restarts: the minimum, and more where memory allows."""
        row_nbytes = 8 * self.n_features + _BESIDE_A_SAMPLED_ROW
        enough = min(self.summaries * self.summary_enough * row_nbytes, ENOUGH_NBYTES)
        needed = self.summaries * self.summary_rows * row_nbytes
        return max(self._optional_nbytes(enough), needed)

    def _optional_nbytes(self, enough: int = 0) -> int:
        """Bytes of the samples of all restarts beyond which no more are used if they suffice."""
        most = max(min(self.summaries * SAMPLE_NBYTES, SAMPLES_NBYTES), enough)
        return int(min(most, self._to_keep / 8))

    def row_nbytes(self, layout: Layout, beside: Sequence[Any], masked: bool) -> int:
        """Bytes of a row in a block: its values, weight and mask, and its result."""
        own = layout.n_features * layout.dtype.itemsize
        answer = self.answer_nbytes + int(self.answer_share * own)
        nbytes: int = own + answer + sum(a.dtype.itemsize for a in beside)
        # A block without some rows, or with reordered features, is a copy.
        copied = (layout.missing, layout.block_map, layout.order)
        if masked or any(cause is not None for cause in copied):
            nbytes += own // _COPIES + 4
        if layout.missing is not None and layout.missing.partial:
            # Values with gaps, and the rows that a seeding method receives, are copies.
            nbytes += 2 * layout.n_features * layout.block_dtype.itemsize // _COPIES
        return nbytes

    def room(self, layout: Layout) -> Room:
        """Return the numbers of rows of the table and of a sample."""
        row_nbytes = layout.n_features * np.result_type(layout.dtype, np.float32).itemsize
        distinct = row_nbytes + _BESIDE_A_DISTINCT_ROW
        # The parts of data that fit completely are together not larger than the data.
        whole = layout.n_rows * distinct <= 4 * self.table_nbytes
        table = layout.n_rows if whole else self.table_nbytes // distinct
        sampled = max(1, self.summaries) * (row_nbytes + _BESIDE_A_SAMPLED_ROW)
        own = self.of(layout)
        # Without a number that is enough, a sample is larger than its minimum only within 64 MiB.
        nbytes = own.sample_nbytes if own.summary_enough else self._optional_nbytes()
        return Room(table, max(own.summary_rows, nbytes // sampled))

    @property
    def statistic_nbytes(self) -> int:
        """Bytes of the sums and counts of the widest pass."""
        return self.clusters * (self.n_features + 2) * 8

    def projected(self, block_nbytes: int, n_blocks: int, resident_nbytes: int = 0) -> int:
        """Return the projected peak bytes of a process that reads blocks of `block_nbytes`."""
        levels = math.ceil(math.log(max(n_blocks, 2), 8))
        if self.large:  # no sample is kept beside centroids
            samples = int(_LARGE_SAMPLE_COPIES * self.sample_nbytes)
            statistics = max(int(_LARGE_COPIES * self.statistic_nbytes), samples)
        else:
            # A thread holds a statistic. Threads share the centroids and their projections, which
            # take 1.5 statistics, and 3.2 while they are computed, before the tree holds any
            # [measured].
            statistics = (3 * self.threads + 7 * levels) * self.statistic_nbytes
            statistics += _SAMPLE_COPIES * self.sample_nbytes
        statistics += self._ranked_nbytes(levels)
        statistics += (self.threads + 7) * self.table_nbytes
        blocks = min(self.threads, n_blocks) * self._in_flight(block_nbytes)
        return PROCESS_NBYTES + resident_nbytes + blocks + statistics + self.beside

    def _ranked_nbytes(self, levels: int) -> int:
        """Bytes of the rows found by a read, in the tree or, if they are large, in one place."""
        nbytes = self.ranked * _RANKED_ROW
        return nbytes * (_RANKED_COPIES if nbytes >= LARGE_NBYTES else self.threads + 7 * levels)

    def _in_flight(self, block_nbytes: int) -> int:
        """Bytes of a block while a thread reads it, and of its sums if the centroids are large.

        Two results for each thread wait to be added, and one more is computed.
        """
        if not self.large:
            return _COPIES * block_nbytes
        sums = min(8 * block_nbytes // self.itemsize, self.statistic_nbytes)
        return _COPIES * block_nbytes + 3 * sums

    def block_nbytes(self, n_blocks: int = 1, resident_nbytes: int = 0) -> int:
        """Return the bytes of the largest block that the limit allows, at most 32 MiB."""
        if self.limit is None:
            return BLOCK_NBYTES
        left = self.limit - self.projected(0, n_blocks, resident_nbytes)
        return max(0, min(BLOCK_NBYTES, left * 2**20 // (self._in_flight(2**20) * self.threads)))

    def allows(self, nbytes: int) -> bool:
        """Return whether a peak of `nbytes` is within the limit, by default that of the machine."""
        most = (self.machine or math.inf) if self.limit is None else self.limit
        return nbytes <= most

    @property
    def most(self) -> str:
        """The limit, or the memory of the machine without one, as text."""
        if self.limit is None:
            return f"the memory of this machine, {show_bytes(self.machine)}"
        return f"the limit of {show_bytes(self.limit)}"

    def keeps(self, nbytes: int, projected: int) -> bool:
        """Return whether `nbytes` of blocks may be cached beside the projection of a read."""
        if self.limit is None:
            return self.fits and nbytes <= KEPT_SHARE * memory_here()
        return self.fits and self.allows(projected + nbytes)

    def ahead(self, block_nbytes: int, n_blocks: int, resident_nbytes: int = 0) -> int:
        """Return the number of further blocks that may be in memory, at most one for each thread.

        Without a limit, the projection with these blocks is at most a share of the machine's
        memory.
        """
        most = KEPT_SHARE * memory_here() if self.limit is None else self.limit
        for further in range(self.threads, 0, -1):
            more = replace(self, threads=self.threads + further)
            if more.projected(block_nbytes, n_blocks, resident_nbytes) <= most:
                return further
        return 0

    def check(self, block_nbytes: int, n_blocks: int, resident_nbytes: int = 0) -> None:
        """Raise an error if the work does not fit in the limit.

        Raises
        ------
        MemoryLimitError
            With the projection, the limit and the largest block.
        """
        need = self.projected(block_nbytes, n_blocks, resident_nbytes)
        if not self.allows(need):
            name = 'init="random" and n_init=1'
            advice = advice_on(self, block_nbytes, n_blocks, resident_nbytes)
            raise MemoryLimitError(
                f"the smallest block of whole chunks or shards has "
                f"{show_bytes(block_nbytes)}. With {self.threads} threads and statistics of "
                f"{show_bytes(self.statistic_nbytes)}, the run needs {show_bytes(need)} "
                f"({show_bytes(PROCESS_NBYTES)} of it for the process itself, "
                f"{show_bytes(resident_nbytes)} for input or labels in memory), over "
                f"{self.most}.",
                python=advice.format(without_sample=name),
                command=advice.format(without_sample="--init random"),
            )
