"""Relocation of empty clusters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from streamkm.passes import Assigned, ObservedSums, TopRows


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
    seen = assigned.seen.copy() if isinstance(assigned, ObservedSums) else None
    empty = iter(np.flatnonzero(counts == 0))
    n_relocated = 0
    for row, weight, label in zip(far.values, far.weights, far.labels, strict=True):
        if counts[label] <= weight:
            continue
        cluster = next(empty)
        if seen is not None:
            there = ~np.isnan(row)
            row = np.where(there, row, 0.0)
            seen[label] -= weight * there
            seen[cluster] = weight * there
        sums[label] -= weight * row
        counts[label] -= weight
        sums[cluster], counts[cluster] = weight * row, weight
        n_relocated += 1
    moved: Any = {"sums": sums, "counts": counts} | ({} if seen is None else {"seen": seen})
    return replace(assigned, **moved), n_relocated
