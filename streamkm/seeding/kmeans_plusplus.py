"""k-means++ (Arthur and Vassilvitskii, SODA 2007), exact. One read a centroid."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from streamkm.passes import DrawSquaredDistance, DrawUniform, TopRows
from streamkm.seeding.base import Array, Seeding, exactly_k, joined


@dataclass(frozen=True)
class KMeansPlusPlus(Seeding):
    """Rows drawn one by one in proportion to their squared distance to those drawn before.

    Parameters
    ----------
    chosen : ndarray of shape (i, d), the centroids drawn so far
    """

    chosen: Array = field(default_factory=lambda: np.empty((0, 0)))

    def ask(self) -> DrawUniform | DrawSquaredDistance:
        stream = len(self.chosen)
        if not len(self.chosen):
            return DrawUniform(1, self.seed, stream)
        return DrawSquaredDistance(1, self.seed, stream, self.chosen)

    def tell(self, statistic: TopRows) -> KMeansPlusPlus | Array:
        if not len(statistic.keys):  # every row has a centroid at its place
            return exactly_k(self.chosen, self.k)
        chosen = joined(self.chosen, statistic.values)
        return chosen if len(chosen) == self.k else replace(self, chosen=chosen)
