"""What a read has left in memory, and what further steps it is good for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.checkpointable import Checkpointable
from streamkm.engine import map_reduce
from streamkm.passes import Assigned, Boundary, Lloyd
from streamkm.rows import rows_in_memory

_STEPS = 32


@dataclass(frozen=True)
class Kept(Checkpointable):
    """All rows as one read found them: those near a boundary, and sums of the rest.

    Parameters
    ----------
    anchor : ndarray of shape (k, d), the centroids of that read
    boundary : Boundary
    """

    anchor: Float64Array
    boundary: Boundary

    @classmethod
    def of(cls, anchor: Float64Array, boundary: Boundary) -> Kept:
        """What is wanted of a read's answer; what its rows were compared by is not."""
        none = np.empty(0)
        labels = np.empty(0, np.int32)
        return cls(anchor, replace(boundary, margins=none, d2=none, labels=labels))

    def holds(self, centroids: Float64Array) -> bool:
        """Whether no row of the rest can have left its cluster."""
        return self.boundary.holds(self.anchor, centroids)

    def statistic(self, centroids: Float64Array) -> Assigned:
        """Lloyd's statistic, but that the rest keep the clusters they had."""
        rest = self.boundary.rest.about(self.anchor, centroids)
        if len(self.boundary.values) == 0:
            return rest
        rows = rows_in_memory(self.boundary.values, self.boundary.weights)
        return Assigned.combine([rest, map_reduce(Lloyd(centroids), rows)])

    def settled(self, centroids: Float64Array, shift: float) -> tuple[Float64Array, list[float]]:
        """Centroids after more such steps, until they move by `shift` or less, and their losses.

        What is minimised is the loss with the rest in the clusters they had. The true one is
        nowhere above it, so neither rises.
        """
        losses = []
        for _ in range(_STEPS):
            told = self.statistic(centroids)
            losses.append(told.inertia(centroids))
            before, centroids = centroids, told.means(otherwise=centroids)
            if float(np.square(centroids - before).sum()) <= shift:
                break
        return centroids, losses
