"""Lloyd's statistic with one more sum for each cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.passes.lloyd import Assigned


@dataclass(frozen=True)
class Measured(Assigned):
    """Sums and counts of the rows of each cluster, with one more sum for each cluster.

    Parameters
    ----------
    measured : ndarray of shape (k,); subclasses define what is summed
    """

    measured: Float64Array = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def from_assigned(cls, gathered: Assigned, measured: Float64Array) -> Self:
        own = (gathered.sums, gathered.counts, gathered.loss, gathered.squares)
        return cls(*own, gathered.clusters, measured)

    @classmethod
    def combine(cls, parts: Sequence[Assigned]) -> Self:
        measured = [p.measured for p in parts if isinstance(p, Measured)]
        return cls.from_assigned(Assigned.combine(parts), np.sum(measured, axis=0))
