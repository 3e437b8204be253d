"""Distances that decide labels, and sums of a strip of rows with known labels, for many features.

All operations have a fixed order, so these numbers have the same bits on every processor.
"""

from __future__ import annotations

import numpy as np

from streamkm.kernels._jit import ordered_kernel
from streamkm.kernels._vectors import fill, load
from streamkm.kernels._wide import add_columns, add_squares, summed

_BOTH = 16  # features of two accumulators, because each addition waits for the one before


@ordered_kernel
def measured(x, at, centroids, c, total):  # type: ignore[no-untyped-def]
    """Return the squared distance of row x[at] and centroid c in float64, by differences.

    The row is also added to `total` (weights, sums, counts), or to nothing if it is None.
    """
    d = x.shape[1]
    first = fill(0.0, load(centroids, 0, 0))
    second = first
    whole = d - d % _BOTH
    for j in range(0, whole, _BOTH):
        first = add_squares(first, x, at, centroids, c, j)
        second = add_squares(second, x, at, centroids, c, j + _BOTH // 2)
        if total is not None:
            add_columns(total[1], c, total[0][at], x, at, j)
            add_columns(total[1], c, total[0][at], x, at, j + _BOTH // 2)
    distance = summed(first) + summed(second)
    for j in range(whole, d):
        value = np.float64(x[at, j])
        distance += (value - centroids[c, j]) * (value - centroids[c, j])
        if total is not None:
            total[1][c, j] += total[0][at] * value
    if total is not None:
        total[2][c] += total[0][at]
    return distance


@ordered_kernel
def settle(x, start, width, decided, centroids, answer, gaps, total):  # type: ignore[no-untyped-def]
    """Write a strip's labels, distances and gaps; add to the total; return the loss.

    `decided` is (labels, lower bounds of gaps) of the strip. Outputs are answer (labels, d2), gaps
    or None, and total (weights, sums, counts) or None.
    """
    label, sure = decided
    labels, d2 = answer
    loss = 0.0
    for i in range(width):
        at = start + i
        chosen = np.int64(label[i])
        labels[at] = chosen
        d2[at] = measured(x, at, centroids, chosen, total)
        if gaps is not None:
            gaps[at] = max(0.0, np.float64(sure[i]))
        if total is not None:
            loss += total[0][at] * d2[at]
    return loss
