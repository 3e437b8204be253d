"""Lloyd's step with the sums of the distances of each cluster, for scores of a clustering."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.kernels import squared_distances
from streamkm.passes.lloyd import Lloyd
from streamkm.passes.measured import Measured
from streamkm.rows import Block, read_only

_PANEL = 256


class Scattered(Measured):
    """Sums, counts and distances of the rows of each cluster."""

    @property
    def distances(self) -> Float64Array:
        """Weighted sums of the distances of each cluster, not squared, of shape (k,)."""
        return self.measured

    def calinski_harabasz(self, centroids: Float64Array) -> float:
        """Return the variance between clusters over that within (Calinski and Harabasz 1974).

        Weights are treated as numbers of repeated rows.
        """
        k, n = int(np.count_nonzero(self.counts)), self.weight
        means = self.means(otherwise=centroids)
        moved = np.square(centroids - means).sum(axis=1)
        within = self.inertia(centroids) - float((self.counts * moved).sum())
        overall = self.sums.sum(axis=0) / n
        between = float((self.counts * np.square(means - overall).sum(axis=1)).sum())
        if k < 2 or n <= k or not within > 0:
            return float("nan")
        return between / within * (n - k) / (k - 1)

    def davies_bouldin(self, centroids: Float64Array) -> float:
        """Return the mean of the largest (s_i + s_j) / d_ij (Davies and Bouldin 1979)."""
        occupied = np.flatnonzero(self.counts)
        centroids = centroids[occupied]
        spread = self.distances[occupied] / self.counts[occupied]
        if len(occupied) < 2:
            return float("nan")
        worst = np.zeros(len(occupied))
        for at in range(0, len(occupied), _PANEL):
            panel = slice(at, at + _PANEL)
            apart = np.sqrt(squared_distances(read_only(centroids[panel]), centroids))
            apart[np.arange(len(apart)), np.arange(at, at + len(apart))] = np.inf
            if not apart.min() > 0:
                return float("nan")
            worst[panel] = ((spread[panel, None] + spread[None]) / apart).max(axis=1)
        return float(worst.mean())


@dataclass(frozen=True)
class Scatter(Lloyd):
    """Lloyd's step that also sums distances, which costs a square root for each row."""

    def identity(self) -> Scattered:
        return Scattered.from_assigned(super().identity(), np.zeros(len(self.centroids)))

    def __call__(self, block: Block) -> Scattered:
        distances = np.zeros(len(self.centroids))
        return Scattered.from_assigned(self.assign(block, distances=distances), distances)
