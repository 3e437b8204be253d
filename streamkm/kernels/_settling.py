"""Labels, distances, gaps and sums of a strip of rows whose labels are known, for many features."""

from __future__ import annotations

import numpy as np

from streamkm.kernels._jit import kernel


@kernel
def direct(row, centroid):  # type: ignore[no-untyped-def]
    """Return the squared distance in float64, by differences."""
    total = 0.0
    for j in range(row.shape[0]):
        difference = np.float64(row[j]) - centroid[j]
        total += difference * difference
    return total


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
