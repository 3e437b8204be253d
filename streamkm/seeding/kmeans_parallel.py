"""k-means|| (Bahmani et al., "Scalable k-means++", PVLDB 5(7), 2012). rounds + 2 reads.

Each round draws 2k rows in proportion to their squared distance to all drawn before. As the draw
is by keys, not by coin flips, it needs no total first and never gives too few. The last read
gathers all rows about the candidates; the means of those cells, weighted by their rows, are
clustered in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.in_memory.points import in_memory
from streamkm.in_memory.search import search
from streamkm.passes import Assigned, DrawSquaredDistance, DrawUniform, Lloyd, TopRows
from streamkm.seeding.base import Seeding, exactly_k, joined

ROUNDS = 2
OVERSAMPLING = 2


@dataclass(frozen=True)
class KMeansParallel(Seeding):
    """Rounds of oversampled D**2 draws.

    Parameters
    ----------
    candidates : ndarray of shape (m, d), rows drawn so far
    round : int, reads made
    """

    candidates: Float64Array = field(default_factory=lambda: np.empty((0, 0)))
    round: int = 0

    def ask(self) -> DrawUniform | DrawSquaredDistance | Lloyd:
        most, stream = OVERSAMPLING * self.k, self.round
        if self.round == 0:
            return DrawUniform(most, self.seed, stream)
        if self.round <= ROUNDS:
            return DrawSquaredDistance(most, self.seed, stream, self.candidates)
        return Lloyd(self.candidates)

    def tell(self, statistic: TopRows | Assigned) -> KMeansParallel | Float64Array:
        if isinstance(statistic, Assigned):
            return self._centroids(statistic)
        candidates = joined(self.candidates, statistic.values)
        if len(candidates) < self.k and len(statistic.keys) < OVERSAMPLING * self.k:
            return exactly_k(candidates, self.k)  # these are all the distinct rows there are
        return replace(self, candidates=candidates, round=self.round + 1)

    def _centroids(self, cells: Assigned) -> Float64Array:
        occupied = np.flatnonzero(cells.counts > 0)
        means = cells.means(self.candidates)[occupied]
        distinct = np.sort(np.unique(means, axis=0, return_index=True)[1])
        if len(distinct) < self.k:  # means of different cells may coincide; candidates never do
            return exactly_k(self.candidates, self.k)
        weights = cells.counts[occupied].astype(np.float64)
        if len(distinct) == self.k:
            return means[distinct]
        with in_memory(means[distinct], weights[distinct]) as points:
            return search(points, self.k, self.seed)
