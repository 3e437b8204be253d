"""Structural similarity (Wang et al., IEEE Trans. Image Process. 13(4), 2004) of two planes.

As scikit-image measures it by default: windows of 7 x 7 that weigh alike, sample covariance, the
mean over all windows that lie within the plane. Sums of windows are kept running, in whole
numbers, so that nothing is lost however flat a picture is.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.kernels._jit import kernel

WINDOW = 7
_K1, _K2 = 0.01, 0.03


@kernel
def _follow(line, other, sign, columns):  # type: ignore[no-untyped-def]
    """Add a line, or take it away. Out: columns (4, w): sums of a, b, aa + bb and ab."""
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
    """Out: sums (4, w - 6) of seven columns each."""
    for s in range(4):
        for x in range(sums.shape[1]):
            total = columns[s, x]
            for i in range(1, WINDOW):
                total += columns[s, x + i]
            sums[s, x] = total


@kernel
def _similar(sums, c1, c2):  # type: ignore[no-untyped-def]
    """The sum of the similarities of a line of windows."""
    n = np.float64(WINDOW * WINDOW)
    mean, sample = 1 / (n * n), 1 / (n * (n - 1))
    total = 0.0
    for x in range(sums.shape[1]):
        a, b = np.float64(sums[0, x]), np.float64(sums[1, x])
        squares, product = a * a + b * b, a * b
        # n times the sums of squared deviations: whole numbers below 2**53, so nothing cancels.
        both = n * np.float64(sums[2, x]) - squares
        cross = n * np.float64(sums[3, x]) - product
        above = (2 * mean * product + c1) * (2 * sample * cross + c2)
        total += above / ((mean * squares + c1) * (sample * both + c2))
    return total


@kernel
def _mean(a, b, c1, c2, columns):  # type: ignore[no-untyped-def]
    height, width = a.shape
    sums = np.empty((4, width - WINDOW + 1), columns.dtype)
    total = 0.0
    for row in range(height):
        _follow(a[row], b[row], 1, columns)
        if row >= WINDOW:
            _follow(a[row - WINDOW], b[row - WINDOW], -1, columns)
        if row >= WINDOW - 1:
            _across(columns, sums)
            total += _similar(sums, c1, c2)
    return total / ((height - WINDOW + 1) * (width - WINDOW + 1))


def structural_similarity(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """Similarity of two planes (h, w), uint8 or uint16, at most 1; NaN of less than 7 x 7."""
    if min(a.shape) < WINDOW:
        return math.nan
    high = float(np.iinfo(a.dtype).max)
    # Of the whole numbers that hold the sums of squares of a window, those that are added fastest.
    columns = np.zeros((4, a.shape[1]), np.int32 if a.dtype == np.uint8 else np.float64)
    planes = np.ascontiguousarray(a), np.ascontiguousarray(b)
    return float(_mean(*planes, (_K1 * high) ** 2, (_K2 * high) ** 2, columns))
