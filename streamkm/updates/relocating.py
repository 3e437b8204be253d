"""Relocation of empty clusters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamkm.passes import Assigned, TopRows


def relocated(assigned: Assigned, far: TopRows) -> tuple[Assigned, int]:
    """Move the farthest rows from their clusters to the empty clusters.

    The only row of a cluster stays there, because moving it would empty that cluster.

    Parameters
    ----------
    assigned : statistic with empty clusters
    far : the rows farthest from their centroids, at least one for each empty cluster if there are
        enough rows

    Returns
    -------
    Assigned, and the number of clusters that received a row.
    """
    sums = assigned.sums.astype(np.float64)
    counts = assigned.counts.astype(np.float64)
    empty = iter(np.flatnonzero(counts == 0))
    n_relocated = 0
    for row, weight, label in zip(far.values, far.weights, far.labels, strict=True):
        if counts[label] <= weight:
            continue
        cluster = next(empty)
        sums[label] -= weight * row
        counts[label] -= weight
        sums[cluster], counts[cluster] = weight * row, weight
        n_relocated += 1
    return replace(assigned, sums=sums, counts=counts), n_relocated
