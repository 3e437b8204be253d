"""Spherical k-means: Lloyd's iterations on rows and centroids of length one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.passes import Assigned
from streamkm.updates.lloyd import LloydState, LloydUpdate


@dataclass(frozen=True)
class SphericalUpdate(LloydUpdate):
    """Lloyd's iterations on directions (Dhillon and Modha 2001).

    For unit vectors, |x - c|**2 equals 2 (1 - cos), so the nearest centroid is the same. The mean
    of a cluster is divided by its length.
    """

    def init(self, centroids: Float64Array) -> LloydState:
        return super().init(directions(centroids, centroids))

    def means(self, statistic: Assigned, otherwise: Float64Array) -> Float64Array:
        return directions(super().means(statistic, otherwise), otherwise)


def directions(vectors: Float64Array, otherwise: Float64Array) -> Float64Array:
    """Vectors (k, d) divided by their lengths; rows of `otherwise` where they cancel to zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > 0, vectors / np.where(length > 0, length, 1.0), otherwise)
