"""Seeding of very many clusters on two levels: a search within each of some groups. Two reads.

A search of s rows for k clusters takes O(s k d) operations for each of its steps. Here, the rows of
a sample are divided into about sqrt(k) groups, and each group is searched for its share of the
centroids, which takes O(s sqrt(k) d). The sample is that of a coreset.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array
from streamkm.checkpointable import Checkpointable
from streamkm.engine import in_threads, threads
from streamkm.in_memory.monitor import current_monitor
from streamkm.in_memory.points import in_pieces
from streamkm.in_memory.shares import shares
from streamkm.kernels import Centroids, one_blas_thread
from streamkm.passes import Distinct, Sampled
from streamkm.rows import Block, read_only
from streamkm.seeding.base import Seeding, exactly_k
from streamkm.seeding.coreset import Coreset
from streamkm.seeding.random_rows import RandomRows
from streamkm.seeding.registry import register
from streamkm.seeding.sample_search import (
    DrawnSample,
    MemorySearch,
    SampleSearch,
    best_centroids,
    distinct_rows,
)

Counts = npt.NDArray[np.int64]
# Rows of the sample for each cluster; float32 rows take half of the memory, so there are twice as
# many of them.
_LEAST, _ENOUGH = 2, 32
_GROUPED = 512  # rows for each group from which the groups are found, at most
_AT_ONCE = 4  # groups of a step for each thread


@register(
    "two-level",
    summary="the sample of `coreset`, of fewer rows, in about √k groups, each of which is searched "
    "for its share of the centroids",
    reads=lambda k: 2,
    least_sample=lambda k: _LEAST * k,
    enough_sample=lambda k: _ENOUGH * k,
    reading_tol=1e-3,
)
@dataclass(frozen=True)
class TwoLevel(Coreset):
    """Draw the sample of a coreset, divide it into groups, and search each for centroids."""

    @classmethod
    def rows_needed(cls, k: int) -> int:
        return _LEAST * k

    def few_rows(self, rows: Float64Array, complete: bool) -> Seeding | Float64Array:
        return super().few_rows(rows, complete) if complete else RandomRows(self.k, self.seed)

    def search_of(self, sample: Sampled) -> MemorySearch:
        return TwoLevelSearch.begin(sample, self.k, self.seed, self.n_rows)


@dataclass(frozen=True)
class Groups(Checkpointable):
    """The rows of a sample by group.

    Parameters
    ----------
    rows : ndarray of shape (m,), int64
        Numbers of the rows of the sample, sorted by group.
    offsets : ndarray of shape (g + 1,), int64
        Group i has the rows offsets[i] to offsets[i + 1].
    clusters : ndarray of shape (g,), int64
        Number of its centroids.
    """

    rows: Counts
    offsets: Counts
    clusters: Counts

    def of(self, group: int, sample: Sampled) -> Sampled:
        """Return the rows of a group."""
        own = self.rows[self.offsets[group] : self.offsets[group + 1]]
        names = ("keys", "rates", "weights", "numbers", "values")
        return replace(sample, **{name: getattr(sample, name)[own] for name in names})


@dataclass(frozen=True)
class TwoLevelSearch(MemorySearch):
    """State of a search on two levels.

    Parameters
    ----------
    sample : Sampled
    k : int
        Number of centroids.
    seed : int
        Unsigned 64-bit key of the draws.
    n_rows : int
        Rows of the data that are read afterwards, or 0.
    upper : SampleSearch or ndarray of shape (g, d)
        Search for the centroids of the groups, or these, once found.
    groups : Groups, optional
    found : tuple of ndarray
        Centroids of the first groups, (k_i, d) each.
    """

    sample: Sampled
    k: int
    seed: int
    n_rows: int
    upper: SampleSearch | Float64Array
    groups: Groups | None = None
    found: tuple[Float64Array, ...] = ()

    @classmethod
    def begin(cls, sample: Sampled, k: int, seed: int, n_rows: int) -> TwoLevelSearch:
        """Return the first state, for a sample of more than k distinct rows."""
        n_groups = max(1, round(math.sqrt(k)))
        some = sample.lowest(_GROUPED * n_groups)
        few = distinct_rows(some, n_groups)
        drawn = DrawnSample(some, n_groups)
        upper = SampleSearch(drawn, seed, len(sample.keys)) if few is None else few
        return cls(sample, k, seed, n_rows, upper)

    @property
    def working(self) -> str:
        if self.groups is not None:
            return f"group {len(self.found) + 1:,} of {len(self.groups.clusters):,}"
        inner = self.upper.working if isinstance(self.upper, SampleSearch) else ""
        return f"groups: {inner}" if inner else "groups"

    def advance(self) -> TwoLevelSearch | Float64Array:
        if isinstance(self.upper, SampleSearch):
            return replace(self, upper=self.upper.advance())
        if self.groups is None:
            return replace(self, groups=grouped(self.sample, self.upper, self.k))
        found = (*self.found, *self._next_groups(self.groups))
        if len(found) < len(self.groups.clusters):
            return replace(self, found=found)
        return exactly_k(np.concatenate(found), self.k)

    def _next_groups(self, groups: Groups) -> list[Float64Array]:
        """Return the centroids of the next groups, each searched by a thread."""
        first, monitor = len(self.found), current_monitor()
        late = monitor.out_of_time()
        count = len(groups.clusters) - first
        if not late:
            count = min(count, _AT_ONCE * threads())

        def search(number: int) -> Float64Array:
            return self._group(groups, first + number, late)

        found = []
        with one_blas_thread():
            for centroids in in_threads(search, count):
                found.append(centroids)
                done = (first + len(found)) / len(groups.clusters)
                monitor.report(f"group {first + len(found):,} of {len(groups.clusters):,}", done)
        return found

    def _group(self, groups: Groups, group: int, late: bool) -> Float64Array:
        """Return the centroids of a group; its first rows, once a time limit has passed."""
        k, own = int(groups.clusters[group]), groups.of(group, self.sample)
        if k == 0:
            return np.empty((0, self.sample.values.shape[1]))
        if late:  # rows of a sample are in random order
            distinct = np.sort(np.unique(own.values, axis=0, return_index=True)[1])[:k]
            return own.values[distinct].astype(np.float64)
        n_rows = round(self.n_rows * len(own.keys) / len(self.sample.keys))
        return best_centroids(own, k, self.seed ^ (group + 1), n_rows)


def grouped(sample: Sampled, centroids: Float64Array, k: int) -> Groups:
    """Divide a sample by the nearest centroid, and the k clusters among the groups.

    A group with the loss J about its centroid has a loss of about J k_i^(-2/p) about k_i centroids,
    where p is the number of dimensions that the rows occupy. The sum is least for k_i in proportion
    to J^(p / (p + 2)) (Zador, IEEE Trans. Inf. Theory 28, 1982). p follows from the loss of the
    groups compared with that about the mean of all rows.

    Parameters
    ----------
    sample : Sampled
        More than k distinct rows.
    centroids : ndarray of shape (g, d)
    k : int
    """
    labels, d2 = nearest_in_pieces(sample.values, centroids)
    weights = sample.estimates
    weights = weights / weights.max()
    n_groups = len(centroids)
    losses = np.bincount(labels, weights * d2, minlength=n_groups)
    masses = np.bincount(labels, weights, minlength=n_groups)
    between = masses @ ((centroids - np.average(centroids, 0, masses)) ** 2).sum(axis=1)
    rows = np.argsort(labels, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(labels, minlength=n_groups))])
    groups = Groups(rows, offsets, np.zeros(n_groups, np.int64))
    distinct = np.array([_n_distinct(groups.of(i, sample).values) for i in range(n_groups)])
    power = _power(n_groups, float(losses.sum()), float(between))
    rates: Float64Array = np.power(losses, power)
    return replace(groups, clusters=shares(k, rates, distinct))


def _power(n_groups: int, within: float, between: float) -> float:
    """Return p / (p + 2), from the losses within and between the groups."""
    if n_groups == 1 or not within > 0:
        return 1.0
    return math.log(n_groups) / math.log(n_groups * (1 + between / within))


def nearest_in_pieces(values: AnyArray, centroids: Float64Array) -> tuple[Any, Float64Array]:
    """Return labels and squared distances, each (m,), computed by threads."""
    ready = Centroids(centroids, values.dtype)
    labels, d2 = np.empty(len(values), np.int32), np.empty(len(values))

    def fill(piece: slice) -> None:
        labels[piece], d2[piece] = ready.nearest(read_only(np.ascontiguousarray(values[piece])))

    with one_blas_thread():
        in_pieces(fill, len(values))
    return labels, d2


def _n_distinct(values: AnyArray) -> int:
    return len(Distinct(len(values))(Block.from_values(values)).weights) if len(values) else 0
