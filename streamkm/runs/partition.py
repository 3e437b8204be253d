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
from streamkm.engine import Listed, threads
from streamkm.errors import DataError
from streamkm.models.model import Model
from streamkm.outputs import PARTITION, ParquetFolder, Store, check_outputs, local
from streamkm.outputs.partition_formats import (
    ParquetPartition,
    PartitionFormat,
    PartitionLayout,
    ZarrPartition,
)
from streamkm.passes import NearestLabels, PerRow, Sizes, Tree, TreeLabels, label_dtype
from streamkm.rows import Budget, Rows, StoredRows
from streamkm.rows.memory import BLOCK_NBYTES
from streamkm.runs.labels import digest_of, record_of
from streamkm.runs.merging import MergedRuns, MergeRuns, Span
from streamkm.runs.options import DataOptions
from streamkm.runs.output_progress import Written
from streamkm.runs.predict import open_for
from streamkm.runs.sorted_runs import NUMBERS_KIND, SortBlock
from streamkm.runs.staged import RUNS, ShowStage, Stage, StagedOutput, Statistics

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
    k = len(model.centroids)
    writing = WritePartition(rows, clusters_of(model), k, form, data.memory_limit)
    return writing.run(store, message, show)


def clusters_of(model: Model) -> PerRow[Any]:
    """Return the pass that finds the clusters of rows."""
    dtype = label_dtype(len(model.centroids))
    if model.tree is not None:
        return TreeLabels(Tree(*model.tree), dtype)
    return NearestLabels(model.scaled_centroids, dtype)


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
    rows : Rows
    question : PerRow whose results are the labels 0 to n_clusters - 1
    n_clusters : int
    format : PartitionFormat
    memory_limit : peak bytes of the process, or None
    weightless : whether rows of weight zero are written
    """

    rows: Rows
    question: PerRow[Any]
    n_clusters: int
    format: PartitionFormat
    memory_limit: int | None = None
    weightless: bool = True

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
            self.rows,
            self.record,
            message=message,
            show=show,
        )
        sizes, _ = staged.write([self._sort, self._merge], self.format.finish)
        assert isinstance(sizes, Sizes)
        left_out = self.rows.layout.n_rows - int(sizes.counts.sum())
        return PartitionResult(sizes.counts, left_out)

    @cached_property
    def _most(self) -> int:
        """Bytes of rows that a task writes."""
        limit, k = self.memory_limit, self.n_clusters
        budget = Budget(limit, threads(), k, largest=k).of(self.rows.layout)
        return min(BLOCK_NBYTES, max(2**20, budget.block_nbytes()))

    @property
    def record(self) -> Record | None:
        rows = self.rows
        if not isinstance(rows, StoredRows):
            return None
        asked = {
            "labels": digest_of(self.question.comparable),
            "scaling": digest_of(rows.layout.scaling),
            "blocks": digest_of(rows.plan.edges),
            "format": type(self.format).__name__,
            "bytes of a shard": self._most,
            "rows of weight zero": self.weightless,
        }
        return record_of("partition", rows, asked)

    @property
    def _dtype(self) -> np.dtype[Any]:
        return self.rows.layout.dtype.newbyteorder("=")

    def _sort(self, folder: Path, done: Statistics) -> Stage:
        self.format.begin(folder, self._marks)
        call = SortBlock(
            self.question, self.n_clusters, str(folder / RUNS), self._dtype, self.weightless
        )
        return Stage("sort", call, self.rows)

    def _merge(self, folder: Path, done: Statistics) -> Stage:
        offsets = np.concatenate([[0], np.cumsum(done[0].counts)])
        n, layout = int(offsets[-1]), self.rows.layout
        weights = None if self.rows.weights is None else self.rows.weights.dtype
        beside = 8 + (0 if weights is None else weights.itemsize)
        row_nbytes = layout.n_features * layout.dtype.itemsize + beside
        step = self.format.step(row_nbytes, n, self._most)
        kinds = {"numbers": NUMBERS_KIND, "rows": (self._dtype, layout.n_features)}
        kinds |= {} if weights is None else {"weights": (weights, 0)}
        self.format.begin(folder, self._marks)
        writer = self.format.create(
            folder,
            PartitionLayout(offsets, layout.n_features, self._dtype, weights, layout.names, step),
        )
        runs = MergedRuns(str(folder / RUNS), self.rows.n_blocks, offsets, layout.n_rows, kinds)
        starts = range(0, n, step)
        spans = [Span(at, start, min(start + step, n)) for at, start in enumerate(starts)]
        return Stage("merge", MergeRuns(runs, writer), Listed(spans))

    @property
    def _marks(self) -> dict[str, Any]:
        return {
            "kind": PARTITION,
            "format": FORMAT,
            "n_clusters": self.n_clusters,
            "row_shape": list(self.rows.layout.row_shape),
        }
