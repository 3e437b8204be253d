"""How clusters change between two solutions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamkm.arrays import Float64Array
from streamkm.kernels import squared_distances
from streamkm.rows import read_only
from streamkm.seeding.coreset import nearest_rows

_ROWS = 1024  # centroids whose distances to all others are computed at once

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Drift:
    """The changes from k' earlier clusters to k clusters.

    Two clusters are the same if their centroids are a pair (see `pairs`) and no farther apart than
    each of them is from the nearest other centroid of its own solution. An earlier cluster that is
    the same as no cluster died, and a cluster that is the same as no earlier one appeared.

    Parameters
    ----------
    match : ndarray of shape (k,), int64
        Number of the same earlier cluster; -1 for clusters that appeared.
    moved : ndarray of shape (k,), float64
        Euclidean distance of the centroid from that of the same earlier cluster, in units of the
        data; NaN for clusters that appeared.
    share_before : ndarray of shape (k',), float64
        Share of each earlier cluster in the weight of all rows.
    share_after : ndarray of shape (k,), float64
        Share of each cluster in the weight of all rows.
    """

    match: Numbers
    moved: Float64Array
    share_before: Float64Array
    share_after: Float64Array

    @property
    def appeared(self) -> Numbers:
        """Numbers of the clusters that appeared, ascending."""
        return np.flatnonzero(self.match < 0)

    @property
    def died(self) -> Numbers:
        """Numbers of the earlier clusters that died, ascending."""
        return np.setdiff1d(np.arange(len(self.share_before)), self.match)

    def reordered(self, order: Numbers) -> Drift:
        """Return the changes with the later clusters in another order."""
        return Drift(
            self.match[order], self.moved[order], self.share_before, self.share_after[order]
        )


def compare(
    before: Float64Array, counts_before: Float64Array, after: Float64Array, counts: Float64Array
) -> Drift:
    """Return the changes between centroids (k', d) and (k, d) with counts (k',) and (k,)."""
    match, moved = np.full(len(after), -1, np.int64), np.full(len(after), np.nan)
    old, new = pairs(before, after)
    apart = np.linalg.norm(after[new] - before[old], axis=1)
    same = apart <= np.minimum(_gaps(before)[old], _gaps(after)[new])
    match[new[same]], moved[new[same]] = old[same], apart[same]
    return Drift(match, moved, _shares(counts_before), _shares(counts))


def pairs(before: Float64Array, after: Float64Array) -> tuple[Numbers, Numbers]:
    """Pair centroids (k', d) and (k, d) one to one; return their numbers, min(k', k) each.

    Centroids that are nearest to each other are paired first, the others so that the sum of their
    squared distances is least. Without the first step, a cluster that dies at one end of a row of
    clusters while another appears at the other end would shift all numbers by one.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import, and rarely needed

    there, _ = nearest_rows(before, after)
    back, _ = nearest_rows(after, before)
    old = np.flatnonzero(back[there] == np.arange(len(before)))
    new = there[old].astype(np.int64)
    left = np.setdiff1d(np.arange(len(before)), old)
    right = np.setdiff1d(np.arange(len(after)), new)
    apart = squared_distances(read_only(before[left]), read_only(after[right]))
    rows, columns = linear_sum_assignment(apart)
    return np.concatenate([old, left[rows]]), np.concatenate([new, right[columns]])


def _gaps(centroids: Float64Array) -> Float64Array:
    """Return the distance of each centroid (k, d) to the nearest other one; inf for a single."""
    found = np.empty(len(centroids))
    for start in range(0, len(centroids), _ROWS):
        own = slice(start, start + _ROWS)
        d2 = squared_distances(read_only(centroids[own]), read_only(centroids))
        d2[np.arange(len(d2)), start + np.arange(len(d2))] = np.inf
        found[own] = d2.min(axis=1)
    return np.sqrt(found)


def _shares(counts: Float64Array) -> Float64Array:
    total = float(counts.sum())
    return counts / total if total > 0 else np.zeros(len(counts))
