"""Base class of methods that choose one row in each read, given the rows chosen before."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.passes import TopRows
from streamkm.seeding.base import Seeding, append_rows, exactly_k


@dataclass(frozen=True)
class OneByOne(Seeding):
    """Add one row in each read until there are k; `ask` of a subclass draws the next row.

    Parameters
    ----------
    chosen : ndarray of shape (i, d), float64
        The centroids chosen so far.
    """

    chosen: Float64Array = field(default_factory=lambda: np.empty((0, 0)))

    def tell(self, statistic: TopRows) -> Self | Float64Array:
        if not len(statistic.keys):  # all rows coincide with chosen ones
            return exactly_k(self.chosen, self.k)
        chosen = append_rows(self.chosen, statistic.values)
        return chosen if len(chosen) == self.k else replace(self, chosen=chosen)
