"""Passes with a result for every row: labels and distances."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic

import numpy as np

from streamkm.arrays import AnyArray, Float64Array
from streamkm.checkpointable import Checkpointable
from streamkm.kernels import RowTable, squared_distances
from streamkm.passes.base import S
from streamkm.passes.census import Counted
from streamkm.passes.distinct import Table
from streamkm.passes.lloyd import Assigned, Lloyd, refuse_bad
from streamkm.rows import Block


class PerRow(Checkpointable, ABC, Generic[S]):
    """A pass that also returns a result for each row.

    `dtype` is the dtype of the results, `width` the number of results for each row, or None for a
    single one.
    """

    dtype: np.dtype[Any]

    @property
    def width(self) -> int | None:
        return None

    @property
    def fill(self) -> Any:
        """Result for rows that are left out: NaN, or a value that is not a label."""
        kind = self.dtype.kind
        return np.nan if kind == "f" else no_label(self.dtype)

    @property
    def comparable(self) -> PerRow[Any]:
        """An equivalent pass whose fields a checkpoint can store and compare."""
        return self

    @abstractmethod
    def identity(self) -> S:
        """The statistic of no rows."""

    @abstractmethod
    def __call__(self, block: Block) -> tuple[AnyArray, S]:
        """Return the results (n,) or (n, width), and the statistic of the same rows."""

    def statistic_nbytes(self, n_features: int) -> int:
        """Bytes of the statistic of all rows, if it grows with the number of clusters, or 0."""
        return 0


@dataclass(frozen=True)
class Labels(PerRow[Assigned]):
    """Find the nearest centroid of every row, and the statistic of Lloyd's step."""

    centroids: Float64Array
    dtype: np.dtype[Any]

    def identity(self) -> Assigned:
        return self._step.identity()

    def __call__(self, block: Block) -> tuple[AnyArray, Assigned]:
        labels = np.empty(block.n_rows, self.dtype)
        return labels, self._step.assign(block, labels)

    def statistic_nbytes(self, n_features: int) -> int:
        return self.centroids.nbytes

    @cached_property
    def _step(self) -> Lloyd:
        return Lloyd(self.centroids)


@dataclass(frozen=True)
class LookedUp(PerRow[Counted]):
    """Look labels up in a table of rows; compute the labels of rows that are not in the table.

    Parameters
    ----------
    table : RowTable
    labels : ndarray of shape (m,), labels of the rows of the table
    question : the pass that computes labels
    """

    table: RowTable
    labels: AnyArray
    question: PerRow[Any]

    @classmethod
    def from_table(cls, table: Table, question: PerRow[Any]) -> LookedUp:
        rows = table.rows()
        labels, _ = question(Block.from_values(rows.values))
        return cls(rows, labels, question)

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return self.labels.dtype

    @property
    def comparable(self) -> PerRow[Any]:
        return self.question.comparable

    def identity(self) -> Counted:
        return Counted()

    def __call__(self, block: Block) -> tuple[AnyArray, Counted]:
        out = np.empty(block.n_rows, self.dtype)
        unknown = np.zeros(block.n_rows, bool)
        for tile in block.tiles():
            places = self.table.find(tile.x)
            part = slice(tile.start, tile.start + len(places))
            out[part], unknown[part] = self.labels[places], places < 0
        if unknown.any():
            out[unknown], _ = self.question(block.where(unknown))
        return out, Counted(rows=block.n_rows)


@dataclass(frozen=True)
class LabelsFromOne(PerRow[S]):
    """Labels 1 to k, and 0 for rows that are left out, as OME-Zarr numbers them.

    Parameters
    ----------
    labels : pass whose labels are 0 to k - 1, of a dtype that holds k
    """

    labels: PerRow[S]

    @property
    def dtype(self) -> np.dtype[Any]:  # type: ignore[override]
        return self.labels.dtype

    @property
    def fill(self) -> int:
        return 0

    @property
    def comparable(self) -> PerRow[Any]:
        return LabelsFromOne(self.labels.comparable)

    def identity(self) -> S:
        return self.labels.identity()

    def statistic_nbytes(self, n_features: int) -> int:
        return self.labels.statistic_nbytes(n_features)

    def __call__(self, block: Block) -> tuple[AnyArray, S]:
        labels, statistic = self.labels(block)
        return labels + labels.dtype.type(1), statistic


@dataclass(frozen=True)
class Distances(PerRow[Counted]):
    """Compute the Euclidean distances (n, k) of every row to every centroid."""

    centroids: Float64Array
    dtype: np.dtype[Any]

    @property
    def width(self) -> int:
        return len(self.centroids)

    def identity(self) -> Counted:
        return Counted()

    def __call__(self, block: Block) -> tuple[AnyArray, Counted]:
        out = np.empty((block.n_rows, self.width), self.dtype)
        for tile in block.tiles():
            part = squared_distances(tile.x, self.centroids)
            refuse_bad(block, tile.start, part[:, 0])
            out[tile.start : tile.start + len(part)] = np.sqrt(part)
        return out, Counted(rows=block.n_rows)


def label_dtype(n_clusters: int, spare: bool = False) -> np.dtype[Any]:
    """Return the smallest unsigned dtype for the labels 0 .. n_clusters - 1 and `no_label`."""
    return np.min_scalar_type(n_clusters - 1 + spare)


def no_label(dtype: np.dtype[Any]) -> int:
    """Return the label of rows left out: the largest value of an unsigned dtype, else -1."""
    return int(np.iinfo(dtype).max) if dtype.kind == "u" else -1
