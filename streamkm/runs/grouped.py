"""Rows grouped by cluster, of which deduplication reads: a partition, or data and a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from streamkm.models.model import Model
from streamkm.outputs.partition_formats import NUMBERS, ROWS
from streamkm.outputs.partitions import Partition
from streamkm.rows import Rows, open_rows
from streamkm.runs.merging import MergedArray
from streamkm.runs.options import DataOptions
from streamkm.runs.predict import open_for
from streamkm.runs.sorting import Sorting
from streamkm.runs.staged import Stage, Statistics

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
        return self._sorting.compared

    @property
    def stages(self) -> Sequence[MakeStage]:
        return (lambda folder, done: self._sorting.stage(folder),)

    def opened(self, folder: Path, done: Statistics) -> Partition:
        runs = self._sorting.merged(folder, done[0])
        arrays = MergedArray(runs, ROWS), MergedArray(runs, NUMBERS)
        return Partition(str(folder), *arrays, None, runs.offsets, self.row_shape)

    @property
    def _sorting(self) -> Sorting:
        return Sorting.by_model(self.rows, self.given.model)
