"""Seeding of very many clusters on two levels: a search within each of some groups. Two reads.

A search of s rows for k clusters takes O(s k d) operations for each of its steps. Here, the rows of
a sample are divided into about sqrt(k) groups, and each group is searched for a quarter more than
its share of the centroids, which takes O(s sqrt(k) d). The surplus is merged across the groups, so
that their shares need not be right. The sample is that of a coreset.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.engine import in_threads, threads
from streamkm.in_memory.monitor import current_monitor
from streamkm.kernels import one_blas_thread
from streamkm.passes import Sampled
from streamkm.seeding.base import Seeding, exactly_k
from streamkm.seeding.coreset import Coreset
from streamkm.seeding.random_rows import RandomRows
from streamkm.seeding.registry import register
from streamkm.seeding.sample_groups import Groups, grouped
from streamkm.seeding.sample_search import (
    DrawnSample,
    MemorySearch,
    SampleSearch,
    best_centroids,
    distinct_rows,
)
from streamkm.seeding.surplus import without_surplus

# Rows of the sample for each cluster; float32 rows take half of the memory, so there are twice as
# many of them.
_LEAST, _ENOUGH = 2, 32
_GROUPED = 512  # rows for each group from which the groups are found, at most
_AT_ONCE = 4  # groups of a step for each thread


@register(
    "two-level",
    summary="the sample of `coreset`, of fewer rows, in about √k groups, each of which is searched "
    "for a quarter more than its share of the centroids; the closest are merged",
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
        assert isinstance(self.upper, np.ndarray)
        left = without_surplus(found, self.groups, self.sample, self.upper, self.k)
        return exactly_k(left, self.k)

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
        k, own = int(groups.searched[group]), groups.of(group, self.sample)
        if k == 0:
            return np.empty((0, self.sample.values.shape[1]))
        if late:  # rows of a sample are in random order
            k = int(groups.clusters[group])
            distinct = np.sort(np.unique(own.values, axis=0, return_index=True)[1])[:k]
            return own.values[distinct].astype(np.float64)
        n_rows = round(self.n_rows * len(own.keys) / len(self.sample.keys))
        return best_centroids(own, k, self.seed ^ (group + 1), n_rows)
