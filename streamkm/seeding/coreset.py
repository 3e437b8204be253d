"""Seeding on a coreset: a weighted sample, which is searched for centroids in memory. Two reads.

The first read draws a pilot sample uniformly, and a rough solution is computed from it. The second
read draws rows by their sensitivity about that solution, so that the sample contains every row
with a large share in the loss of some centroids, such as the rows of a tiny distant cluster
(Bachem, Lucic and Krause, "Practical coreset constructions", 2017). Sampling errors fall as
1 / sqrt(m).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from streamkm.arrays import AnyArray, Float64Array, Int32Array
from streamkm.checkpointable import Checkpointable
from streamkm.in_memory.search import settle, split_start
from streamkm.kernels import Centroids
from streamkm.passes import Sampled, SampleSensitive, SampleUniform, threshold_of
from streamkm.rows import read_only
from streamkm.seeding.base import Seeding, Task, exactly_k
from streamkm.seeding.registry import register
from streamkm.seeding.sample_search import (
    SEARCH_LEAST,
    SEARCHED,
    DrawnSample,
    MemorySearch,
    SampleSearch,
    distinct_rows,
    points_of,
    subspace_of,
)

_PILOT = 4096  # rows of the pilot sample
_NEARLY_ALL = 1 - 1e-9  # largest share of the rows of a first pilot
_PILOT_CLUSTERS = 64  # most clusters of its solution, because it assigns all rows [docs/seeding.md]
_ROUGH = 1e-2  # relative decrease of the loss at which Lloyd's steps on the pilot end
# The sample is drawn again if it had to lower its threshold by more than this factor.
_OVERFULL = 4
_DRAWS = 2  # maximum number of further sensitivity samples
_NEGLIGIBLE = 1e-9  # share of the variance below which the pilot's loss counts as zero
_CERTAIN = 64.0  # threshold from which every row of rate one is drawn


def least_sample(k: int) -> int:
    """Return the minimum number of rows of a sample for k clusters."""
    return max(_PILOT, SEARCH_LEAST * k)


@dataclass(frozen=True)
class PilotSolution(Checkpointable):
    """A rough solution and the sampling rates it implies, scale * |x - c|**2 + base[c].

    Parameters
    ----------
    centroids : ndarray of shape (k, d), float64
    scale : float
        Rate of a unit of squared distance.
    base : ndarray of shape (k,), float64
        Rate of a row at each centroid.
    """

    centroids: Float64Array
    scale: float
    base: Float64Array


@register(
    "coreset",
    summary="a uniform pilot of 4,096 rows and a rough solution of it of up to 64 clusters; then a "
    "sample by sensitivity about that solution, of up to 64 MiB, which is searched in memory",
    reads=lambda k: 2,
    least_sample=least_sample,
    reading_tol=1e-3,  # the search has converged in memory already [docs/seeding.md]
)
@dataclass(frozen=True)
class Coreset(Seeding):
    """Draw a pilot sample, then a sample by sensitivity, and search it for centroids.

    Parameters
    ----------
    n_rows : int
        Rows of the data.
    most : int
        Maximum number of rows of a sample.
    threshold : float
        Key threshold of the pilot.
    pilot : PilotSolution, optional
        None until the pilot is drawn.
    draws : int
        Number of discarded sensitivity samples.
    search : MemorySearch, optional
        None until the sample is drawn.
    """

    n_rows: int
    most: int
    threshold: float
    pilot: PilotSolution | None = None
    draws: int = 0
    search: MemorySearch | None = None

    @classmethod
    def rows_needed(cls, k: int) -> int:
        """Return the minimum number of rows of a sample for k clusters."""
        return least_sample(k)

    @classmethod
    def from_task(cls, task: Task) -> Self:
        most = max(task.sample, cls.rows_needed(task.k))
        share = min(_PILOT / task.n_rows, _NEARLY_ALL)  # only a sample of all rows is searched
        return cls(task.k, task.seed, task.n_rows, most, threshold_of(share))

    def for_table(self, n_rows: int) -> Self:
        first = self.from_task(Task(self.k, self.seed, n_rows, self.most))
        # All rows of a small table are searched, so a pilot has no use.
        return replace(first, threshold=np.inf) if n_rows <= SEARCHED else first

    def ask(self) -> SampleUniform | SampleSensitive:
        if self.pilot is None:
            return SampleUniform(self.most, self.threshold, self.seed, 0)
        rates = self.pilot.centroids, self.pilot.scale, self.pilot.base
        return SampleSensitive(
            self.most, self._sensitivity_threshold, self.seed, 1 + self.draws, *rates
        )

    def tell(self, sample: Sampled) -> Seeding | Float64Array:
        if np.isinf(sample.threshold):  # these are all rows of positive weight
            return self._searching(sample)
        if self.pilot is None:
            k = min(self.k, _PILOT_CLUSTERS)
            if len(sample.keys) < k and self.threshold < _CERTAIN:
                # Few rows have weight: draw a larger pilot.
                threshold = self.threshold * _PILOT / max(1, len(sample.keys))
                return replace(self, threshold=threshold if threshold < _CERTAIN else np.inf)
            return replace(self, pilot=solve_pilot(sample, k))
        if sample.threshold < self._sensitivity_threshold / _OVERFULL and self.draws < _DRAWS:
            # The pilot missed most of the spread, so distant rows would fill the sample.
            pilot = replace(self.pilot, scale=corrected_scale(sample, self.pilot))
            return replace(self, pilot=pilot, draws=self.draws + 1)
        return self._searching(sample)

    def _searching(self, sample: Sampled) -> Seeding | Float64Array:
        few = distinct_rows(sample, self.k)
        if few is not None:
            return self.few_rows(few, bool(np.isinf(sample.threshold)))
        return replace(self, search=self.search_of(sample))

    def few_rows(self, rows: Float64Array, complete: bool) -> Seeding | Float64Array:
        """Return what follows a sample of at most k distinct rows.

        Parameters
        ----------
        rows : ndarray of shape (m, d)
            The distinct rows.
        complete : bool
            Whether they are those of all the data.
        """
        return exactly_k(rows, self.k)

    def search_of(self, sample: Sampled) -> MemorySearch:
        """Return the first state of the search of a sample of more than k distinct rows."""
        return SampleSearch(DrawnSample(sample, self.k), self.seed, self.n_rows)

    @property
    def working(self) -> str:
        return "" if self.search is None else self.search.working

    def advance(self) -> Coreset | Float64Array | None:
        if self.search is None:
            return None
        then = self.search.advance()
        return replace(self, search=then) if isinstance(then, MemorySearch) else then

    @property
    def _sensitivity_threshold(self) -> float:
        """Threshold for rates that sum to about one over all rows."""
        return np.inf if self.n_rows <= self.most else float(self.most)


def solve_pilot(pilot: Sampled, k: int) -> PilotSolution:
    """Return a rough solution of a pilot, with rates that sum to about one over all rows."""
    return rates_about(rough_centroids(pilot, k), pilot.values, pilot.estimates)


def rough_centroids(pilot: Sampled, k: int) -> Float64Array:
    """Return a rough solution (k, d) of a pilot; its distinct rows if there are at most k."""
    solution = distinct_rows(pilot, k)
    if solution is not None:
        return solution
    space = subspace_of(pilot)
    with points_of(pilot, space) as points:
        rough = settle(points, split_start(points, k), _ROUGH)
    with points_of(pilot) as points:
        return settle(points, space.lift(rough), most=0)


def rates_about(solution: Float64Array, values: AnyArray, estimates: Float64Array) -> PilotSolution:
    """Return the rates about a solution (k, d) that sum to one over weighted rows.

    A third of the rates is for the squared distance to the solution, a third for the cell's share
    of the loss, and a third is the same for every cell.

    Parameters
    ----------
    solution : ndarray of shape (k, d)
    values : ndarray of shape (m, d)
        Rows that represent all rows.
    estimates : ndarray of shape (m,)
        Their weights.
    """
    unit = float(estimates.max())  # because weights may have any magnitude
    weights = estimates / unit
    labels, d2 = nearest_rows(values, solution)
    counts = np.bincount(labels, weights, minlength=len(solution))
    losses = np.bincount(labels, weights * d2, minlength=len(solution))
    occupied = counts > 0
    centroids, counts, losses = solution[occupied], counts[occupied], losses[occupied]
    base = 1 / (len(centroids) * counts)
    loss = float(losses.sum())
    _, from_mean = nearest_rows(values, np.average(values, axis=0, weights=weights)[None])
    spread = float((weights * from_mean).sum())
    if not loss > _NEGLIGIBLE * spread:  # all rows are at centroids
        return PilotSolution(centroids, 1 / spread / unit if spread > 0 else 1.0, base / unit)
    base = (losses / loss / counts + base) / 3
    return PilotSolution(centroids, 1 / (3 * loss) / unit, base / unit)


def corrected_scale(sample: Sampled, pilot: PilotSolution) -> float:
    """Return the scale at which the rates by distance sum to a third, estimated from a sample."""
    _, d2 = nearest_rows(sample.values, pilot.centroids)
    return 1 / (3 * float((sample.estimates * d2).sum()))


def nearest_rows(values: AnyArray, centroids: Float64Array) -> tuple[Int32Array, Float64Array]:
    """Return labels and squared distances, each (m,), of rows (m, d) in memory."""
    values = read_only(np.ascontiguousarray(values))
    return Centroids(centroids, values.dtype).nearest(values)
