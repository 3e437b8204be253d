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

from streamkm.arrays import Float64Array, Int32Array
from streamkm.in_memory.points import Points, in_memory
from streamkm.in_memory.search import search, settle, start
from streamkm.kernels import Centroids
from streamkm.passes import Distinct, Sampled, SampleSensitive, SampleUniform, threshold_of
from streamkm.rows import Block, read_only
from streamkm.seeding.base import Seeding, exactly_k

_PILOT = 4096
_PILOT_A_CLUSTER = 64
_SEARCHED_A_CLUSTER = 64
_FEW = 16384
_FEW_A_CLUSTER = 128
_ASTRAY = 4  # times as many rows passed as were meant to
_DRAWS = 2
_NOTHING = 1e-9
_STEP = 2e9  # multiplications of a step of the search: a fraction of a second
_CERTAIN = 64.0  # threshold at which no row of rate one is left out


def least_sample(k: int) -> int:
    """Rows without which no sample is worth searching."""
    return max(_PILOT, _SEARCHED_A_CLUSTER * k)


@dataclass(frozen=True)
class Rough:
    """A rough solution, and the rates that follow from it: scale * |x - c|**2 + base[c]."""

    centroids: Float64Array
    scale: float
    base: Float64Array


@dataclass(frozen=True)
class Coreset(Seeding):
    """Pilot, sensitivity sample, search.

    Parameters
    ----------
    n_rows : int, of the data
    most : int, rows of the sample
    threshold : float, of the pilot
    rough : Rough, once the pilot is there
    drawn : int, sensitivity samples so far
    """

    n_rows: int
    most: int
    threshold: float
    rough: Rough | None = None
    drawn: int = 0

    @classmethod
    def begin(cls, k: int, seed: int, n_rows: int, most: int) -> Coreset:
        most = max(most, least_sample(k))
        share = max(_PILOT, _PILOT_A_CLUSTER * k) / n_rows
        return cls(k, seed, n_rows, most, threshold_of(share))

    def of(self, n_rows: int) -> Coreset:
        return self.begin(self.k, self.seed, n_rows, self.most)

    def ask(self) -> SampleUniform | SampleSensitive:
        if self.rough is None:
            return SampleUniform(self.most, self.threshold, self.seed, 0)
        rates = self.rough.centroids, self.rough.scale, self.rough.base
        return SampleSensitive(self.most, self._rated(), self.seed, 1 + self.drawn, *rates)

    def tell(self, sample: Sampled) -> Coreset | Float64Array:
        if self.rough is None:
            if len(sample.keys) < min(_PILOT, self.k) and self.threshold < _CERTAIN:
                # Few rows have weight: more of them.
                threshold = self.threshold * _PILOT / max(1, len(sample.keys))
                return replace(self, threshold=threshold if threshold < _CERTAIN else np.inf)
            return replace(self, rough=_rough(sample, self.k, self.seed))
        if sample.threshold < self._rated() / _ASTRAY and self.drawn < _DRAWS:
            # The pilot knew too little of the far rows, and they crowd out the others.
            rough = replace(self.rough, scale=_scale(sample, self.rough))
            return replace(self, rough=rough, drawn=self.drawn + 1)
        return self._centroids(sample)

    def _rated(self) -> float:
        """The threshold of the sensitivity sample, whose rates sum to about one."""
        return np.inf if self.n_rows <= self.most else float(self.most)

    def _centroids(self, sample: Sampled) -> Float64Array:
        few = _distinct(sample, self.k)
        if few is not None:
            return exactly_k(few, self.k)
        step = _STEP / (self.k * sample.values.shape[1])
        searched = sample.lowest(int(max(_SEARCHED_A_CLUSTER * self.k, step)))
        first = searched.lowest(max(_FEW, _FEW_A_CLUSTER * self.k))
        with _points(first) as starts, _points(searched) as points:
            centroids = search(points, self.k, self.seed, starts)
        if searched is sample:
            return centroids
        with _points(sample) as points:
            return settle(points, centroids)


def _points(sample: Sampled) -> AbstractContextManager[Points]:
    return in_memory(sample.values, sample.estimates)


def _distinct(sample: Sampled, k: int) -> Float64Array | None:
    """The distinct rows, where there are k at most."""
    table = Distinct(k)(Block.of(sample.values))
    return table.values.astype(np.float64) if table.complete else None


def _rough(pilot: Sampled, k: int, seed: int) -> Rough:
    """A solution of the pilot, and rates that sum to about one over all rows.

    A third for the squared distance to the solution, a third for the cell's share of the loss, and
    a third for the cells alike.
    """
    few = _distinct(pilot, k)
    if few is None:
        with _points(pilot) as points:
            few = start(points, k, seed)
    unit = float(pilot.estimates.max())  # weights may be of any size
    weights = pilot.estimates / unit
    labels, d2 = _nearest(pilot, few)
    counts = np.bincount(labels, weights, minlength=len(few))
    losses = np.bincount(labels, weights * d2, minlength=len(few))
    occupied = counts > 0
    centroids, counts, losses = few[occupied], counts[occupied], losses[occupied]
    base = 1 / (len(centroids) * counts)
    total = float(losses.sum())
    _, apart = _nearest(pilot, np.average(pilot.values, axis=0, weights=weights)[None])
    whole = float((weights * apart).sum())
    if not total > _NOTHING * whole:  # the pilot is all at the centroids: far rows count the more
        return Rough(centroids, 1 / whole / unit if whole > 0 else 1.0, base / unit)
    base = (losses / total / counts + base) / 3
    return Rough(centroids, 1 / (3 * total) / unit, base / unit)


def _scale(sample: Sampled, rough: Rough) -> float:
    """What makes the distances' rates sum to a third, by a sample that has the far rows."""
    _, d2 = _nearest(sample, rough.centroids)
    return 1 / (3 * float((sample.estimates * d2).sum()))


def _nearest(sample: Sampled, centroids: Float64Array) -> tuple[Int32Array, Float64Array]:
    values = read_only(np.ascontiguousarray(sample.values))
    return Centroids(centroids, values.dtype).nearest(values)
