"""Structural similarity (Wang et al., IEEE Trans. Image Process. 13(4), 2004) of two planes.

The definition is scikit-image's default: uniform windows of 7 x 7, sample covariance, and the mean
over all windows within the plane. The sums of windows are running sums of integers, so no digits
are lost in flat images.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array
from streamkm.kernels._jit import kernel

WINDOW = 7
_K1, _K2 = 0.01, 0.03


@kernel
def _follow(line, other, sign, columns):  # type: ignore[no-untyped-def]
    """Add or subtract a line in columns (4, w): sums of a, b, aa + bb and ab."""
    number = columns.dtype.type
    sign = number(sign)
    for x in range(len(line)):
        p, q = number(line[x]), number(other[x])
        columns[0, x] += sign * p
        columns[1, x] += sign * q
        columns[2, x] += sign * (p * p + q * q)
        columns[3, x] += sign * (p * q)


@kernel
def _across(columns, sums):  # type: ignore[no-untyped-def]
    """Write the sums (4, w - 6) of seven columns each."""
    for s in range(4):
        for x in range(sums.shape[1]):
            total = columns[s, x]
            for i in range(1, WINDOW):
                total += columns[s, x + i]
            sums[s, x] = total


@kernel
def _similar(sums, x, c1, c2):  # type: ignore[no-untyped-def]
    """Return the similarity of one window of a line."""
    n = np.float64(WINDOW * WINDOW)
    mean, sample = 1 / (n * n), 1 / (n * (n - 1))
    a, b = np.float64(sums[0, x]), np.float64(sums[1, x])
    squares, product = a * a + b * b, a * b
    # n times the sums of squared deviations: integers below 2**53, so no digits cancel.
    both = n * np.float64(sums[2, x]) - squares
    cross = n * np.float64(sums[3, x]) - product
    above = (2 * mean * product + c1) * (2 * sample * cross + c2)
    return above / ((mean * squares + c1) * (sample * both + c2))


@kernel
def _line(sums, c1, c2):  # type: ignore[no-untyped-def]
    """Return the sum of the similarities of a line of windows."""
    total = 0.0
    for x in range(sums.shape[1]):
        total += _similar(sums, x, c1, c2)
    return total


@kernel
def _weighted_line(sums, weights, c1, c2):  # type: ignore[no-untyped-def]
    """Return the sum of the similarities of a line of windows, weighted by (w - 6,)."""
    total = 0.0
    for x in range(sums.shape[1]):
        total += weights[x] * _similar(sums, x, c1, c2)
    return total


@kernel
def _total(a, b, weights, c1, c2, columns):  # type: ignore[no-untyped-def]
    """Return the sum over all windows, with weights (h - 6, w - 6), or (0, 0) for no weights."""
    height, width = a.shape
    sums = np.empty((4, width - WINDOW + 1), columns.dtype)
    total = 0.0
    for row in range(height):
        _follow(a[row], b[row], 1, columns)
        if row >= WINDOW:
            _follow(a[row - WINDOW], b[row - WINDOW], -1, columns)
        if row >= WINDOW - 1:
            _across(columns, sums)
            if weights.size:
                total += _weighted_line(sums, weights[row - WINDOW + 1], c1, c2)
            else:
                total += _line(sums, c1, c2)
    return total


def structural_similarity(
    a: AnyArray, b: AnyArray, weights: npt.NDArray[np.uint8] | None = None
) -> tuple[float, float]:
    """Return the structural similarity of two planes, at most 1, and its weight.

    Parameters
    ----------
    a, b : ndarray of shape (h, w), uint8 or uint16
    weights : ndarray of shape (h, w), uint8, or None
        A window is weighted by the mean weight of its pixels.

    Returns
    -------
    similarity : float
        Mean over all windows; NaN for planes smaller than 7 x 7 and for zero weight.
    weight : float
        Mean weight of the windows, where 255 is 1; 1 without `weights`.
    """
    if min(a.shape) < WINDOW:
        return math.nan, 1.0
    high = float(np.iinfo(a.dtype).max)
    # The fastest integer dtype that can represent the sums of squares of a window.
    columns = np.zeros((4, a.shape[1]), np.int32 if a.dtype == np.uint8 else np.float64)
    planes = np.ascontiguousarray(a), np.ascontiguousarray(b)
    windows = np.empty((0, 0)) if weights is None else _window_means(weights)
    total = float(_total(*planes, windows, (_K1 * high) ** 2, (_K2 * high) ** 2, columns))
    if weights is None:
        return total / ((a.shape[0] - WINDOW + 1) * (a.shape[1] - WINDOW + 1)), 1.0
    weight = float(windows.sum())
    return total / weight if weight else math.nan, weight / windows.size


def _window_means(weights: npt.NDArray[np.uint8]) -> Float64Array:
    """Return the mean weight (h - 6, w - 6), from 0 to 1, of the pixels of each window."""
    sums = weights.astype(np.int64)
    for axis in (0, 1):
        ends = np.cumsum(sums, axis=axis)
        before = np.insert(ends, 0, 0, axis=axis)
        n = ends.shape[axis] - WINDOW + 1
        sums = np.take(ends, range(WINDOW - 1, WINDOW - 1 + n), axis) - np.take(
            before, range(n), axis
        )
    means: Float64Array = sums / (255 * WINDOW * WINDOW)
    return means
