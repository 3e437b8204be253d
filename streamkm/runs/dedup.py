"""Semantic deduplication: of similar rows of a cluster, keep the first that is visited.

The rows come from a partition, or are grouped by the clusters of a model first. Every batch of
clusters is read once and writes the sorted row numbers that it keeps. These runs are then merged to
a mask in the order of the data. A cluster that is larger than a batch is compared in tiles, each of
which is read again for every later tile.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.engine import Listed, memory_without_limit, threads
from streamkm.errors import DataError
from streamkm.numbers import real_number
from streamkm.outputs import KEEP, LabelFile, Store, check_outputs, label_format, local
from streamkm.outputs.label_files import LabelFormat
from streamkm.outputs.partitions import open_partition
from streamkm.outputs.sealing import checked
from streamkm.outputs.whole_labels import WholeLabels
from streamkm.rows import BlockPlan, Budget, Layout
from streamkm.rows.memory import BLOCK_NBYTES
from streamkm.rows.plan import plan_blocks
from streamkm.runs.grouped import Grouped, Grouping, MakeStage, SortedGroups, StoredGroups
from streamkm.runs.keep_first import Batch, KeepFirst, Kept, MarkKept, Piece
from streamkm.runs.labels import record_of
from streamkm.runs.output_progress import Written
from streamkm.runs.staged import RUNS, ShowStage, Stage, StagedOutput, Statistics
from streamkm.runs.visiting import KEEP_RULES

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


@dataclass(frozen=True)
class DedupOptions:
    """Options of a deduplication.

    Parameters
    ----------
    threshold : smallest cosine similarity of similar rows, above 0 and at most 1
    keep : which of similar rows is kept, one of `KEEP_RULES`
    overwrite : whether an output of this kind may be replaced
    memory_limit : peak bytes of the process, or None
    """

    threshold: float = 0.95
    keep: str = "first"
    overwrite: bool = False
    memory_limit: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", real_number("threshold", self.threshold))
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold={self.threshold:g}; give a number above 0 and at most 1.")
        if self.keep not in KEEP_RULES:
            raise ValueError(f"keep={self.keep!r}; use {', '.join(map(repr, KEEP_RULES))}.")


def dedup(
    source: PathLike | Grouping,
    output: PathLike,
    options: DedupOptions | None = None,
    message: Callable[[str], None] | None = None,
    show: ShowStage | None = None,
) -> DedupResult:
    """Write which rows are kept. The same call resumes a stopped run.

    Parameters
    ----------
    source : path or URL of a partition, or a Grouping of data by a model
    output : path of a .npy or .parquet file, or of a Zarr array
    options : DedupOptions
    message, show : as for `StagedOutput`

    Raises
    ------
    DataError
        If there is no partition at the path, the data have other features than the model, or the
        output has another suffix.
    OutputExistsError
        Before any read, if the output may not be written.
    MemoryLimitError
        If the smallest batch does not fit the limit.
    """
    asked = options or DedupOptions()
    form = label_format(output)
    if form is not None and form.suffix not in _SUFFIXES:
        raise DataError(
            f"a mask is not written to {form.suffix} files; use .npy, .parquet or a Zarr array."
        )
    target: Store | LabelFile = Store(output, KEEP, asked.overwrite)
    if form is not None:
        target = LabelFile(output, form.suffixes, asked.overwrite)
    check_outputs([target], _inputs(source))
    groups: Grouped = (
        SortedGroups(source)
        if isinstance(source, Grouping)
        else StoredGroups(open_partition(source))
    )
    work = _Deduplication(groups, asked, _tile(groups.rows.layout, asked.memory_limit), form)
    found = work.run(local(output), message, show)
    if form is not None:
        return DedupResult(found.rows, found.kept, form.open(local(output)))
    import zarr

    return DedupResult(found.rows, found.kept, zarr.open_array(local(output), mode="r"))


def _inputs(source: PathLike | Grouping) -> list[Any]:
    if isinstance(source, Grouping):
        return [source.path, source.data.data, source.data.mask]
    return [source]


def _tile(layout: Layout, memory_limit: int | None) -> int:
    """Return how many rows of a cluster a task holds, with their unit vectors."""
    budget = Budget(memory_limit, threads(), machine=memory_without_limit()).of(layout)
    most = max(_LEAST_NBYTES, min(BLOCK_NBYTES, budget.block_nbytes()))
    budget.check(most, threads())
    return max(1, most // (layout.n_features * (layout.dtype.itemsize + 4)))


def batches_of(offsets: npt.NDArray[np.int64], most: int) -> list[Batch]:
    """Return consecutive clusters of at most so many rows, or a single larger one.

    Examples
    --------
    >>> [(each.first, each.last) for each in batches_of(np.array([0, 2, 4, 9, 10]), 4)]
    [(0, 2), (2, 3), (3, 4)]
    """
    found, first = list[Batch](), 0
    while first < len(offsets) - 1:
        last = int(np.searchsorted(offsets, int(offsets[first]) + most, side="right")) - 1
        found.append(Batch(len(found), first, max(first + 1, last)))
        first = found[-1].last
    return found


@dataclass(frozen=True)
class _Deduplication:
    groups: Grouped
    options: DedupOptions
    tile: int
    form: LabelFormat | None

    def run(
        self, target: Path, message: Callable[[str], None] | None, show: ShowStage | None
    ) -> Kept:
        asked = {
            "threshold": self.options.threshold,
            "keep": self.options.keep,
            "rows of a batch": self.tile,
            **self.groups.asked,
        }
        staged = StagedOutput(
            target,
            self.options.overwrite,
            _WRITTEN,
            self.groups.rows,
            record_of("deduplication", self.groups.rows, asked),
            self.form is not None,
            message,
            show,
        )

        def finish(folder: Path) -> None:
            if self.form is not None:
                whole = WholeLabels.of(self._mask(folder), {}, {}, column="keep")
                self.form.write(whole, folder / target.name)

        sort = [self._marked(make) for make in self.groups.stages]
        *_, found, _ = staged.write([*sort, self._compare, self._mark], finish)
        assert isinstance(found, Kept)
        return found

    def _marked(self, make: MakeStage) -> MakeStage:
        """Return a stage before which the mask is created, so that its folder is recognised."""

        def marked(folder: Path, done: Statistics) -> Stage:
            self._mask(folder)
            return make(folder, done)

        return marked

    @property
    def _plan(self) -> BlockPlan:
        shape = self.groups.row_shape
        return plan_blocks(shape, (1,) * len(shape), 1, _MASK_NBYTES)

    def _compare(self, folder: Path, done: Statistics) -> Stage:
        self._mask(folder)
        opened, rule = self.groups.opened(folder, done), self.options
        call = KeepFirst(opened, rule.threshold, rule.keep, self.tile, str(folder / RUNS))
        return Stage("compare", call, Listed(batches_of(opened.offsets, self.tile)))

    def _mark(self, folder: Path, done: Statistics) -> Stage:
        n_batches = len(batches_of(self.groups.opened(folder, done).offsets, self.tile))
        call = MarkKept(str(folder / RUNS), n_batches, self._plan, self._mask(folder))
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
        mask.attrs.put(
            {"kind": KEEP, "threshold": self.options.threshold, "keep": self.options.keep}
        )
        return mask
