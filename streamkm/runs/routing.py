"""How often a row that follows a hierarchy does not reach its nearest leaf."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamkm.arrays import AnyArray, Float64Array
from streamkm.kernels import Centroids
from streamkm.models.hierarchy import Hierarchy
from streamkm.passes import Routes
from streamkm.rows import Block

SAMPLE = 4096  # rows


@dataclass(frozen=True)
class Routing:
    """Routed and exact labels of a sample of rows.

    Parameters
    ----------
    n_rows : int
        Rows of the sample.
    differing : float
        Share of the rows whose routed label is not their nearest leaf.
    routed : float
        Mean squared distance of the rows to the leaves that they reach.
    exact : float
        Mean squared distance of the rows to their nearest leaves.
    """

    n_rows: int
    differing: float
    routed: float
    exact: float


def routes_of(hierarchy: Hierarchy, leaves: Float64Array) -> Routes:
    """Return a hierarchy with leaves (k, d), for passes."""
    return Routes.from_parents((*hierarchy.centroids[::-1], leaves), hierarchy.parents[::-1])


def routing_of(routes: Routes, values: AnyArray) -> Routing:
    """Compare routed with exact labels.

    Parameters
    ----------
    routes : Routes
    values : ndarray of shape (m, d), sampled rows in the scaling of the centroids
    """
    block = Block.from_values(values)
    leaves = Centroids(routes.levels[-1], block.dtype)
    differing, routed, exact = 0, 0.0, 0.0
    for tile in block.tiles():
        labels, d2 = routes.nearest(tile.x)
        nearest, least = leaves.nearest(tile.x)
        differing += int(np.count_nonzero(labels != nearest))
        routed, exact = routed + float(d2.sum()), exact + float(least.sum())
    n = max(1, len(values))
    return Routing(len(values), differing / n, routed / n, exact / n)
