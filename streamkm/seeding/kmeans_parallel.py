"""k-means|| (Bahmani et al., "Scalable k-means++", PVLDB 5(7), 2012). Four reads.

The first read draws 2k rows uniformly, and each of two more draws 2k rows in proportion to their
squared distance to all rows drawn before. Draws use keys, so they do not need the total weight
beforehand, and return exactly 2k rows if the data have as many. The last read assigns all rows to
these candidates; the means of the cells, weighted by their rows, are clustered in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.in_memory.descent import for_a_while
from streamkm.in_memory.points import Weighted
from streamkm.in_memory.search import Search
from streamkm.passes import Assigned, DrawSquaredDistance, DrawUniform, Lloyd, TopRows
from streamkm.seeding.base import Seeding, append_rows, exactly_k
from streamkm.seeding.registry import register

_ROUNDS = 2
_OVERSAMPLING = 2


@register(
    "k-means||",
    summary="2k rows drawn uniformly, two rounds of 2k rows drawn by D², and one read that assigns "
    "all rows to these candidates; the weighted means of their cells are searched in memory",
    reads=lambda k: _ROUNDS + 2,
    width=lambda k: _OVERSAMPLING * (_ROUNDS + 1) * k,
)
@dataclass(frozen=True)
class KMeansParallel(Seeding):
    """Draw candidates in rounds, then cluster the means of their cells.

    Parameters
    ----------
    candidates : ndarray of shape (m, d), float64
        Rows drawn so far.
    round : int
        Reads so far.
    cells : Weighted, optional
        The means of the cells, which are searched; None before.
    search : Search, optional
    """

    candidates: Float64Array = field(default_factory=lambda: np.empty((0, 0)))
    round: int = 0
    cells: Weighted | None = None
    search: Search | None = None

    @property
    def working(self) -> str:
        return "" if self.search is None else self.search.step_name

    def advance(self) -> KMeansParallel | Float64Array | None:
        if self.cells is None:
            return None
        points = self.cells.points
        search = self.search or Search.begin(points, self.k, self.seed)
        search = for_a_while(search, lambda state: state.step(points, points))
        return search.centroids(points) if search.done else replace(self, search=search)

    def ask(self) -> DrawUniform | DrawSquaredDistance | Lloyd:
        most, stream = _OVERSAMPLING * self.k, self.round
        if self.round == 0:
            return DrawUniform(most, self.seed, stream)
        if self.round <= _ROUNDS:
            return DrawSquaredDistance(most, self.seed, stream, self.candidates)
        return Lloyd(self.candidates)

    def tell(self, statistic: TopRows | Assigned) -> KMeansParallel | Float64Array:
        if isinstance(statistic, Assigned):
            return self._centroids(statistic)
        candidates = append_rows(self.candidates, statistic.values)
        if len(candidates) < self.k and len(statistic.keys) < _OVERSAMPLING * self.k:
            return exactly_k(candidates, self.k)  # these are all distinct rows of the data
        return replace(self, candidates=candidates, round=self.round + 1)

    def _centroids(self, cells: Assigned) -> KMeansParallel | Float64Array:
        occupied = np.flatnonzero(cells.counts > 0)
        means = cells.means(self.candidates)[occupied]
        distinct = np.sort(np.unique(means, axis=0, return_index=True)[1])
        if len(distinct) < self.k:  # means of two cells may coincide; candidates never do
            return exactly_k(self.candidates, self.k)
        weights = cells.counts[occupied].astype(np.float64)
        if len(distinct) == self.k:
            return means[distinct]
        return replace(self, cells=Weighted(means[distinct], weights[distinct]))
