"""Merging of the surplus centroids of groups."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.engine import in_threads
from streamkm.in_memory.ward import merged_to, nearest_others
from streamkm.kernels import one_blas_thread
from streamkm.passes import Sampled
from streamkm.seeding.sample_groups import Counts, Groups, nearest_in_pieces

# Groups whose centroids may be merged with those of a group, itself included: at least so many, and
# as many as these multiplications allow.
_NEIGHBOURS, _COMPARED = 32, 5e11


def without_surplus(
    found: Sequence[Float64Array], groups: Groups, sample: Sampled, upper: Float64Array, k: int
) -> Float64Array:
    """Return the centroids (k, d) that are left when the closest are merged.

    Parameters
    ----------
    found : sequence of ndarray of shape (k_i, d), centroids of each group, at least k in all
    groups : Groups
    sample : Sampled
    upper : ndarray of shape (g, d), centroids of the groups
    k : int
    """
    centroids = np.concatenate(found)
    if len(centroids) <= k:
        return centroids
    edges = np.cumsum([0, *map(len, found)])
    numbers = [np.arange(a, b) for a, b in itertools.pairwise(edges.tolist())]
    share = _COMPARED / (float(len(centroids)) ** 2 * centroids.shape[1])
    beside = _nearest_groups(upper, max(_NEIGHBOURS, int(share * len(found))))
    parts = [_masses(groups.of(at, sample), own) for at, own in enumerate(found)]
    masses, origin = np.concatenate(parts), centroids.mean(axis=0)
    centroids -= origin

    def pairs(group: int) -> Counts:
        others = np.concatenate([numbers[each] for each in np.sort(beside[group])])
        return nearest_others(centroids, slice(*edges[group : group + 2]), others)

    with one_blas_thread():
        near = np.concatenate(list(in_threads(pairs, len(found))))
    left = merged_to(centroids, masses, near, k)
    left += origin
    return left


def _masses(sample: Sampled, centroids: Float64Array) -> Float64Array:
    """Return the weight (m,) of the rows of a sample that are nearest to each centroid."""
    if not len(centroids):
        return np.empty(0)
    labels, _ = nearest_in_pieces(sample.values, centroids)
    return np.bincount(labels, sample.estimates, minlength=len(centroids)).astype(np.float64)


def _nearest_groups(centroids: Float64Array, most: int) -> Counts:
    """Return the groups (g, most) that are nearest to each, itself included."""
    rows = [((centroids - own) ** 2).sum(axis=1) for own in centroids]
    return np.argsort(np.stack(rows), axis=1, kind="stable")[:, :most].astype(np.int64)
