"""Merging of surplus centroids by Ward's criterion (J. Am. Stat. Assoc. 58, 1963).

The merge of two centroids of masses m and n raises the loss of their rows by m n / (m + n) times
their squared distance. The merges of the least increases are made, one after another, among the
pairs of each centroid with the `NEAR` others that are nearest to it.
"""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array

NEAR = 32
_PRODUCT = 2**20  # numbers of a product
Numbers = npt.NDArray[np.int64]


def nearest_others(centroids: Float64Array, own: slice, others: Numbers) -> Numbers:
    """Return, for some centroids, the nearest others (n, NEAR), nearest first.

    The least increases would favour centroids of a small mass, which soon become others. A row that
    has fewer others ends with its own number.

    Parameters
    ----------
    centroids : ndarray of shape (m, d)
    own : slice of the n centroids
    others : ndarray of int64, numbers of the centroids that are compared with them
    """
    there = centroids[others]
    squares = (there * there).sum(axis=1)
    width, step = min(NEAR, len(others)), max(1, _PRODUCT // max(1, len(others)))
    found = np.repeat(np.arange(own.start, own.stop)[:, None], NEAR, axis=1)
    for start in range(own.start, own.stop, step):
        at = np.arange(start, min(start + step, own.stop))
        here = centroids[at]
        apart = (here * here).sum(axis=1)[:, None] + squares - 2 * (here @ there.T)
        apart[at[:, None] == others] = np.inf
        least = np.argpartition(apart, width - 1, axis=1)[:, :width]
        order = np.argsort(np.take_along_axis(apart, least, axis=1), axis=1, kind="stable")
        least = np.take_along_axis(least, order, axis=1)
        finite = np.isfinite(np.take_along_axis(apart, least, axis=1))
        part = found[at - own.start, :width]
        found[at - own.start, :width] = np.where(finite, others[least], part)
    return found


def merged_to(centroids: Float64Array, masses: Float64Array, near: Numbers, k: int) -> Float64Array:
    """Merge centroids, in place, until k are left (k, d), which are copied.

    A merge lowers no increase of a merged centroid below that of both (Ward's criterion is
    reducible), so an entry of the queue is a lower bound, and is corrected when it is the least.

    Parameters
    ----------
    centroids : ndarray of shape (m, d)
    masses : ndarray of shape (m,)
    near : ndarray of shape (m, NEAR), as of `nearest_others`; changed in place, too
    k : int, at most m
    """
    merging = _Merging(centroids, masses.astype(np.float64), near)
    queue = [entry for at in range(len(centroids)) if (entry := merging.best(at)) is not None]
    heapq.heapify(queue)
    surplus = len(centroids) - k
    while surplus and queue:
        _, into, gone, version = heapq.heappop(queue)
        if not merging.left[into]:
            continue
        if merging.versions[into] + merging.versions[gone] == version and merging.left[gone]:
            merging.merge(into, gone)
            surplus -= 1
        entry = merging.best(into)
        if entry is not None:
            heapq.heappush(queue, entry)
    left = np.flatnonzero(merging.left)
    if surplus:  # the pairs do not connect enough centroids
        left = np.sort(left[np.argsort(-merging.masses[left], kind="stable")[:k]])
    return np.ascontiguousarray(merging.centroids[left])


class _Merging:
    """Centroids of which some are merged; `parents` leads from a merged one to what it became."""

    def __init__(self, centroids: Float64Array, masses: Float64Array, near: Numbers) -> None:
        self.centroids, self.masses, self.near = centroids, masses, near
        self.left = np.ones(len(masses), bool)
        self.versions = np.zeros(len(masses), np.int64)
        self.parents = np.arange(len(masses))

    def best(self, at: int) -> tuple[float, int, int, int] | None:
        """Return the least increase by a merge of a centroid, both numbers, and their versions."""
        others = self._others(self.near[at], at)
        if not len(others):
            return None
        increases = self._increases(at, others)
        place = int(increases.argmin())
        other = int(others[place])
        return float(increases[place]), at, other, int(self.versions[at] + self.versions[other])

    def merge(self, into: int, gone: int) -> None:
        total = self.masses[into] + self.masses[gone]
        share = self.masses[gone] / total if total > 0 else 0.5
        self.centroids[into] += share * (self.centroids[gone] - self.centroids[into])
        self.masses[into] = total
        self.left[gone], self.parents[gone] = False, into
        self.versions[into] += 1
        others = self._others(np.concatenate([self.near[into], self.near[gone]]), into)
        order = np.argsort(self._increases(into, others), kind="stable")[:NEAR]
        self.near[into] = into
        self.near[into, : len(order)] = others[order]

    def _others(self, numbers: Numbers, own: int) -> Numbers:
        """Return what the centroids of these numbers have become, without `own`."""
        while not self.left[numbers].all():
            numbers = self.parents[numbers]
        others: Numbers = np.unique(numbers[numbers != own])
        return others

    def _increases(self, at: int, others: Numbers) -> Float64Array:
        apart = ((self.centroids[others] - self.centroids[at]) ** 2).sum(axis=1)
        return np.asarray(apart * _reduced(self.masses[at], self.masses[others]))


def _reduced(a: AnyArray, b: AnyArray) -> Float64Array:
    """Return a b / (a + b), and 0 where both are 0."""
    both = a + b
    return np.asarray(np.divide(a * b, both, out=np.zeros_like(both), where=both > 0))
