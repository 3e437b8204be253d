"""One level of a hierarchy: an ordinary fit, and rounds of resampling after it.

A round fits the rows nearest to each centroid again, so that the centroids spread evenly over the
data instead of following their density (Vo et al. 2024, "Automatic data curation for
self-supervised learning: a clustering-based approach", arXiv:2405.15613).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import Float64Array
from streamkm.engine import map_reduce
from streamkm.fitting import FitState, first_state, iterate, with_scaling
from streamkm.kernels import Centroids
from streamkm.passes import Closest
from streamkm.rows import Rows, Scaling, StoredRows, among, rows_in_memory
from streamkm.runs.hierarchy_options import HierarchyOptions


@dataclass(frozen=True)
class LevelFit:
    """Fits of one kind, in memory or over stored rows.

    Parameters
    ----------
    options : HierarchyOptions
    seed : seed of the run
    level : number of the level, which determines the draws with the number of the cluster
    """

    options: HierarchyOptions
    seed: int
    level: int

    def seeds(self, cluster: int, n: int) -> list[int]:
        """Return n seeds for the rows of a cluster of the level above; 0 for all rows."""
        sequence = np.random.SeedSequence([self.seed, self.level, cluster])
        return [int(word) for word in sequence.generate_state(n, np.uint64)]

    def fit(self, rows: Rows, n_clusters: int, cluster: int) -> Float64Array:
        """Fit rows in memory, and resample; return centroids (k, d) in the scaling of the rows."""
        n_init = self.options.fit.n_init
        seeds = self.seeds(cluster, n_init * (1 + self.options.resampling))
        centroids = self._once(rows, n_clusters, seeds[:n_init])
        return self.resample(rows, centroids, seeds[n_init:])

    def resample(self, rows: Rows, centroids: Float64Array, seeds: list[int]) -> Float64Array:
        """Return the centroids (k, d) after the rounds, each of which reads the rows once."""
        n_init, scaling = self.options.fit.n_init, rows.layout.scaling
        for number in range(self.options.resampling):
            found = map_reduce(Closest(centroids, self.options.resampled), rows)
            some = with_scaling(rows_in_memory(found.values, None), scaling)
            own = seeds[number * n_init : (number + 1) * n_init]
            centroids = self._once(some, len(centroids), own)
        return centroids

    def _once(self, rows: Rows, n_clusters: int, seeds: list[int]) -> Float64Array:
        if rows.layout.n_rows <= n_clusters:
            return _all_rows(rows)
        options = self.options.of(n_clusters)
        init = str(options.for_rows(rows).init)
        state = iterate(rows, first_state(rows, n_clusters, init, seeds, options.update))
        return centroids_of(state, rows.layout.scaling)


def centroids_of(state: FitState, scaling: Scaling | None) -> Float64Array:
    """The centroids (k, d) of a fit that is done, of rows with a scaling."""
    best = state.best.centroids
    assert best is not None
    return best if state.scaling == scaling else among(best, scaling, state.scaling)


def _all_rows(rows: Rows) -> Float64Array:
    """The rows (n, d) in memory, as centroids."""
    assert isinstance(rows, StoredRows)
    blocks = [rows.block(number) for number in range(rows.n_blocks)]
    return np.concatenate([b.rows(slice(None)).astype(np.float64) for b in blocks])


def cluster_centroids(
    fit: LevelFit, below: Float64Array, counts: Float64Array, n_clusters: int
) -> tuple[Float64Array, npt.NDArray[np.int64]]:
    """Cluster the centroids of a level.

    Parameters
    ----------
    fit : LevelFit
    below : ndarray of shape (k, d)
    counts : ndarray of shape (k,), weights of the rows of each
    n_clusters : number of clusters of the level above

    Returns
    -------
    centroids : ndarray of shape (n_clusters, d)
    parents : ndarray of shape (k,), the nearest of these for each of `below`
    """
    weights: Any = counts if fit.options.weights == "counts" else None
    rows = with_scaling(rows_in_memory(below, weights), fit.options.fit.scaling)
    centroids = fit.fit(rows, n_clusters, 0)
    parents, _ = Centroids(centroids, np.float64).nearest(below)
    return centroids, parents.astype(np.int64)
