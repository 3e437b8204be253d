"""Fits of the parts of a partition, each once and in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array
from streamkm.engine import map_reduce
from streamkm.fitting import with_scaling
from streamkm.passes import Counted, Losses, Spread
from streamkm.rows import Block, Rows, Scaling, rows_in_memory
from streamkm.runs.levels import LevelFit
from streamkm.runs.steps_on_disk import Arrays, StepsOnDisk

_TASK_NBYTES = 4 * 2**20  # rows of a task, unless a single part has more
_TASK_PARTS = 64  # maximum number of parts of a task
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Parts:
    """Consecutive parts that one task fits.

    Parameters
    ----------
    first : number of the first part
    offsets : tuple of int
        Part first + i has the rows offsets[i] to offsets[i + 1] of the partition.
    n_clusters : tuple of int, of each part
    """

    first: int
    offsets: tuple[int, ...]
    n_clusters: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"{self.first:09}"


@dataclass(frozen=True)
class FitParts:
    """Fit each of some parts, and write their clusters as a step.

    Parameters
    ----------
    rows, weights : zarr.Array of a partition; weights may be None
    scaling : Scaling of the rows, or None
    fit : LevelFit
    steps : StepsOnDisk
    every : int
        Of every so many rows of the partition one is written, for the share of routed rows.
    """

    rows: Any
    weights: Any
    scaling: Scaling | None
    fit: LevelFit
    steps: StepsOnDisk
    every: int

    def __call__(self, parts: Parts) -> Counted:
        self.steps.once(parts.name, lambda: self._fitted(parts))
        return Counted(rows=parts.offsets[-1] - parts.offsets[0])

    def _fitted(self, parts: Parts) -> Arrays:
        """The clusters of all parts: their part, centroid, weight and loss; and sampled rows."""
        start, stop = parts.offsets[0], parts.offsets[-1]
        values = np.asarray(self.rows[start:stop])
        weights = None if self.weights is None else np.asarray(self.weights[start:stop])
        found = []
        for number, k in enumerate(parts.n_clusters):
            own = slice(parts.offsets[number] - start, parts.offsets[number + 1] - start)
            part = parts.first + number
            some = None if weights is None else weights[own]
            found.append(self._part(values[own], some, k, part))
        sampled = values[(self.every // 2 - start) % self.every :: self.every]
        sampled = replace(Block.from_values(sampled), scaling=self.scaling).rows(slice(None))
        names = ("part", "centroids", "counts", "losses")
        columns = map(np.concatenate, zip(*found, strict=True))
        return {**dict(zip(names, columns, strict=True)), "sampled": sampled}

    def _part(
        self, values: AnyArray, weights: AnyArray | None, n_clusters: int, part: int
    ) -> tuple[Counts, Float64Array, Float64Array, Float64Array]:
        if weights is not None:
            values, weights = values[weights > 0], weights[weights > 0]
        rows: Rows = with_scaling(rows_in_memory(values, weights), self.scaling)
        few = n_clusters == 1 or len(values) < 2
        k = min(n_clusters, len(values) if few else len(np.unique(values, axis=0)))
        if k == 0:  # rows of weight zero only
            none = np.empty(0)
            return np.empty(0, np.int64), np.empty((0, rows.layout.n_features)), none, none
        centroids = self.fit.fit(rows, k, part)
        spread = map_reduce(Losses(centroids), rows)
        assert isinstance(spread, Spread)
        counts = spread.counts.astype(np.float64)
        return np.full(len(centroids), part), centroids, counts, spread.losses


def tasks_of(offsets: Counts, n_clusters: Counts, row_nbytes: int) -> list[Parts]:
    """Divide the parts that have rows into tasks of about equal size.

    Parameters
    ----------
    offsets : ndarray of shape (k + 1,), of the rows of each part
    n_clusters : ndarray of shape (k,), 0 for parts without rows
    row_nbytes : bytes of a row
    """
    tasks, first = list[Parts](), 0
    for stop in range(1, len(n_clusters) + 1):
        nbytes = int(offsets[stop] - offsets[first]) * row_nbytes
        last = stop == len(n_clusters)
        if not last and nbytes < _TASK_NBYTES and stop - first < _TASK_PARTS:
            continue
        if offsets[stop] > offsets[first]:
            own = tuple(offsets[first : stop + 1].tolist()), tuple(n_clusters[first:stop].tolist())
            tasks.append(Parts(first, *own))
        first = stop
    return tasks


def shares(total: int, sizes: Counts) -> Counts:
    """Divide a number of clusters among parts in proportion to their rows.

    Parameters
    ----------
    total : number of clusters; each part with rows gets at least one, and at most its rows
    sizes : ndarray of shape (k,), rows of each part

    Returns
    -------
    ndarray of shape (k,), int64

    Examples
    --------
    >>> shares(10, np.array([50, 0, 30, 1])).tolist()
    [6, 0, 3, 1]
    """
    least = np.minimum(sizes, 1)
    exact = total * sizes / max(int(sizes.sum()), 1)
    found = np.clip(np.floor(exact).astype(np.int64), least, sizes)
    missing = max(int(least.sum()), min(total, int(sizes.sum()))) - int(found.sum())
    step = 1 if missing > 0 else -1
    while missing:
        free = np.flatnonzero(found < sizes if step > 0 else found > least)
        order = free[np.argsort(step * (found - exact)[free], kind="stable")][: abs(missing)]
        found[order] += step
        missing -= step * len(order)
    return found
