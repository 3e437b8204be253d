"""Compiled loops for many features: scores by matrix products, sums cluster by cluster.

All that call each other are in this file, because Numba's cache looks no further when it asks
whether a kernel has changed.
"""

from __future__ import annotations

import numpy as np

from streamkm.kernels._jit import kernel
from streamkm.kernels._vectors import (
    fill,
    load,
    load_eight,
    lowest,
    minus,
    plus_times,
    store,
    sum_of,
    where_less,
)

PANEL = 128  # centroids of one matrix product: its scores of a strip stay in the L2 cache
LONG = 2**20  # bytes of the rows of a strip, but no fewer and no more than
FEWEST, MOST = 512, 1024  # rows


@kernel
def _load_along(x, origin, along, lengths):  # type: ignore[no-untyped-def]
    """Rows about the origin as `along` (n, d), and their squared lengths (n,)."""
    for i in range(len(x)):
        length = x.dtype.type(0)
        for j in range(x.shape[1]):
            value = x[i, j] - origin[j]
            along[i, j] = value
            length += value * value
        lengths[i] = length


@kernel
def _scan(along, scaled, norms, best, second, label, scores):  # type: ignore[no-untyped-def]
    """The lowest two scores, and the centroid of the lowest, a panel of centroids at a time."""
    width = len(along)
    one = along.dtype.type(1)
    infinity = along.dtype.type(np.inf)
    best[:width] = np.inf
    second[:width] = np.inf
    label[:width] = 0
    lanes = 64 // along.itemsize
    for first in range(0, norms.shape[1], PANEL):
        size = min(PANEL, norms.shape[1] - first)
        panel = scores[: width * size].reshape(width, size)
        np.dot(along, scaled[first : first + size].T, panel)
        for i in range(width):
            low = fill(infinity, load(norms, 0, first))
            next_low = low
            at = fill(np.int32(first), low)
            for p in range(0, size, lanes):
                score = plus_times(load(norms, 0, first + p), one, load(panel, i, p))
                at = where_less(score, low, fill(np.int32(first + p), low), at)
                higher = where_less(score, low, low, score)
                low = where_less(score, low, score, low)
                next_low = where_less(higher, next_low, higher, next_low)
            one_best, one_second, one_label = lowest(low, next_low, at)
            higher = max(one_best, best[i])
            second[i] = min(min(one_second, second[i]), higher)
            label[i] = one_label if one_best < best[i] else label[i]
            best[i] = min(one_best, best[i])


@kernel
def _direct(row, centroid):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(row.shape[0]):
        difference = np.float64(row[j]) - centroid[j]
        total += difference * difference
    return total


@kernel
def _decide_again(row, centroids):  # type: ignore[no-untyped-def]
    label = 0
    best = _direct(row, centroids[0])
    for c in range(1, len(centroids)):
        distance = _direct(row, centroids[c])
        if distance < best:
            best = distance
            label = c
    return label


@kernel
def _certain(x, slack, lengths, best, second, label, centroids):  # type: ignore[no-untyped-def]
    """Decide doubtful rows again, and make `second` how sure the others are."""
    for i in range(len(x)):
        # Not "gap <= bound": a row with a NaN is doubtful too.
        sure = second[i] - best[i] - (slack[0] + slack[1] * np.sqrt(lengths[i]))
        second[i] = sure if sure > 0 else 0
        if not sure > 0:
            label[i] = _decide_again(x[i], centroids)


@kernel
def _by_cluster(label, width, places, order):  # type: ignore[no-untyped-def]
    """Rows in the order of their labels, and within a cluster in their own."""
    places[:] = 0
    for i in range(width):
        places[label[i] + 1] += 1
    for c in range(1, len(places)):
        places[c] += places[c - 1]
    for i in range(width):
        order[places[label[i]]] = i
        places[label[i]] += 1


@kernel
def _gather(x, i, centroids, c, weight, sums):  # type: ignore[no-untyped-def]
    """The squared distance of a row; with `sums`, the row times its weight is added to them."""
    d = x.shape[1]
    whole = d - d % 8
    squares = fill(0.0, load_eight(centroids, c, 0))
    for j in range(0, whole, 8):
        value = load_eight(x, i, j)
        apart = minus(value, load_eight(centroids, c, j))
        squares = plus_times(squares, apart, apart)
        if sums is not None:
            store(sums, c, j, plus_times(load_eight(sums, c, j), weight, value))
    distance = sum_of(squares)
    for j in range(whole, d):
        value = np.float64(x[i, j])
        distance += (value - centroids[c, j]) ** 2
        if sums is not None:
            sums[c, j] += weight * value
    return distance


@kernel
def _settle(x, order, label, centroids, answer, total):  # type: ignore[no-untyped-def]
    """Write labels and distances and add to the total, whose clusters so stay in the L1 cache."""
    labels, d2 = answer
    loss = 0.0
    for t in range(len(x)):
        i = order[t]
        c = label[i]
        labels[i] = c
        if total is None:
            d2[i] = _gather(x, i, centroids, c, 1.0, None)
        else:
            weights, sums, counts = total
            w = weights[i]
            d2[i] = _gather(x, i, centroids, c, w, sums)
            counts[c] += w
            loss += w * d2[i]
    return loss


@kernel
def many_features(x, centroids, ready, answer, gaps, total):  # type: ignore[no-untyped-def]
    """Write a tile's answer (labels, d2) and gaps or None; add to the total; return the loss."""
    origin, scaled, norms, slack = ready
    labels, d2 = answer
    rows = min(max(LONG // (x.itemsize * x.shape[1]), FEWEST), MOST)
    wide = min(len(x), rows)
    along = np.empty((wide, x.shape[1]), x.dtype)
    lengths = np.empty(wide, x.dtype)
    best, second = np.empty(wide, x.dtype), np.empty(wide, x.dtype)
    label, order = np.empty(wide, np.int32), np.empty(wide, np.int32)
    places = np.empty(len(centroids) + 1, np.int32)
    scores = np.empty(min(norms.shape[1], PANEL) * wide, x.dtype)
    loss = 0.0
    for start in range(0, len(x), wide):
        stop = min(start + wide, len(x))
        width = stop - start
        part = x[start:stop]
        _load_along(part, origin, along, lengths)
        _scan(along[:width], scaled, norms, best, second, label, scores)
        _certain(part, slack, lengths, best, second, label, centroids)
        _by_cluster(label, width, places, order)
        mine = (labels[start:stop], d2[start:stop])
        if total is None:
            _settle(part, order, label, centroids, mine, None)
        else:
            weights, sums, counts = total
            its = (weights[start:stop], sums, counts)
            loss += _settle(part, order, label, centroids, mine, its)
        if gaps is not None:
            gaps[start:stop] = second[:width]
    return loss


@kernel
def squared_distances(x, centroids, out):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        for c in range(centroids.shape[0]):
            out[i, c] = _direct(x[i], centroids[c])
