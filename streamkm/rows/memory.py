"""How much memory a read takes, worked out before the first one. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.errors import MemoryLimitError
from streamkm.rows.layout import Layout
from streamkm.rows.machine import memory_here
from streamkm.sizes import show_bytes

# The interpreter, Dask, Zarr, Numba's compiler and scikit-learn, before any data
# [scripts/prove-memory prints it].
PROCESS_NBYTES = 256 * 2**20
# Larger blocks read no faster, and cost memory [docs/benchmarks.md].
BLOCK_NBYTES = 32 * 2**20
# A block while it is read: itself, its chunks in the decoder's hands, their stored bytes, and
# what the allocator keeps of the one before [measured: 3.5 to 4.9, docs/benchmarks.md].
_COPIES = 5
# What is kept of the data between reads, at most.
TABLE_NBYTES = 16 * 2**20
SAMPLE_NBYTES = 64 * 2**20  # of one restart
SAMPLES_NBYTES = 256 * 2**20  # of all
# Without a limit, data that take more than this part of the machine's memory are not kept.
KEPT_SHARE = 0.25
_SAMPLE_COPIES = 3  # itself, the parts it is put together from, and what is solved
_BESIDE_A_DISTINCT_ROW = 8 + 8 + 8  # weight, hash, slots
_BESIDE_A_SAMPLED_ROW = 8 + 8 + 8 + 8 + 4  # key, number, weight, rate, label


@dataclass(frozen=True)
class Room:
    """How many rows may be kept in memory between reads.

    Parameters
    ----------
    table : distinct rows of the table that replaces the data where it holds them all
    sample : rows of one restart's summary
    """

    table: int
    sample: int


@dataclass(frozen=True)
class Budget:
    """What a process may use, and what is known of the work before it begins.

    Parameters
    ----------
    limit : bytes of one process, or None
    threads : tasks that run at once in it
    clusters : centroids or candidates of the widest pass, all trajectories together
    n_features : features of a row
    answer_nbytes : bytes of a row's answer; room for a label by default, wanted or not, so that
        the plan does not hang on it
    fits : whether the rows are for a fit, which may keep a table of distinct rows
    summaries : how many restarts keep a summary of the rows
    summary_rows : rows that each of them needs at least
    """

    limit: int | None = None
    threads: int = 1
    clusters: int = 0
    n_features: int = 0
    answer_nbytes: int = 8
    fits: bool = False
    summaries: int = 0
    summary_rows: int = 0

    @property
    def _to_keep(self) -> float:
        """What the limit leaves beside the process."""
        return math.inf if self.limit is None else max(0, self.limit - PROCESS_NBYTES)

    @property
    def table_nbytes(self) -> int:
        """Of the table of distinct rows; every thread and level of the tree may hold one."""
        return int(min(TABLE_NBYTES, self._to_keep / 64)) if self.fits else 0

    @property
    def sample_nbytes(self) -> int:
        """Of the summaries of all restarts: what they need, and more where there is room."""
        most = min(self.summaries * SAMPLE_NBYTES, SAMPLES_NBYTES)
        needed = self.summary_rows * (8 * self.n_features + _BESIDE_A_SAMPLED_ROW)
        return max(int(min(most, self._to_keep / 8)), self.summaries * needed)

    def row_nbytes(self, layout: Layout, beside: Sequence[Any], masked: bool) -> int:
        """Of a row in a block: its values, what lies beside it, and its answer."""
        own = layout.n_features * layout.dtype.itemsize
        nbytes: int = own + self.answer_nbytes + sum(a.dtype.itemsize for a in beside)
        # A block without some of its rows, or with its features in another order, is a copy.
        copied = (layout.missing, layout.block_map, layout.order)
        if masked or any(cause is not None for cause in copied):
            nbytes += own // _COPIES + 4
        return nbytes

    def room(self, layout: Layout) -> Room:
        """Rows of the table and of a summary."""
        row_nbytes = layout.n_features * np.result_type(layout.dtype, np.float32).itemsize
        distinct = row_nbytes + _BESIDE_A_DISTINCT_ROW
        # All parts of data that fit whole are not larger than the data themselves.
        whole = layout.n_rows * distinct <= 4 * self.table_nbytes
        table = layout.n_rows if whole else self.table_nbytes // distinct
        sampled = max(1, self.summaries) * (row_nbytes + _BESIDE_A_SAMPLED_ROW)
        return Room(table, max(self.summary_rows, self.sample_nbytes // sampled))

    @property
    def statistic_nbytes(self) -> int:
        """Sums and counts of the widest pass."""
        return self.clusters * (self.n_features + 2) * 8

    def projected(self, block_nbytes: int, n_blocks: int, resident_nbytes: int = 0) -> int:
        """Peak bytes of a process that reads blocks of `block_nbytes`."""
        levels = math.ceil(math.log(max(n_blocks, 2), 8))
        # A thread holds a statistic and the centroids it is about, in two precisions.
        statistics = (3 * self.threads + 7 * levels) * self.statistic_nbytes
        statistics += (self.threads + 7) * self.table_nbytes
        statistics += _SAMPLE_COPIES * self.sample_nbytes
        blocks = min(self.threads, n_blocks) * _COPIES * block_nbytes
        return PROCESS_NBYTES + resident_nbytes + blocks + statistics

    def block_nbytes(self, n_blocks: int = 1, resident_nbytes: int = 0) -> int:
        """The largest block the limit allows, at most 32 MiB."""
        if self.limit is None:
            return BLOCK_NBYTES
        left = self.limit - self.projected(0, n_blocks, resident_nbytes)
        return max(0, min(BLOCK_NBYTES, left // (_COPIES * self.threads)))

    def allows(self, nbytes: int) -> bool:
        """Whether a peak of `nbytes` is within the limit."""
        return self.limit is None or nbytes <= self.limit

    def keeps(self, nbytes: int, projected: int) -> bool:
        """Whether a fit may keep data of `nbytes` beside what is projected for a read of them."""
        if self.limit is None:
            return self.fits and nbytes <= KEPT_SHARE * memory_here()
        return self.fits and self.allows(projected + nbytes)

    def check(self, block_nbytes: int, n_blocks: int, resident_nbytes: int = 0) -> None:
        """Refuse work that cannot be held to the limit.

        Raises
        ------
        MemoryLimitError
            With the projection, the limit and the largest block.
        """
        need = self.projected(block_nbytes, n_blocks, resident_nbytes)
        if not self.allows(need):
            assert self.limit is not None
            raise MemoryLimitError(
                f"the smallest block that whole chunks or shards allow is "
                f"{show_bytes(block_nbytes)}, and with {self.threads} threads and statistics of "
                f"{show_bytes(self.statistic_nbytes)} that needs {show_bytes(need)} "
                f"({show_bytes(PROCESS_NBYTES)} of it for the process itself, "
                f"{show_bytes(resident_nbytes)} for input or labels in memory), over the limit of "
                f"{show_bytes(self.limit)}. Raise the limit, use fewer threads "
                "(DASK_NUM_WORKERS=1), or store the data in smaller chunks."
            )
