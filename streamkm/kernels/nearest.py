"""The nearest centroid of every row of a tile: labels and squared distances.

A strip of 256 rows is scored at a time, as a matrix of (centroids, rows), so that the arg-min runs
*across rows* in vector registers. Scores ``|c|^2 - 2 x.c`` about an origin are computed in the
data's precision; a row whose two best scores are closer than their rounding bound is decided again
by float64 direct differences. A label is therefore always the float64 arg-min, whatever BLAS, CPU,
strip or chunk a row came in; ties go to the lowest index. The squared distance is always direct.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.kernels._jit import kernel

STRIP = 256
_PANEL = 512  # centroids scored by one matrix product: strip x panel stays in the L2 cache
_LARGE_D = 8  # from here on BLAS is as fast as the plain loops, or faster [docs/benchmarks.md]

FloatArray = npt.NDArray[np.floating]


@kernel
def _direct(row, centroid):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(row.shape[0]):
        difference = np.float64(row[j]) - centroid[j]
        total += difference * difference
    return total


@kernel
def _decide_again(row, centroids):  # type: ignore[no-untyped-def]
    label = 0
    best = _direct(row, centroids[0])
    for c in range(1, centroids.shape[0]):
        distance = _direct(row, centroids[c])
        if distance < best:
            best = distance
            label = c
    return label


@kernel
def _load_across(x, start, width, origin, strip, lengths):  # type: ignore[no-untyped-def]
    """Rows about the origin as columns of `strip` (d, STRIP), and their squared lengths."""
    lengths[:] = 0
    for i in range(width):
        for j in range(x.shape[1]):
            value = x[start + i, j] - origin[j]
            strip[j, i] = value
            lengths[i] += value * value
    if width < strip.shape[1]:
        strip[:, width:] = 0


@kernel
def _load_along(x, start, width, origin, strip, lengths):  # type: ignore[no-untyped-def]
    """Rows about the origin as rows of `strip` (STRIP, d), and their squared lengths."""
    lengths[:] = 0
    for i in range(width):
        length = x.dtype.type(0)
        for j in range(x.shape[1]):
            value = x[start + i, j] - origin[j]
            strip[i, j] = value
            length += value * value
        lengths[i] = length
    if width < strip.shape[0]:
        strip[width:] = 0


@kernel
def _keep_two(scores, c, best, second, label):  # type: ignore[no-untyped-def]
    for i in range(scores.shape[0]):
        s = scores[i]
        b = best[i]
        closer = s < b
        second[i] = min(second[i], b if closer else s)
        best[i] = s if closer else b
        label[i] = c if closer else label[i]


@kernel
def _settle(x, start, width, centroids, slack, work, labels, d2, gaps):  # type: ignore[no-untyped-def]
    """Write the strip's labels, deciding doubtful rows again, and direct distances."""
    lengths, best, second, label = work
    for i in range(STRIP):
        # Not "gap <= bound": a row with a NaN is doubtful too.
        bound = slack[0] + slack[1] * np.sqrt(lengths[i])
        label[i] = label[i] if second[i] - best[i] > bound else -1
    if gaps is not None:
        for i in range(width):
            gaps[start + i] = max(0.0, second[i] - best[i])
    for i in range(width):
        row = x[start + i]
        chosen = label[i] if label[i] >= 0 else _decide_again(row, centroids)
        labels[start + i] = chosen
        d2[start + i] = _direct(row, centroids[chosen])


@kernel
def _nearest_small(x, centroids, origin, scaled, norms, slack, labels, d2, gaps):  # type: ignore[no-untyped-def]
    n, d = x.shape
    k = centroids.shape[0]
    strip = np.zeros((d, STRIP), x.dtype)
    lengths = np.empty(STRIP, x.dtype)
    best = np.empty(STRIP, x.dtype)
    second = np.empty(STRIP, x.dtype)
    scores = np.empty(STRIP, x.dtype)
    label = np.empty(STRIP, np.int32)
    for start in range(0, n, STRIP):
        width = min(STRIP, n - start)
        _load_across(x, start, width, origin, strip, lengths)
        best[:] = np.inf
        second[:] = np.inf
        label[:] = 0
        for c in range(k):
            scores[:] = norms[c]
            for j in range(d):
                factor = scaled[c, j]
                for i in range(STRIP):
                    scores[i] += factor * strip[j, i]
            _keep_two(scores, np.int32(c), best, second, label)
        work = (lengths, best, second, label)
        _settle(x, start, width, centroids, slack, work, labels, d2, gaps)


