"""The slow oracle: what every answer should be, in plain NumPy. Imports nothing of streamkm."""

from __future__ import annotations

import numpy as np


def squared_distances(x, centroids):
    x = np.asarray(x, np.float64)
    return ((x[:, None, :] - np.asarray(centroids, np.float64)[None]) ** 2).sum(axis=2)


def labels(x, centroids):
    return squared_distances(x, centroids).argmin(axis=1)


def inertia(x, centroids, weights=None):
    nearest = squared_distances(x, centroids).min(axis=1)
    return float((nearest if weights is None else nearest * weights).sum())


def means(x, of_row, k, weights=None):
    x = np.asarray(x, np.float64)
    weights = np.ones(len(x)) if weights is None else weights
    out = np.full((k, x.shape[1]), np.nan)
    for c in range(k):
        mine = of_row == c
        if weights[mine].sum() > 0:
            out[c] = (weights[mine, None] * x[mine]).sum(axis=0) / weights[mine].sum()
    return out


def lloyd(x, centroids, iterations):
    """Plain Lloyd; the centroids and inertia that entered each iteration."""
    steps = []
    for _ in range(iterations):
        steps.append((centroids, inertia(x, centroids)))
        new = means(x, labels(x, centroids), len(centroids))
        centroids = np.where(np.isnan(new), centroids, new)
    return steps


def draws(rows, seed, stream):
    """Exponential draws of row numbers from NumPy's own Philox."""
    words = np.random.Philox(key=[seed, stream]).random_raw(int(max(rows)) + 1)[rows]
    return -np.log(((words >> np.uint64(11)) + 0.5) * 2.0**-53)


def farthest_first(x, first, k):
    chosen = [first]
    while len(chosen) < k:
        chosen.append(int(squared_distances(x, x[chosen]).min(axis=1).argmax()))
    return np.asarray(x, np.float64)[chosen]
