"""The leading directions of points, on which a search takes a fraction of the time.

The best k centroids of points with many features are close to those of their projections on a few
leading directions (Cohen, Elder, Musco, Musco and Persu, "Dimensionality reduction for k-means
clustering and low rank approximation", STOC 2015). Lloyd's steps on all features follow.
"""

from __future__ import annotations

import numpy as np

from streamkm.arrays import AnyArray, Float64Array
from streamkm.in_memory.points import Points
from streamkm.kernels import leading_directions

DIRECTIONS = 24  # up to this number the kernels are fastest [docs/benchmarks.md]
_SAMPLE = 4096  # points from which the directions are computed
_LONG = 4.0  # multiple of the median length to which points are shortened


class Subspace:
    """The span of at most `DIRECTIONS` leading directions of points, about their mean.

    Parameters
    ----------
    points : Points
        Created in `in_memory`, because directions have the same bits on one thread of BLAS only.
    """

    def __init__(self, points: Points) -> None:
        self._points, self._basis = points, None
        m, d = points.values.shape
        if d <= DIRECTIONS:
            return
        some = slice(None, None, -(-m // _SAMPLE))
        values, weights = points.values[some].astype(np.float64), points.weights[some]
        lengths = np.sqrt(np.einsum("md,md->m", values, values))  # from the median of the points
        longest = _LONG * float(np.median(lengths))
        if longest > 0:  # shorter outliers and fill values leave directions to the other points
            values *= (np.minimum(lengths, longest) / np.maximum(lengths, np.finfo(float).tiny))[
                :, None
            ]
            values /= longest
        mean = np.average(values, axis=0, weights=weights)
        self._mean = mean * (longest or 1.0)
        weighted = (values - mean) * np.sqrt(weights)[:, None]
        self._basis, _ = leading_directions(weighted, DIRECTIONS)

    def project(self, values: AnyArray) -> AnyArray:
        """Return the projections (m, p) of rows (m, d), both in data units."""
        if self._basis is None:
            return values
        return self._points.project(values, self._mean, self._basis)

    def lift(self, centroids: Float64Array) -> Float64Array:
        """Return the points (k, d), in data units, whose projections are given (k, p)."""
        if self._basis is None:
            return centroids
        return self._points.unscaled(centroids @ self._basis.T + self._mean)
