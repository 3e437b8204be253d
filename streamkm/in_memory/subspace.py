"""The leading directions of points, on which a search takes a fraction of the time.

The best k centroids of points with many features are close to those of their projections on a few
leading directions (Cohen, Elder, Musco, Musco and Persu, "Dimensionality reduction for k-means
clustering and low rank approximation", STOC 2015). Lloyd's steps on all features follow.
"""

from __future__ import annotations

import numpy as np

from streamkm.arrays import AnyArray, Float64Array
from streamkm.in_memory.points import Points, in_pieces
from streamkm.kernels import leading_directions

DIRECTIONS = 24  # up to this number the kernels are fastest [docs/benchmarks.md]
_SAMPLE, _SAMPLE_VALUES = 4096, 4_000_000  # points from which directions are computed, and values
_LONG = 4.0  # multiple of the median length to which points are shortened


class Subspace:
    """The span of at most `DIRECTIONS` leading directions of points, about their mean.

    The points are not kept.

    Parameters
    ----------
    points : Points
    """

    def __init__(self, points: Points) -> None:
        m, d = points.values.shape
        self._frame, self._dtype = points.frame, points.values.dtype
        self._basis: Float64Array | None = None
        if d <= DIRECTIONS:
            return
        n_sampled = max(2 * DIRECTIONS, min(_SAMPLE, _SAMPLE_VALUES // d))
        some = slice(None, None, -(-m // n_sampled))
        values, weights = points.values[some].astype(np.float64), points.weights[some]
        # Beside a huge weight, all others may be rounded to zero.
        weights = weights / weights.max() if weights.any() else np.ones(len(weights))
        lengths = np.sqrt(np.einsum("md,md->m", values, values))  # from the median of the points
        longest = _LONG * float(np.median(lengths[lengths > 0])) if lengths.any() else 1.0
        # Shorter outliers and fill values leave directions to the other points.
        values *= np.minimum(1.0, longest / np.maximum(lengths, longest))[:, None] / longest
        mean = np.average(values, axis=0, weights=weights)
        self._mean = mean * longest
        values -= mean
        values *= np.sqrt(weights)[:, None]
        self._basis, _ = leading_directions(values, DIRECTIONS)

    def project(self, rows: AnyArray) -> AnyArray:
        """Return the scaled projections (m, p) of rows (m, d) in data units.

        Rows of at most `DIRECTIONS` features are returned unchanged.
        """
        basis = self._basis
        if basis is None:
            return rows
        projected = np.empty((len(rows), basis.shape[1]), self._dtype)

        def fill(piece: slice) -> None:
            projected[piece] = (self._frame.scaled(rows[piece]) - self._mean) @ basis

        in_pieces(fill, len(rows))
        return projected

    def lift(self, centroids: Float64Array) -> Float64Array:
        """Return the points (k, d) in data units whose projections are given (k, p)."""
        if self._basis is None:
            return centroids
        return self._frame.unscaled(centroids @ self._basis.T + self._mean)
