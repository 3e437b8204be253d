"""Weighted k-means of a few points in memory: what remains of a seeding when the reads are done."""

from __future__ import annotations

import numpy as np

from streamkm.kernels import squared_distances
from streamkm.passes import Lloyd
from streamkm.rows import Block
from streamkm.seeding.base import Array

_TRIALS = 8
_TRIAL_FLOPS = 4e9  # of all the starts together: seconds, also for thousands of candidates
_ITERATIONS = 30
_STREAM = 2**63  # of the in-memory draws, apart from those of any row


def recluster(points: Array, weights: Array, k: int, seed: int) -> Array:
    """The best of several greedy k-means++ starts, each polished by Lloyd's steps.

    Parameters
    ----------
    points : ndarray of shape (m, d), m >= k distinct points
    weights : ndarray of shape (m,), positive
    k, seed : int

    Returns
    -------
    ndarray of shape (k, d)
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, _STREAM]))
    block = Block.of(points, weights)
    best, lowest = points[:k], np.inf
    affordable = int(_TRIAL_FLOPS / (points.size * k))
    for _ in range(min(_TRIALS, max(1, affordable)) if len(points) > k else 1):
        centroids = _greedy_plusplus(points, weights, k, rng)
        for _ in range(_ITERATIONS):
            assigned = Lloyd(centroids)(block)
            means = assigned.means(otherwise=centroids)
            if np.array_equal(means, centroids):
                break
            centroids = means
        loss = Lloyd(centroids)(block).loss
        if loss < lowest:
            best, lowest = centroids, loss
    return best


def _greedy_plusplus(points: Array, weights: Array, k: int, rng: np.random.Generator) -> Array:
    """k-means++ that keeps the best of 2 + log k draws at every step, as scikit-learn's does."""
    trials = 2 + int(np.log(k))
    first = rng.choice(len(points), p=weights / weights.sum())
    chosen = [int(first)]
    d2 = squared_distances(points, points[first : first + 1])[:, 0]
    while len(chosen) < k:
        potential = weights * d2
        total = potential.sum()
        if not total > 0:
            rest = np.setdiff1d(np.arange(len(points)), chosen)
            chosen.extend(rest[: k - len(chosen)].tolist())
            break
        drawn = np.searchsorted(np.cumsum(potential), rng.random(trials) * total)
        drawn = np.minimum(drawn, len(points) - 1)
        closer = np.minimum(d2, squared_distances(points, points[drawn]).T)
        winner = int(np.argmin(closer @ weights))
        chosen.append(int(drawn[winner]))
        d2 = closer[winner]
    return points[chosen]
