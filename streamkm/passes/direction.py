"""Spherical k-means: Lloyd's step for unit vectors (Dhillon and Modha 2001)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.passes.lloyd import Assigned, Lloyd
from streamkm.rows import Block


@dataclass(frozen=True)
class Directed(Assigned):
    """Sums of the rows nearest to each direction; the means are scaled to unit length."""

    @classmethod
    def of(cls, gathered: Assigned) -> Directed:
        return cls(gathered.sums, gathered.counts, gathered.loss, gathered.squares)

    def means(self, otherwise: Float64Array) -> Float64Array:
        return directions(super().means(otherwise), otherwise)


@dataclass(frozen=True)
class Direction(Lloyd):
    """Lloyd's step for unit vectors, where |x - c|**2 = 2 (1 - cos), so nearest is most similar."""

    def identity(self) -> Directed:
        return Directed.of(super().identity())

    def __call__(self, block: Block) -> Directed:
        return Directed.of(self.assign(block))

    @staticmethod
    def admissible(centroids: Float64Array) -> Float64Array:
        return directions(centroids, centroids)


def directions(vectors: Float64Array, otherwise: Float64Array) -> Float64Array:
    """Scale vectors (k, d) to unit length; return those of `otherwise` where a vector is zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > 0, vectors / np.where(length > 0, length, 1.0), otherwise)
