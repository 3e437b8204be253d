"""Distances that decide labels, and sums of a strip of rows whose labels are known."""

from __future__ import annotations

import numpy as np

from streamkm.kernels._jit import kernel, ordered_kernel


@kernel
def direct(row, centroid):  # type: ignore[no-untyped-def]
    """Return the squared distance in float64, by differences."""
    total = 0.0
    for j in range(row.shape[0]):
        difference = np.float64(row[j]) - centroid[j]
        total += difference * difference
    return total


@ordered_kernel
def deciding(row, centroid):  # type: ignore[no-untyped-def]
    """Return the squared distance in float64, with the same rounding on every processor.

    Four sums are independent, because each addition waits for the one before.
    """
    n = row.shape[0]
    s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
    for j in range(0, n - 3, 4):
        a, b = np.float64(row[j]) - centroid[j], np.float64(row[j + 1]) - centroid[j + 1]
        c, d = np.float64(row[j + 2]) - centroid[j + 2], np.float64(row[j + 3]) - centroid[j + 3]
        s0, s1, s2, s3 = s0 + a * a, s1 + b * b, s2 + c * c, s3 + d * d
    for j in range(n - n % 4, n):
        e = np.float64(row[j]) - centroid[j]
        s0 += e * e
    return (s0 + s1) + (s2 + s3)


@kernel
def settle(x, start, width, decided, centroids, answer, gaps, total):  # type: ignore[no-untyped-def]
    """Write a strip's labels, distances and gaps; add to the total; return the loss.

    `decided` is (labels, lower bounds of gaps) of the strip. Outputs are answer (labels, d2), gaps
    or None, and total (weights, sums, counts) or None.
    """
    label, sure = decided
    labels, d2 = answer
    d = x.shape[1]
    loss = 0.0
    for i in range(width):
        at = start + i
        chosen = label[i]
        distance = 0.0
        for j in range(d):
            difference = np.float64(x[at, j]) - centroids[chosen, j]
            distance += difference * difference
        labels[at] = chosen
        d2[at] = distance
        if gaps is not None:
            gaps[at] = max(0.0, np.float64(sure[i]))
        if total is not None:
            weights, sums, counts = total
            w = weights[at]
            for j in range(d):
                sums[chosen, j] += w * np.float64(x[at, j])
            counts[chosen] += w
            loss += w * distance
    return loss
