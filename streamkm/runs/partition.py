"""Write rows grouped by cluster, in one read of the data."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.checkpoint import Record
from streamkm.engine import Listed, work_budget
from streamkm.errors import DataError
from streamkm.models.model import Model
from streamkm.outputs import PARTITION, ParquetFolder, Store, check_outputs, local
from streamkm.outputs.partition_formats import (
    ParquetPartition,
    PartitionFormat,
    PartitionLayout,
    ZarrPartition,
)
from streamkm.passes import Sizes
from streamkm.rows import StoredRows
from streamkm.rows.memory import BLOCK_NBYTES
from streamkm.runs.labels import record_of
from streamkm.runs.merging import MergeRuns, Span
from streamkm.runs.options import DataOptions
from streamkm.runs.output_progress import Written
from streamkm.runs.predict import open_for
from streamkm.runs.sorting import Sorting
from streamkm.runs.staged import ShowStage, Stage, StagedOutput, Statistics

FORMATS: dict[str, PartitionFormat] = {"zarr": ZarrPartition(), "parquet": ParquetPartition()}
PathLike = str | os.PathLike[str]
FORMAT = 1
_WRITTEN = Written(PARTITION, "partitions", "partitioning")


@dataclass(frozen=True)
class PartitionResult:
    """The result of partitioning.

    Parameters
    ----------
    sizes : ndarray of shape (k,), int64, rows of each cluster
    n_left_out : rows that are in no cluster
    """

    sizes: npt.NDArray[np.int64]
    n_left_out: int


def partition(
    model: Model,
    data: DataOptions,
    output: PathLike,
    format: str | None = None,
    overwrite: bool = False,
    message: Callable[[str], None] | None = None,
    show: ShowStage | None = None,
    source: Any = None,
) -> PartitionResult:
    """Group stored data by the clusters of a model. The same call resumes a stopped run.

    Parameters
    ----------
    model : Model
    data : DataOptions
        Their features, and by default their nodata values, are those of the model.
    output : path of the partition
    format : name in `FORMATS`, or None for that of the suffix
    overwrite : whether a partition at the path may be replaced
    message, show : as for `StagedOutput`
    source : path of the model, which the output must not overlap, or None

    Returns
    -------
    PartitionResult

    Raises
    ------
    DataError
        Before any read, if the data have other features than the model, or a package is missing.
    OutputExistsError
        Before any read, if the output may not be written.
    MemoryLimitError
        If a block does not fit the limit.
    """
    form = FORMATS[format_of(output, format)]
    kind = ParquetFolder if isinstance(form, ParquetPartition) else Store
    store = kind(output, PARTITION, overwrite)
    check_outputs([store], [source, data.data, data.mask, data.sample_weight])
    rows = open_for(model, data)
    form.check(rows.layout.names)
    writing = WritePartition(Sorting.by_model(rows, model), form, data.memory_limit)
    return writing.run(store, message, show)


def format_of(path: PathLike, format: str | None) -> str:
    """Return the name of the format of a partition.

    Examples
    --------
    >>> format_of("parts.parquet", None), format_of("parts", None)
    ('parquet', 'zarr')
    """
    if format is None:
        return "parquet" if Path(os.fspath(path)).suffix.lower() == ".parquet" else "zarr"
    if format not in FORMATS:
        raise DataError(f"there is no format {format!r}; use {' or '.join(sorted(FORMATS))}.")
    return format


@dataclass(frozen=True)
class WritePartition:
    """Group rows by labels in one read.

    The rows of each block are sorted and written to files beside the output, and these runs are
    merged. So the data are read once, and written and read once more in this form.

    Parameters
    ----------
    sorting : Sorting
    format : PartitionFormat
    memory_limit : peak bytes of the process, or None
    """

    sorting: Sorting
    format: PartitionFormat
    memory_limit: int | None = None

    def run(
        self,
        output: Store,
        message: Callable[[str], None] | None = None,
        show: ShowStage | None = None,
    ) -> PartitionResult:
        staged = StagedOutput(
            local(output.path),
            output.overwrite,
            _WRITTEN,
            self.sorting.rows,
            self.record,
            message=message,
            show=show,
        )
        sizes, _ = staged.write([self._sort, self._merge], self.format.finish)
        assert isinstance(sizes, Sizes)
        left_out = self.sorting.rows.layout.n_rows - int(sizes.counts.sum())
        return PartitionResult(sizes.counts, left_out)

    @cached_property
    def _most(self) -> int:
        """Bytes of rows that a task writes."""
        budget = work_budget(self.memory_limit, self.sorting.n_clusters)
        budget = budget.of(self.sorting.rows.layout)
        return min(BLOCK_NBYTES, max(2**20, budget.block_nbytes()))

    @property
    def record(self) -> Record | None:
        rows = self.sorting.rows
        if not isinstance(rows, StoredRows):
            return None
        asked = {
            **self.sorting.compared,
            "format": type(self.format).__name__,
            "bytes of a shard": self._most,
            "rows of weight zero": self.sorting.weightless,
        }
        return record_of("partition", rows, asked)

    def _sort(self, folder: Path, done: Statistics) -> Stage:
        self.format.begin(folder, self._marks)
        return self.sorting.stage(folder)

    def _merge(self, folder: Path, done: Statistics) -> Stage:
        rows, runs = self.sorting.rows, self.sorting.merged(folder, done[0])
        n, layout = int(runs.offsets[-1]), rows.layout
        weights = None if rows.weights is None else rows.weights.dtype
        beside = 8 + (0 if weights is None else weights.itemsize)
        row_nbytes = layout.n_features * layout.dtype.itemsize + beside
        step = self.format.step(row_nbytes, n, self._most)
        self.format.begin(folder, self._marks)
        dtype = self.sorting.dtype
        writer = self.format.create(
            folder,
            PartitionLayout(runs.offsets, layout.n_features, dtype, weights, layout.names, step),
        )
        starts = range(0, n, step)
        spans = [Span(at, start, min(start + step, n)) for at, start in enumerate(starts)]
        return Stage("merge", MergeRuns(runs, writer), Listed(spans))

    @property
    def _marks(self) -> dict[str, Any]:
        return {
            "kind": PARTITION,
            "format": FORMAT,
            "n_clusters": self.sorting.n_clusters,
            "row_shape": list(self.sorting.rows.layout.row_shape),
        }
