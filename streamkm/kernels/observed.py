"""Nearest centroids of rows with gaps, by the squared differences of their observed values.

With m = 1 for observed values and 0 for gaps, sum m (x - c)**2 = sum m x**2 - 2 (m x).c + m.(c**2),
two matrix products for all centroids of a strip of rows.
"""

from __future__ import annotations

import numpy as np

from streamkm.arrays import AnyArray, Float64Array, FloatArray, Int32Array

_STRIP = 2**17  # numbers of a matrix of a strip, which stays in the cache
_EPS = float(np.finfo(np.float64).eps)


class ObservedCentroids:
    """Centroids (k, d), float64, for rows with gaps.

    A label is the float64 arg-min of the sums of squared differences, with ties going to the lowest
    index. Scores about the mean of the centroids exclude most centroids: their rounding error is
    bounded (Higham 2002, section 3.1), and the differences of all centroids within the bound are
    computed. So the order in which a matrix product adds has no influence.
    """

    def __init__(self, centroids: Float64Array) -> None:
        self._centroids = centroids
        self._origin = centroids.mean(axis=0)
        self._moved = centroids - self._origin
        self._squares = self._moved**2
        self._reach = float(np.sqrt(self._squares.sum(axis=1).max()))

    def nearest(self, x: FloatArray) -> tuple[Int32Array, Float64Array]:
        """Return labels (n,) and squared distances (n,) of rows (n, d) with NaN in their gaps."""
        labels, d2 = np.empty(len(x), np.int32), np.empty(len(x))
        step = max(1, _STRIP // max(self._centroids.shape))
        for start in range(0, len(x), step):
            part = slice(start, start + step)
            with np.errstate(invalid="ignore", over="ignore"):  # infinite rows are refused later
                labels[part], d2[part] = self._strip(x[part].astype(np.float64))
        return labels, d2

    def _strip(self, x: Float64Array) -> tuple[AnyArray, Float64Array]:
        seen = ~np.isnan(x)
        moved = np.where(seen, x - self._origin, 0.0)
        scores = seen.astype(np.float64) @ self._squares.T
        scores -= 2 * (moved @ self._moved.T)
        first = scores.argmin(axis=1)
        reach = np.sqrt((moved * moved).sum(axis=1)) + self._reach
        slack = 8 * (x.shape[1] + 8) * _EPS * reach * reach
        rows = np.arange(len(x))
        near = scores <= (scores[rows, first] + slack)[:, None]
        near[rows, first] = True
        labels = first
        doubtful = np.flatnonzero(near.sum(axis=1) > 1)
        if doubtful.size:
            labels[doubtful] = self._decided(x[doubtful], near[doubtful])
        return labels, _squared(x, self._centroids[labels])

    def _decided(self, x: Float64Array, near: AnyArray) -> AnyArray:
        """Return the labels (m,) of rows (m, d) among the centroids that `near` (m, k) allows."""
        rows, clusters = np.nonzero(near)
        d2, step = np.empty(len(rows)), max(1, _STRIP // x.shape[1])
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            d2[part] = _squared(x[rows[part]], self._centroids[clusters[part]])
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        least = np.flatnonzero(d2 == np.minimum.reduceat(d2, starts)[rows])
        _, first = np.unique(rows[least], return_index=True)
        return np.asarray(clusters[least[first]])


def _squared(x: Float64Array, centroids: Float64Array) -> Float64Array:
    """Return the sums (n,) of the squared differences of observed values."""
    differences = x - centroids
    differences[np.isnan(x)] = 0.0
    sums: Float64Array = (differences * differences).sum(axis=1)
    return sums
