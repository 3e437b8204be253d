"""Semantic deduplication: of similar rows of a cluster, keep the first.

Every batch of clusters is read once and writes the sorted row numbers that it keeps. These runs are
then merged to a mask in the order of the data. A cluster that is larger than a batch is compared in
tiles, each of which is read again for every later tile.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.engine import Listed, threads
from streamkm.errors import DataError
from streamkm.numbers import real_number
from streamkm.outputs import KEEP, LabelFile, Store, check_outputs, label_format, local
from streamkm.outputs.label_files import LabelFormat
from streamkm.outputs.partitions import Partition, open_partition
from streamkm.outputs.sealing import checked
from streamkm.outputs.whole_labels import WholeLabels
from streamkm.rows import BlockPlan, Budget, Rows, open_rows
from streamkm.rows.memory import BLOCK_NBYTES
from streamkm.rows.plan import plan_blocks
from streamkm.runs.keep_first import Batch, KeepFirst, Kept, MarkKept, Piece
from streamkm.runs.labels import record_of
from streamkm.runs.output_progress import Written
from streamkm.runs.staged import RUNS, ShowStage, Stage, StagedOutput

PathLike = str | os.PathLike[str]
_WRITTEN = Written(KEEP, "results", "deduplication")
_SUFFIXES = (".npy", ".parquet")
_MASK_NBYTES = 2**22  # rows of a chunk of the mask
_LEAST_NBYTES = 2**20


@dataclass(frozen=True)
class DedupResult:
    """The result of a deduplication.

    Parameters
    ----------
    n_rows : rows of the partition
    n_kept : rows that are kept
    keep : the mask of the row shape of the data, bool, read when it is used: a zarr.Array, a memory
        map or a ParquetFile
    """

    n_rows: int
    n_kept: int
    keep: Any

    @property
    def n_dropped(self) -> int:
        return self.n_rows - self.n_kept


def dedup(
    partition: PathLike,
    output: PathLike,
    threshold: float = 0.95,
    overwrite: bool = False,
    memory_limit: int | None = None,
    message: Callable[[str], None] | None = None,
    show: ShowStage | None = None,
) -> DedupResult:
    """Write which rows of a partition are kept. The same call resumes a stopped run.

    Parameters
    ----------
    partition : path or URL of a partition
    output : path of a .npy or .parquet file, or of a Zarr array
    threshold : smallest cosine similarity of similar rows, above 0 and at most 1
    overwrite : whether an output of this kind may be replaced
    memory_limit : peak bytes of the process, or None
    message, show : as for `StagedOutput`

    Raises
    ------
    ValueError
        If the threshold is not in its range.
    DataError
        If there is no partition at the path, or the output has another suffix.
    OutputExistsError
        Before any read, if the output may not be written.
    MemoryLimitError
        If the smallest batch does not fit the limit.
    """
    threshold = real_number("threshold", threshold)
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold={threshold:g}; give a number above 0 and at most 1.")
    form = label_format(output)
    if form is not None and form.suffix not in _SUFFIXES:
        raise DataError(
            f"a mask is not written to {form.suffix} files; use .npy, .parquet or a Zarr array."
        )
    target: Store | LabelFile = Store(output, KEEP, overwrite)
    if form is not None:
        target = LabelFile(output, form.suffixes, overwrite)
    check_outputs([target], [partition])
    opened = open_partition(partition)
    work = _Deduplication(opened, threshold, _tile(opened, memory_limit), form)
    found = work.run(local(output), overwrite, message, show)
    if form is not None:
        return DedupResult(found.rows, found.kept, form.open(local(output)))
    import zarr

    return DedupResult(found.rows, found.kept, zarr.open_array(local(output), mode="r"))


def _tile(partition: Partition, memory_limit: int | None) -> int:
    """Return how many rows of a cluster a task holds, with their unit vectors."""
    rows = partition.rows
    budget = Budget(memory_limit, threads()).of(open_rows(rows).layout)
    most = max(_LEAST_NBYTES, min(BLOCK_NBYTES, budget.block_nbytes()))
    budget.check(most, threads())
    return max(1, most // int(rows.shape[1] * (rows.dtype.itemsize + 4)))


@dataclass(frozen=True)
class _Deduplication:
    partition: Partition
    threshold: float
    tile: int
    form: LabelFormat | None

    def run(
        self,
        target: Path,
        overwrite: bool,
        message: Callable[[str], None] | None,
        show: ShowStage | None,
    ) -> Kept:
        asked = {"threshold": self.threshold, "rows of a batch": self.tile}
        staged = StagedOutput(
            target,
            overwrite,
            _WRITTEN,
            self._rows,
            record_of("deduplication", self._rows, asked),
            self.form is not None,
            message,
            show,
        )

        def finish(folder: Path) -> None:
            if self.form is not None:
                whole = WholeLabels.of(self._mask(folder), {}, {}, column="keep")
                self.form.write(whole, folder / target.name)

        found, _ = staged.write(self._compare, self._mark, finish)
        assert isinstance(found, Kept)
        return found

    @cached_property
    def _rows(self) -> Rows:
        return open_rows(self.partition.rows)

    @cached_property
    def _batches(self) -> list[Batch]:
        """Consecutive clusters of at most a tile of rows, or a single larger one."""
        offsets, found, first = self.partition.offsets, list[Batch](), 0
        while first < self.partition.n_clusters:
            most = int(offsets[first]) + self.tile
            last = max(first + 1, int(np.searchsorted(offsets, most, side="right")) - 1)
            found.append(Batch(len(found), first, last))
            first = last
        return found

    @property
    def _plan(self) -> BlockPlan:
        shape = self.partition.row_shape
        return plan_blocks(shape, (1,) * len(shape), 1, _MASK_NBYTES)

    def _compare(self, folder: Path) -> Stage:
        self._mask(folder)
        call = KeepFirst(self.partition, self.threshold, self.tile, str(folder / RUNS))
        return Stage("compare", call, Listed(self._batches))

    def _mark(self, folder: Path, kept: Kept) -> Stage:
        call = MarkKept(str(folder / RUNS), len(self._batches), self._plan, self._mask(folder))
        return Stage("mask", call, Listed([Piece(at) for at in range(self._plan.n_blocks)]))

    def _mask(self, folder: Path) -> Any:
        """Create the mask, or open that of a stopped run."""
        import zarr  # takes a quarter of a second
        from zarr.codecs import BytesCodec

        mask = zarr.open_array(
            folder,
            mode="a",
            shape=self._plan.row_shape,
            chunks=self._plan.common_chunks,
            dtype=bool,
            codecs=[BytesCodec(), checked()],
            fill_value=False,
        )
        mask.attrs.put({"kind": KEEP, "threshold": self.threshold})
        return mask
