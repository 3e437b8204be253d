"""The nearest centroid of every row of a tile, its squared distance, and the sums of clusters.

Scores are in the data's precision; a row whose two best are closer than their rounding bound is
decided again by float64 direct differences. A label is therefore always the float64 arg-min,
whatever BLAS, CPU, strip or chunk a row came in; ties go to the lowest index. The squared distance
is always direct. Sums are float64, in row order.

Forms, by measurement [docs/benchmarks.md]: up to `_FEW` features by vectors of rows, in loops that
are compiled for each number of features; more by BLAS.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import Float64Array, FloatArray, Int32Array
from streamkm.kernels import many as _loops
from streamkm.kernels.few import few_features
from streamkm.kernels.many import FOUR, many_features

_FEW = 24  # features


class Centroids:
    """Centroids made ready for the kernels: norms, origin and the rounding bound.

    Parameters
    ----------
    values : ndarray of shape (k, d), float64
    dtype : float32 or float64, the precision of the tiles to come
    """

    def __init__(self, values: Float64Array, dtype: npt.DTypeLike) -> None:
        precision = np.dtype(dtype)
        self.values = np.ascontiguousarray(values, dtype=np.float64)
        k, d = self.values.shape
        whole = -(-k // FOUR) * FOUR  # what is added to fill a four is infinitely far away
        limits = np.finfo(precision)
        # |score error| <= (d + 8) u (|c|^2 + 2 |x||c|) for a sum in any order (Higham 2002,
        # section 3.1), u = eps / 2; twice that, for the two scores that are compared; and as much
        # more as the computed |x| may be too short.
        factor = (d + 8) * float(limits.eps) * (1.0 + d * float(limits.eps))
        # What direct float64 distances may themselves be wrong by, far from all centroids:
        # 2 (d + 4) u64 (|x| + |c|)^2 each, and (a + b)^2 <= 2 (a^2 + b^2).
        direct = 8.0 * (d + 4) * float(np.finfo(np.float64).eps)
        scaled = np.zeros((whole, d), precision)
        norms = np.full(whole, np.inf, precision)
        with np.errstate(over="ignore"):
            origin = self.values.mean(axis=0).astype(precision)
            centred = self.values - origin
            lengths = np.einsum("kd,kd->k", centred, centred)
            longest = float(lengths.max())
            scaled[:k] = -2.0 * centred
            norms[:k] = lengths
            bound = [longest * (factor + direct), 2.0 * np.sqrt(longest) * factor, direct]
            slack = np.array(bound).astype(precision)
        # The bound holds while nothing under- or overflows; else every row is decided directly.
        if not float(limits.tiny) / float(limits.eps) ** 2 < longest < float(limits.max) / 64:
            slack[:] = np.inf
        self._ready = (origin, scaled, norms, slack)
        self._features = (0,) * d if d <= _FEW else ()
        self._answer = (np.empty(0, np.int32), np.empty(0))

    def nearest(self, x: FloatArray) -> tuple[Int32Array, Float64Array]:
        """Labels (n,) and squared distances (n,) of a tile `x` (n, d)."""
        labels, d2 = np.empty(len(x), np.int32), np.empty(len(x))
        self._run(x, (labels, d2), None, None)
        return labels, d2

    def nearest_and_gaps(self, x: FloatArray) -> tuple[Int32Array, Float64Array, Float64Array]:
        """Labels (n,), squared distances (n,), and how much larger those to the second best are.

        The gaps are lower bounds, as good as the precision of the tile; of a single centroid they
        mean nothing.
        """
        labels, d2, gaps = np.empty(len(x), np.int32), np.empty(len(x)), np.empty(len(x))
        self._run(x, (labels, d2), gaps, None)
        return labels, d2, gaps

    def gather(
        self, x: FloatArray, weights: Float64Array, sums: Float64Array, counts: Float64Array
    ) -> tuple[Int32Array, Float64Array, float]:
        """Labels (n,) and squared distances (n,) of a tile, and its weighted loss.

        Its rows are added to `sums` (k, d) and their weights (n,) to `counts` (k,). The two arrays
        are good until the next call: new ones for every tile would be a fifth of the time where
        features are few, nearly all of it the system's, for clean pages.
        """
        if len(self._answer[0]) < len(x):
            self._answer = (np.empty(len(x), np.int32), np.empty(len(x)))
        labels, d2 = self._answer[0][: len(x)], self._answer[1][: len(x)]
        loss = self._run(x, (labels, d2), None, (weights, sums, counts))
        return labels, d2, loss

    def _run(self, x: FloatArray, answer: Any, gaps: Any, total: Any) -> float:
        x = np.ascontiguousarray(x)  # tiles are; the vectors rely on it
        if self._features:
            few = (self._ready, self._features)
            return float(few_features(x, self.values, *few, answer, gaps, total))
        return float(many_features(x, self.values, self._ready, answer, gaps, total))


def squared_distances(x: FloatArray, centroids: Float64Array) -> Float64Array:
    """Squared distances (n, k) of a tile, by direct differences."""
    out = np.empty((len(x), len(centroids)), np.float64)
    _loops.squared_distances(x, centroids, out)
    return out
