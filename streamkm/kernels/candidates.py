"""The clusters of the least sums of squared distance and price of each row."""

from __future__ import annotations

import numpy as np

from streamkm.arrays import Float64Array, FloatArray, Int32Array
from streamkm.kernels._jit import kernel
from streamkm.kernels.blas import one_blas_thread

_STRIP = 64  # rows of one matrix product


def cheapest(
    x: FloatArray, centroids: Float64Array, prices: Float64Array, labels: Int32Array, width: int
) -> tuple[Int32Array, Float64Array]:
    """Return candidate clusters of rows, and the squared distances of their centroids.

    Parameters
    ----------
    x : ndarray of shape (n, d)
    centroids : ndarray of shape (k, d)
    prices : ndarray of shape (k,)
    labels : ndarray of shape (n,), a cluster of each row with the least sum
    width : int, number of candidates, at most k

    Returns
    -------
    clusters : ndarray of shape (n, width), by ascending sum; the first is the label
    costs : ndarray of shape (n, width), float64
    """
    origin = centroids.mean(axis=0)
    apart = centroids - origin
    scores = np.square(apart).sum(axis=1) + prices
    clusters, costs = np.empty((len(x), width), np.int32), np.empty((len(x), width))
    with one_blas_thread():
        _cheapest(
            x, (centroids, prices, origin), (-2 * apart.T).copy(), scores, labels, clusters, costs
        )
    return clusters, costs


def distances_to(x: FloatArray, centroids: Float64Array, clusters: Int32Array) -> Float64Array:
    """Return the squared distances (n, t) of rows from the centroids of their candidates (n, t)."""
    costs = np.empty(clusters.shape)
    _distances_to(x, centroids, clusters, costs)
    return costs


@kernel
def _direct(row, centroid):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(row.shape[0]):
        difference = np.float64(row[j]) - centroid[j]
        total += difference * difference
    return total


@kernel
def _distances_to(x, centroids, clusters, costs):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        for t in range(clusters.shape[1]):
            costs[i, t] = _direct(x[i], centroids[clusters[i, t]])


@kernel
def _insert(key, cluster, keys, clusters, last):  # type: ignore[no-untyped-def]
    """Insert an entry in front of larger ones, of which the one at `last` is lost."""
    at = last
    while at > 0 and keys[at - 1] > key:
        keys[at] = keys[at - 1]
        clusters[at] = clusters[at - 1]
        at -= 1
    keys[at] = key
    clusters[at] = cluster


@kernel
def _lowest(scores, others, label, keys, clusters):  # type: ignore[no-untyped-def]
    """Write the label, and the clusters of the lowest scores beside it."""
    last = len(clusters) - 1
    keys[:] = np.inf
    keys[0], clusters[0] = -np.inf, label
    for c in range(len(scores)):
        key = scores[c] + others[c]
        if key < keys[last] and c != label:
            _insert(key, c, keys, clusters, last)


@kernel
def _cheapest(x, known, turned, lengths, labels, clusters, costs):  # type: ignore[no-untyped-def]
    """Products select the candidates; their distances and order are those of differences."""
    centroids, prices, origin = known
    width = clusters.shape[1]
    keys, found = np.empty(width), np.empty(width, np.int32)
    strip, scores = np.zeros((_STRIP, x.shape[1])), np.empty((_STRIP, len(lengths)))
    for start in range(0, len(x), _STRIP):
        n = min(_STRIP, len(x) - start)
        for i in range(n):
            for j in range(x.shape[1]):
                strip[i, j] = np.float64(x[start + i, j]) - origin[j]
        np.dot(strip, turned, scores)
        for i in range(n):
            row = start + i
            _lowest(scores[i], lengths, labels[row], keys, found)
            keys[1:] = np.inf
            clusters[row, 0] = labels[row]
            for t in range(1, width):
                c = found[t]
                _insert(_direct(x[row], centroids[c]) + prices[c], c, keys, clusters[row], t)
            for t in range(width):
                costs[row, t] = _direct(x[row], centroids[clusters[row, t]])
