"""Farthest-first traversal (Gonzalez, Theor. Comput. Sci. 38, 1985), exact. One read a centroid."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from streamkm.passes import DrawFarthest, DrawUniform, TopRows
from streamkm.seeding.base import Array, Seeding, exactly_k, joined


@dataclass(frozen=True)
class Farthest(Seeding):
    """A random row, then again and again the row farthest from all chosen.

    Parameters
    ----------
    chosen : ndarray of shape (i, d), the centroids chosen so far
    """

    chosen: Array = field(default_factory=lambda: np.empty((0, 0)))

    def ask(self) -> DrawUniform | DrawFarthest:
        if not len(self.chosen):
            return DrawUniform(1, self.seed, 0)
        return DrawFarthest(1, self.chosen)

    def tell(self, statistic: TopRows) -> Farthest | Array:
        if not len(statistic.keys):
            return exactly_k(self.chosen, self.k)
        chosen = joined(self.chosen, statistic.values)
        return chosen if len(chosen) == self.k else replace(self, chosen=chosen)
