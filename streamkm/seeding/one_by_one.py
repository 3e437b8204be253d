"""Methods that choose one row a read, knowing those chosen before."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.passes import TopRows
from streamkm.seeding.base import Seeding, exactly_k, joined


@dataclass(frozen=True)
class OneByOne(Seeding):
    """A subclass says which row is next.

    Parameters
    ----------
    chosen : ndarray of shape (i, d), the centroids chosen so far
    """

    chosen: Float64Array = field(default_factory=lambda: np.empty((0, 0)))

    def tell(self, statistic: TopRows) -> Self | Float64Array:
        if not len(statistic.keys):  # every row has a centroid at its place
            return exactly_k(self.chosen, self.k)
        chosen = joined(self.chosen, statistic.values)
        return chosen if len(chosen) == self.k else replace(self, chosen=chosen)
