"""Search of a weighted sample for centroids, as states between which a fit can be saved.

A part of the sample, projected on its leading directions, is searched first. Lloyd's steps on all
features of the whole sample follow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.checkpointable import Checkpointable
from streamkm.in_memory.descent import Descent, cost_of_step, for_a_while
from streamkm.in_memory.points import Points, Weighted, in_memory
from streamkm.in_memory.search import Search, all_steps
from streamkm.in_memory.subspace import DIRECTIONS, Subspace
from streamkm.passes import Distinct, Sampled
from streamkm.rows import Block
from streamkm.seeding.base import exactly_k

SEARCH_LEAST = 64  # rows searched per cluster, at least
SEARCHED = 16384  # rows searched in all, at least
_SEARCH_MOST = 512  # rows searched per cluster, at most
_STEP = 4e9  # multiplications of a step of the search, unless the rows become too few
_STARTS, _STARTS_PER_CLUSTER = 8192, 128  # rows on which starts are compared
# Bounds of Lloyd's steps on the sample: multiplications, or the work of iterations over all rows.
_SETTLING, _ITERATIONS = 4e11, 2
# Relative decrease of the loss at which they end: the first number, or the product of the cost of a
# step in reads and the share of the loss by which the means of a sample differ from those of all
# rows, the clusters for each row, because a smaller gain is that of the sample alone; at most the
# second number [docs/seeding.md].
_SETTLED, _WORTH = 1e-5, 1e-2


@dataclass(frozen=True)
class DrawnSample(Checkpointable):
    """A sample that is searched, with the points of the search, which are made when needed.

    Parameters
    ----------
    sample : Sampled
    k : int
        Number of centroids.
    """

    sample: Sampled
    k: int

    @cached_property
    def space(self) -> Subspace:
        """The leading directions of the sample."""
        return subspace_of(self.sample)

    @cached_property
    def part(self) -> Points:
        """The projections of the part of the sample that is searched."""
        return self._projected(self._part)

    @cached_property
    def few(self) -> Points:
        """The projections on which starts are compared."""
        first = self._part.lowest(max(_STARTS, _STARTS_PER_CLUSTER * self.k))
        return self._projected(first)

    @cached_property
    def whole(self) -> Points:
        """All features of the whole sample."""
        return Weighted(self.sample.values, self.sample.estimates).points

    @property
    def _part(self) -> Sampled:
        affordable = _STEP / (self.k * min(self.sample.values.shape[1], DIRECTIONS))
        enough = max(SEARCHED, min(_SEARCH_MOST * self.k, int(affordable)))
        return self.sample.lowest(max(enough, SEARCH_LEAST * self.k))

    def _projected(self, part: Sampled) -> Points:
        return Weighted(self.space.project(part.values), part.estimates).points

    def __getstate__(self) -> dict[str, Any]:  # without the points, which can be made again
        return {"sample": self.sample, "k": self.k}


@dataclass(frozen=True)
class MemorySearch(Checkpointable, ABC):
    """State of a search in memory, between two of its steps."""

    @property
    @abstractmethod
    def working(self) -> str:
        """Description of the next step; empty before the first."""

    @abstractmethod
    def advance(self) -> MemorySearch | Float64Array:
        """Return the state after the steps of about a second, or the centroids (k, d)."""


@dataclass(frozen=True)
class SampleSearch(MemorySearch):
    """State of the search of a sample.

    Parameters
    ----------
    drawn : DrawnSample
    seed : int
        Unsigned 64-bit key of the draws.
    n_rows : int
        Rows of the data that are read afterwards, or 0. Lloyd's steps on the sample take at most
        about the work of two iterations over them, and leave the last decreases to reads.
    search : Search, optional
        Search on the leading directions of a part of the sample; None before and after it.
    settling : Descent, optional
        Lloyd's steps on all features of the sample, which follow.
    """

    drawn: DrawnSample
    seed: int
    n_rows: int
    search: Search | None = None
    settling: Descent | None = None

    @property
    def working(self) -> str:
        if self.settling is not None:
            return f"Lloyd step {self.settling.steps + 1} on the sample"
        return "" if self.search is None else self.search.step_name

    def advance(self) -> SampleSearch | Float64Array:
        if self.settling is not None:
            return self._settle(self.drawn.whole, self.settling)
        few, part, k = self.drawn.few, self.drawn.part, self.drawn.k
        search = self.search or Search.begin(part, k, self.seed)
        search = for_a_while(search, lambda state: state.step(few, part))
        if not search.done:
            return replace(self, search=search)
        start = self.drawn.space.lift(search.centroids(part))
        drawn = replace(self.drawn)  # without the points of the search
        work = _ITERATIONS * float(self.n_rows) * k * start.shape[1]
        n_sampled = len(drawn.sample.keys)
        cost = cost_of_step(n_sampled / self.n_rows, k) if self.n_rows else 0.0
        drop = max(_SETTLED, min(_WORTH, k / n_sampled) * cost)
        settling = Descent(drawn.whole.scaled(start), drop, max(_SETTLING, work))
        return replace(self, drawn=drawn, search=None, settling=settling)

    def _settle(self, points: Points, settling: Descent) -> SampleSearch | Float64Array:
        points.step = "Lloyd steps"
        points.stage("settling", min(settling.most, all_steps(points, self.drawn.k)))
        settling = for_a_while(settling, lambda state: state.step(points))
        if not settling.done:
            return replace(self, settling=settling)
        return points.unscaled(settling.centroids)


def best_centroids(sample: Sampled, k: int, seed: int, n_rows: int) -> Float64Array:
    """Return the centroids (k, d) of the lowest loss that a search of a sample finds.

    Parameters
    ----------
    sample : Sampled
    k : int
        Number of centroids.
    seed, n_rows : int
        As for `SampleSearch`.
    """
    few = distinct_rows(sample, k)
    if few is not None:
        return exactly_k(few, k)
    state: SampleSearch | Float64Array = SampleSearch(DrawnSample(sample, k), seed, n_rows)
    while isinstance(state, SampleSearch):
        state = state.advance()
    return state


def points_of(sample: Sampled, space: Subspace | None = None) -> AbstractContextManager[Points]:
    """Return the points of a sample, or of its projections."""
    values = space.project(sample.values) if space else sample.values
    return in_memory(values, sample.estimates)


def subspace_of(sample: Sampled) -> Subspace:
    """Return the leading directions of a sample."""
    with points_of(sample) as points:
        return Subspace(points)


def distinct_rows(sample: Sampled, k: int) -> Float64Array | None:
    """Return the distinct rows if there are at most k, else None."""
    table = Distinct(k)(Block.from_values(sample.values))
    return table.values.astype(np.float64) if table.complete else None
