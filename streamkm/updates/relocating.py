"""Relocation of empty clusters."""

from __future__ import annotations

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
    counts = assigned.counts.astype(np.float64)
    empty = iter(np.flatnonzero(counts == 0).tolist())
    rows, clusters = list[int](), list[int]()
    for number, (weight, label) in enumerate(zip(far.weights, far.labels, strict=True)):
        if counts[label] > weight:
            counts[label] -= weight
            rows.append(number)
            clusters.append(next(empty))
    if not rows:
        return assigned, 0
    moved = assigned.relocated(far.values[rows], far.weights[rows], far.labels[rows], clusters)
    return moved, len(rows)
