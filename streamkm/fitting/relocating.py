"""Where empty clusters go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.passes import Assigned, TopRows


def with_relocated(
    centroids: Float64Array, assigned: Assigned, far: TopRows
) -> tuple[Float64Array, int]:
    """Move empty clusters to the farthest rows, which leave the clusters they were in.

    A row that is all its cluster has stays: taking it would only empty that one. Gives the new
    centroids, and how many clusters moved.
    """
    sums = assigned.sums.astype(np.float64)
    counts = assigned.counts.astype(np.float64)
    empty = iter(np.flatnonzero(counts == 0))
    relocated = 0
    for row, weight, label in zip(far.values, far.weights, far.labels, strict=True):
        if counts[label] <= weight:
            continue
        cluster = next(empty)
        sums[label] -= weight * row
        counts[label] -= weight
        sums[cluster], counts[cluster] = weight * row, weight
        relocated += 1
    return replace(assigned, sums=sums, counts=counts).means(otherwise=centroids), relocated