@kernel
def _nearest_large(x, centroids, origin, scaled, norms, slack, labels, d2, gaps):  # type: ignore[no-untyped-def]
    n, d = x.shape
    k = centroids.shape[0]
    strip = np.zeros((STRIP, d), x.dtype)
    lengths = np.empty(STRIP, x.dtype)
    best = np.empty(STRIP, x.dtype)
    second = np.empty(STRIP, x.dtype)
    label = np.empty(STRIP, np.int32)
    scores = np.empty((min(k, _PANEL), STRIP), x.dtype)
    for start in range(0, n, STRIP):
        width = min(STRIP, n - start)
        _load_along(x, start, width, origin, strip, lengths)
        best[:] = np.inf
        second[:] = np.inf
        label[:] = 0
        for first in range(0, k, _PANEL):
            size = min(_PANEL, k - first)
            panel = scores[:size]
            np.dot(scaled[first : first + size], strip.T, panel)
            for c in range(size):
                norm = norms[first + c]
                for i in range(STRIP):
                    panel[c, i] += norm
                _keep_two(panel[c], np.int32(first + c), best, second, label)
        work = (lengths, best, second, label)
        _settle(x, start, width, centroids, slack, work, labels, d2, gaps)


class Centroids:
    """Centroids made ready for the kernel: norms, origin and the rounding bound.

    Parameters
    ----------
    values : ndarray of shape (k, d), float64
    dtype : float32 or float64, the precision of the tiles to come
    """

    def __init__(self, values: npt.NDArray[np.float64], dtype: npt.DTypeLike) -> None:
        precision = np.dtype(dtype)
        self.values = np.ascontiguousarray(values, dtype=np.float64)
        limits = np.finfo(precision)
        # |score error| <= (d + 8) u (|c|^2 + 2 |x||c|) for a sum in any order (Higham 2002,
        # section 3.1); twice that, for the two scores that are compared.
        factor = 2.0 * (self.values.shape[1] + 8) * float(limits.eps)
        with np.errstate(over="ignore"):
            self._origin = self.values.mean(axis=0).astype(precision)
            centred = self.values - self._origin
            norms = np.einsum("kd,kd->k", centred, centred)
            longest = float(norms.max())
            self._scaled = np.ascontiguousarray(-2.0 * centred, dtype=precision)
            self._norms = norms.astype(precision)
            self._slack = np.array([longest, 2.0 * np.sqrt(longest)]) * factor
            self._slack = self._slack.astype(precision)
        # The bound holds while nothing under- or overflows; else every row is decided directly.
        if not float(limits.tiny) / float(limits.eps) ** 2 < longest < float(limits.max) / 64:
            self._slack[:] = np.inf
        self._nearest: Callable[..., None] = (
            _nearest_small if self.values.shape[1] < _LARGE_D else _nearest_large
        )

    def nearest(self, x: FloatArray) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """Labels (n,) and squared distances (n,) of a tile `x` (n, d)."""
        labels = np.empty(len(x), np.int32)
        d2 = np.empty(len(x), np.float64)
        self._nearest(*self._ready(x), labels, d2, None)
        return labels, d2

    def nearest_and_gaps(
        self, x: FloatArray
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Labels (n,), squared distances (n,), and how much larger those to the second best are.

        The gaps are as good as the precision of the tile, and infinite for a single centroid.
        """
        labels = np.empty(len(x), np.int32)
        d2, gaps = np.empty(len(x), np.float64), np.empty(len(x), np.float64)
        self._nearest(*self._ready(x), labels, d2, gaps)
        return labels, d2, gaps

    def _ready(self, x: FloatArray) -> tuple[Any, ...]:
        return x, self.values, self._origin, self._scaled, self._norms, self._slack


@kernel
def _squared_distances(x, centroids, out):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        for c in range(centroids.shape[0]):
            out[i, c] = _direct(x[i], centroids[c])


def squared_distances(x: FloatArray, centroids: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Squared distances (n, k) of a tile, by direct differences."""
    out = np.empty((len(x), len(centroids)), np.float64)
    _squared_distances(x, centroids, out)
    return out
