"""Seeding on a coreset: a weighted sample, on which the search for centroids is free. 2 reads.

The first read draws a pilot by plain chance, of which a rough solution is made. The second draws
rows by their sensitivity about that solution, so that every row that could matter much to some
centroids, such as those of a tiny far cluster, is there (Bachem, Lucic and Krause, "Practical
coreset constructions", 2017). Sampling errors fall as 1 / sqrt(m).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np

from streamkm.passes import Distinct, Sampled, SampleSensitive, SampleUniform
from streamkm.rows import Block
from streamkm.seeding.base import Array, Seeding, exactly_k
from streamkm.seeding.search import Points, in_memory, lloyd, search, start

_PILOT = 4096
_PILOT_A_CLUSTER = 64
_SEARCHED_A_CLUSTER = 64
_FEW = 16384
_FEW_A_CLUSTER = 128
_DROP = 1e-5
_STEP = 2e9  # multiplications of a step of the search: a fraction of a second
_CERTAIN = 64.0  # threshold at which no row of rate one is left out


def least_sample(k: int) -> int:
    """Rows without which no sample is worth searching."""
    return max(_PILOT, _SEARCHED_A_CLUSTER * k)


@dataclass(frozen=True)
class Rough:
    """A rough solution, and the rates that follow from it."""

    centroids: Array
    scale: float
    base: Array


@dataclass(frozen=True)
class Coreset(Seeding):
    """Pilot, sensitivity sample, search.

    Parameters
    ----------
    n_rows : int, of the data
    most : int, rows of the sample
    threshold : float, of the pilot
    rough : Rough, once the pilot is there
    """

    n_rows: int
    most: int
    threshold: float
    rough: Rough | None = None

    @classmethod
    def begin(cls, k: int, seed: int, n_rows: int, most: int) -> Coreset:
        most = max(most, least_sample(k))
        share = max(_PILOT, _PILOT_A_CLUSTER * k) / n_rows
        return cls(k, seed, n_rows, most, np.inf if share >= 1 else -float(np.log1p(-share)))

    def ask(self) -> SampleUniform | SampleSensitive:
        if self.rough is None:
            return SampleUniform(self.most, self.threshold, self.seed, 0)
        rates = self.rough.centroids, self.rough.scale, self.rough.base
        threshold = np.inf if self.n_rows <= self.most else float(self.most)  # rates sum to one
        return SampleSensitive(self.most, threshold, self.seed, 1, *rates)

    def tell(self, sample: Sampled) -> Coreset | Array:
        if self.rough is not None:
            return self._centroids(sample)
        if len(sample.keys) < min(_PILOT, self.k) and self.threshold < _CERTAIN:
            # Few rows have weight: more of them.
            threshold = self.threshold * _PILOT / max(1, len(sample.keys))
            return replace(self, threshold=threshold if threshold < _CERTAIN else np.inf)
        return replace(self, rough=_rough(sample, self.k, self.seed))

    def _centroids(self, sample: Sampled) -> Array:
        few = _distinct(sample, self.k)
        if few is not None:
            return exactly_k(few, self.k)
        step = _STEP / (self.k * sample.values.shape[1])
        searched = sample.lowest(int(max(_SEARCHED_A_CLUSTER * self.k, step)))
        start = searched.lowest(max(_FEW, _FEW_A_CLUSTER * self.k))
        with _points(start) as first, _points(searched) as points:
            centroids = search(points, self.k, self.seed, first)
        if searched is sample:
            return centroids
        with _points(sample) as points:
            return lloyd(points, centroids, _DROP)[0]


def _points(sample: Sampled) -> AbstractContextManager[Points]:
    return in_memory(sample.values, sample.estimates)


def _distinct(sample: Sampled, k: int) -> Array | None:
    """The distinct rows, where there are k at most."""
    table = Distinct(k)(Block.of(sample.values))
    return table.values.astype(np.float64) if table.complete else None


def _rough(pilot: Sampled, k: int, seed: int) -> Rough:
    """A solution of the pilot, and rates that sum to about one over all rows.

    A third for the squared distance to the solution, a third for the cell's share of the loss, and
    a third for the cells alike.
    """
    with _points(pilot) as points:
        few = _distinct(pilot, k)
        centroids = start(points, k, seed) if few is None else few
        labels, d2, _ = points.two_nearest(centroids)
        counts = np.bincount(labels, points.weights, minlength=len(centroids))
        losses = np.bincount(labels, points.weights * d2, minlength=len(centroids))
    occupied = counts > 0
    centroids, counts, losses = centroids[occupied], counts[occupied], losses[occupied]
    base = 1 / (len(centroids) * counts)
    total = float(losses.sum())
    if not total > 0:
        return Rough(centroids, 1.0, base)
    return Rough(centroids, 1 / (3 * total), (losses / (total * counts) + base) / 3)
