"""Slow reference implementations in plain NumPy, without imports of streamkm."""

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
    """Plain Lloyd; return the centroids and the inertia before each iteration."""
    steps = []
    for _ in range(iterations):
        steps.append((centroids, inertia(x, centroids)))
        new = means(x, labels(x, centroids), len(centroids))
        centroids = np.where(np.isnan(new), centroids, new)
    return steps


def observed_distances(x, centroids):
    """Squared distances over observed values; gaps are NaN."""
    return np.nansum((np.asarray(x, np.float64)[:, None, :] - centroids[None]) ** 2, axis=2)


def observed_means(x, of_row, centroids, weights=None):
    """The limit of filling gaps with the centroid of the row and taking means (k-POD)."""
    weights = np.ones(len(x)) if weights is None else weights
    means = np.array(centroids, np.float64)
    for c in range(len(centroids)):
        for f in range(x.shape[1]):
            mine = (of_row == c) & ~np.isnan(x[:, f]) & (weights > 0)
            if mine.any():
                means[c, f] = (weights[mine] * x[mine, f]).sum() / weights[mine].sum()
    return means


def k_pod(x, centroids, iterations, weights=None):
    """k-means of rows with gaps; return the centroids and the loss before each iteration."""
    steps = []
    for _ in range(iterations):
        d2 = observed_distances(x, centroids)
        loss = (d2.min(axis=1) * (1 if weights is None else weights)).sum()
        steps.append((centroids, float(loss)))
        centroids = observed_means(x, d2.argmin(axis=1), centroids, weights)
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


def mini_batches(x, centroids, batches, weights=None, ratio=0.0, drawn=None):
    """Mini-batch k-means (Sculley 2010), one row at a time.

    `batches` lists the row numbers of each step; `drawn(step)` gives the row numbers that replace
    clusters of low counts, in order. Returns the centroids, counts and mean loss of each step.
    """
    x = np.asarray(x, np.float64)
    weights = np.ones(len(x)) if weights is None else weights
    centroids = np.array(centroids, np.float64)
    k, counts, since, steps = len(centroids), np.zeros(len(centroids)), 0, []
    for step, batch in enumerate(batches):
        since += len(batch)
        due = counts.min() == 0 or since >= 10 * k
        since = 0 if due else since
        of_row, before = labels(x[batch], centroids), centroids.copy()
        loss = float((weights[batch] * ((x[batch] - before[of_row]) ** 2).sum(axis=1)).sum())
        for row, c in zip(batch, of_row, strict=True):
            if weights[row] > 0:
                counts[c] += weights[row]
                centroids[c] += (x[row] - centroids[c]) * weights[row] / counts[c]
        if due and ratio > 0:
            low = [c for c in np.argsort(counts, kind="stable") if counts[c] < ratio * counts.max()]
            low = sorted(low[: len(batch) // 2])
            smallest = min(counts[c] for c in range(k) if c not in low)
            for c, row in zip(low, drawn(step), strict=False):
                centroids[c], counts[c] = x[row], smallest
        steps.append((centroids.copy(), counts.copy(), loss / weights[batch].sum()))
    return steps
