"""Centroids by repeatedly splitting the cluster with the largest loss in two.

Var-Part (Su and Dy, "In search of deterministic methods for initializing k-means and Gaussian
mixture clustering", Intelligent Data Analysis 11(4), 2007): the cluster with the largest sum of
squared errors is split at its mean along the axis of its largest variance. The algorithm is
deterministic. A point is visited once for each split of its cluster, about log k times.
"""

from __future__ import annotations

import heapq

import numpy as np

from streamkm.arrays import Float64Array, FloatArray
from streamkm.kernels._jit import kernel


@kernel
def _divide(points, span, cut, about, places, aside, moments, totals):  # type: ignore[no-untyped-def]
    """Move the points of a span that are not above a cut to its front; return their end.

    Inputs are points (values, weights), span (first, last) of places, cut (axis, height), and about
    (d,). Outputs are places, moments (2, 2, d) with the sums and squares of both sides about the
    point, totals (2,) with their weights, and the scratch array `aside`.
    """
    values, weights = points
    axis, height = cut
    moments[:] = 0.0
    totals[:] = 0.0
    low, high = span[0], 0
    for i in range(span[0], span[1]):
        at = places[i]
        side = 1 if np.float64(values[at, axis]) > height else 0
        w = weights[at]
        totals[side] += w
        for j in range(values.shape[1]):
            apart = np.float64(values[at, j]) - about[j]
            moments[side, 0, j] += w * apart
            moments[side, 1, j] += w * apart * apart
        # Written to both sides, and only one position advances: no branch to mispredict.
        places[low] = at
        aside[high] = at
        low += 1 - side
        high += side
    places[low : span[1]] = aside[:high]
    return low


@kernel
def _widest(values, places, first, last):  # type: ignore[no-untyped-def]
    """Return the axis of the largest range, the range, and the smallest value on it."""
    axis, width, least = 0, 0.0, 0.0
    for j in range(values.shape[1]):
        low = high = np.float64(values[places[first], j])
        for i in range(first + 1, last):
            value = np.float64(values[places[i], j])
            low = min(low, value)
            high = max(high, value)
        if high - low > width:
            axis, width, least = j, high - low, low
    return axis, width, least


@kernel
def _describe(moments, weight, about, mean):  # type: ignore[no-untyped-def]
    """Return the sum of squared errors of a side and the axis with most of it; write its mean."""
    total, axis, most = 0.0, 0, -1.0
    for j in range(len(mean)):
        moved = moments[0, j] / weight
        mean[j] = about[j] + moved
        error = max(0.0, moments[1, j] - moments[0, j] * moved)
        total += error
        if error > most:
            axis, most = j, error
    return total, axis


@kernel
def _split(points, k, centroids):  # type: ignore[no-untyped-def]
    n, d = points[0].shape
    places, aside = np.arange(n), np.empty(n, np.int64)
    moments, totals = np.empty((2, 2, d)), np.empty(2)
    edges, axes = np.empty((k, 2), np.int64), np.empty(k, np.int64)
    edges[0, 0], edges[0, 1] = 0, n
    about = points[0][0].astype(np.float64)
    _divide(points, (0, n), (0, np.inf), about, places, aside, moments, totals)
    error, axes[0] = _describe(moments[0], totals[0], about, centroids[0])
    worst = [(-error, np.int64(0))]
    count = 1
    while count < k and len(worst) > 0:
        _, c = heapq.heappop(worst)
        span = (edges[c, 0], edges[c, 1])
        about[:] = centroids[c]
        cut = (axes[c], about[axes[c]])
        middle = _divide(points, span, cut, about, places, aside, moments, totals)
        if middle == span[0] or middle == span[1]:
            # Means and small variances are rounded, so check that the values differ at all.
            axis, width, least = _widest(points[0], places, span[0], span[1])
            if not width > 0:
                continue
            cut = (axis, least)
            middle = _divide(points, span, cut, about, places, aside, moments, totals)
        edges[c, 1] = middle
        edges[count, 0], edges[count, 1] = middle, span[1]
        for side, into in ((0, c), (1, count)):
            error, axes[into] = _describe(moments[side], totals[side], about, centroids[into])
            if edges[into, 1] - edges[into, 0] > 1:
                heapq.heappush(worst, (-error, np.int64(into)))
        count += 1
    return count


def split(values: FloatArray, weights: Float64Array, k: int) -> Float64Array:
    """Return the means of the clusters of points that are split until there are k.

    Parameters
    ----------
    values : ndarray of shape (n, d), float32 or float64, finite; n > 0
    weights : ndarray of shape (n,), positive
    k : int

    Returns
    -------
    ndarray of shape (k, d), float64; fewer rows where fewer points are distinct
    """
    centroids = np.empty((min(k, len(values)), values.shape[1]))
    points = (np.ascontiguousarray(values), np.ascontiguousarray(weights, np.float64))
    return centroids[: _split(points, len(centroids), centroids)]
