"""Rows of each cluster under any rule that assigns rows: their number, and random ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamkm.arrays import Float64Array
from streamkm.kernels import exponentials
from streamkm.passes.base import Pass, WithCentroids
from streamkm.passes.closest import Assigner, Ranking
from streamkm.passes.grouping import Sizes
from streamkm.passes.lloyd import refuse_bad
from streamkm.rows import Block


@dataclass(frozen=True)
class Members(WithCentroids, Pass[Sizes]):
    """Count the rows of each cluster.

    Parameters
    ----------
    centroids : ndarray of shape (k, d), float64
    assigner : rule that assigns rows to clusters, or None where a row belongs to the nearest
        centroid
    """

    centroids: Float64Array
    assigner: Assigner | None = None

    def identity(self) -> Sizes:
        return Sizes(np.zeros(len(self.centroids), np.int64))

    def statistic_nbytes(self, n_features: int) -> int:
        """Bytes of the counts."""
        return 8 * len(self.centroids)

    def __call__(self, block: Block) -> Sizes:
        counts = self.identity().counts
        for tile in block.tiles():
            if self.assigner is None:
                nearest, d2 = self.prepared(block.dtype).nearest(tile.x)
                refuse_bad(block, tile.start, d2)
                labels = nearest.astype(np.int64)
            else:
                refuse_bad(block, tile.start, tile.x.sum(axis=1, dtype=np.float64))
                labels = self.assigner.labels(tile.x)
            counts += np.bincount(labels, minlength=len(counts))
        return Sizes(counts)


@dataclass(frozen=True)
class DrawMembers(Ranking):
    """Draw rows of each cluster at random, without replacement.

    Parameters
    ----------
    centroids, most, assigner, keep_values : as for `Ranking`
    seed, stream : key of the draws
    """

    seed: int = 0
    stream: int = 0

    def keys(self, numbers: npt.NDArray[np.int64], squared_distances: Float64Array) -> Float64Array:
        return exponentials(numbers, self.seed, self.stream)
