"""Labels without the sums of the clusters, and the numbers of rows of the clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array
from streamkm.passes.base import Statistic, WithCentroids
from streamkm.passes.census import Counted
from streamkm.passes.lloyd import refuse_bad
from streamkm.passes.per_row import PerRow
from streamkm.rows import Block


@dataclass(frozen=True, eq=False)
class Sizes(Statistic):
    """Numbers of rows of all clusters.

    Parameters
    ----------
    counts : ndarray of shape (k,), int64
    """

    counts: npt.NDArray[np.int64]

    @classmethod
    def combine(cls, parts: Sequence[Self]) -> Self:
        return cls(np.add.reduce([part.counts for part in parts]))


@dataclass(frozen=True)
class NearestLabels(WithCentroids, PerRow[Counted]):
    """Find the nearest centroid (k, d), float64, of every row; the labels are those of `Labels`."""

    centroids: Float64Array
    dtype: np.dtype[Any]

    def identity(self) -> Counted:
        return Counted()

    def __call__(self, block: Block) -> tuple[AnyArray, Counted]:
        labels = np.empty(block.n_rows, self.dtype)
        centroids = self.prepared(block.dtype)
        for tile in block.tiles():
            nearest, d2 = centroids.nearest(tile.x)
            refuse_bad(block, tile.start, d2)
            labels[tile.start : tile.start + len(nearest)] = nearest
        return labels, Counted(rows=block.n_rows)
