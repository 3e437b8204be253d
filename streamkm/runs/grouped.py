"""Rows grouped by cluster, of which deduplication reads: a partition, or data and a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from streamkm.models.model import Model
from streamkm.outputs.partition_formats import NUMBERS, ROWS
from streamkm.outputs.partitions import Partition
from streamkm.rows import Rows, StoredRows, open_rows
from streamkm.runs.labels import digest_of
from streamkm.runs.merging import MergedArray, MergedRuns
from streamkm.runs.options import DataOptions
from streamkm.runs.partition import clusters_of
from streamkm.runs.predict import open_for
from streamkm.runs.sorted_runs import NUMBERS_KIND, SortBlock
from streamkm.runs.staged import RUNS, Stage, Statistics

MakeStage = Callable[[Path, Statistics], Stage]


@dataclass(frozen=True)
class Grouping:
    """Data that are to be grouped by the clusters of a model.

    Parameters
    ----------
    model : Model
    data : DataOptions
        Their features, and by default their nodata values, are those of the model.
    path : path of the model, which the output must not overlap, or None
    """

    model: Model
    data: DataOptions
    path: Any = None


class Grouped(Protocol):
    """Rows grouped by cluster."""

    @property
    def rows(self) -> Rows:
        """The rows that are read, in any order."""
        ...

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Extent of the data along each row axis."""
        ...

    @property
    def asked(self) -> Mapping[str, Any]:
        """Options that must be the same in a resumed run."""
        ...

    @property
    def stages(self) -> Sequence[MakeStage]:
        """Stages that group the rows."""
        ...

    def opened(self, folder: Path, done: Statistics) -> Partition:
        """Return the grouped rows, in the folder of the unfinished output, after the stages."""
        ...


@dataclass(frozen=True)
class StoredGroups:
    """Rows of a partition.

    Parameters
    ----------
    partition : Partition
    """

    partition: Partition

    stages = ()

    @cached_property
    def rows(self) -> Rows:
        return open_rows(self.partition.rows)

    @property
    def row_shape(self) -> tuple[int, ...]:
        return self.partition.row_shape

    @property
    def asked(self) -> Mapping[str, Any]:
        return {}

    def opened(self, folder: Path, done: Statistics) -> Partition:
        return self.partition


@dataclass(frozen=True)
class SortedGroups:
    """Rows of data, which become sorted runs in one read; the runs are merged where they are read.

    Parameters
    ----------
    given : Grouping
    """

    given: Grouping

    @cached_property
    def rows(self) -> Rows:
        return open_for(self.given.model, self.given.data)

    @property
    def row_shape(self) -> tuple[int, ...]:
        return tuple(self.rows.layout.row_shape)

    @property
    def asked(self) -> Mapping[str, Any]:
        layout = self.rows.layout
        edges = self.rows.plan.edges if isinstance(self.rows, StoredRows) else None
        return {
            "labels": digest_of(clusters_of(self.given.model).comparable),
            "scaling": digest_of(layout.scaling),
            "blocks": digest_of(edges),
        }

    @property
    def stages(self) -> Sequence[MakeStage]:
        return (self._sort,)

    def _sort(self, folder: Path, done: Statistics) -> Stage:
        model = self.given.model
        call = SortBlock(clusters_of(model), len(model.centroids), str(folder / RUNS), self._dtype)
        return Stage("sort", call, self.rows)

    @property
    def _dtype(self) -> np.dtype[Any]:
        return self.rows.layout.dtype.newbyteorder("=")

    def opened(self, folder: Path, done: Statistics) -> Partition:
        layout = self.rows.layout
        offsets = np.concatenate([[0], np.cumsum(done[0].counts)])
        kinds = {NUMBERS: NUMBERS_KIND, ROWS: (self._dtype, layout.n_features)}
        runs = MergedRuns(str(folder / RUNS), self.rows.n_blocks, offsets, layout.n_rows, kinds)
        arrays = MergedArray(runs, ROWS), MergedArray(runs, NUMBERS)
        return Partition(str(folder), *arrays, None, offsets, self.row_shape)
