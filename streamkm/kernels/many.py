"""Compiled loops for many features: scores by products, labels, distances, sums.

Functions that call each other are in one file, because Numba's cache checks only that file for
changes.
"""

from __future__ import annotations

import numpy as np

from streamkm.kernels._jit import kernel
from streamkm.kernels._products import GROUP, LAST, PANEL, lowest_of, products
from streamkm.kernels._settling import measured, settle
from streamkm.kernels._vectors import fill, load, load_like, store, where_less

# Hash of the included files, which must change with them, because Numba's cache checks only this
# file [a test compares them].
INCLUDED = "5bfcb5770d2f942b"
STRIP = 240  # most rows of a strip
UNIT = 12  # a strip has a multiple of these rows, which is a multiple of each machine's group
STRIP_NBYTES = 2**19  # size of a strip, which stays in the L2 cache


@kernel
def _move(x, start, width, origin, moved):  # type: ignore[no-untyped-def]
    """Write the rows of a strip minus the origin to `moved` (n, d)."""
    for i in range(width):
        for j in range(x.shape[1]):
            moved[i, j] = x[start + i, j] - origin[j]


@kernel
def _panel(rows, which, at, ready, first, scores):  # type: ignore[no-untyped-def]
    """Write the scores of a group of rows of a panel; return the number of its vectors.

    `rows` is (x, start, moved, whether the moved rows are used).
    """
    packed, norms = ready[2], ready[3]
    if (first + len(PANEL)) * (64 // norms.itemsize) <= len(norms):
        products(rows, which, at, (packed, norms), first, scores, (GROUP, PANEL))
        return len(PANEL)
    products(rows, which, at, (packed, norms), first, scores, (GROUP, LAST))
    return len(LAST)


@kernel
def _scan(rows, which, n, ready, scores, best, second, label):  # type: ignore[no-untyped-def]
    """Write the two lowest scores and the vector of centroids of the lowest, for each lane."""
    lanes = 64 // scores.itemsize
    one = load(scores, 0, 0)
    for first in range(0, len(ready[3]) // lanes, len(PANEL)):
        for group in range(0, n, len(GROUP)):
            n_vectors = _panel(rows, which, group, ready, first, scores)
            for r in range(len(GROUP)):
                i = (group + r) * lanes
                low, next_low = load_like(best, i, one), load_like(second, i, one)
                at = load_like(label, i, one)
                for v in range(n_vectors):
                    score = load(scores, r, v * lanes)
                    at = where_less(score, low, fill(np.int32((first + v) * lanes), low), at)
                    higher = where_less(score, low, low, score)
                    low = where_less(score, low, score, low)
                    next_low = where_less(higher, next_low, higher, next_low)
                store(best, i, low)
                store(second, i, next_low)
                store(label, i, at)


@kernel
def _certain(rows, width, slack, lowest, found):  # type: ignore[no-untyped-def]
    """Write labels, lower bounds of gaps, lowest scores and error bounds of the rows of a strip.

    The label of a row in doubt is -1. The error bound is that of the difference of two scores.
    """
    (x, start, moved, use), (label, sure, low, bound) = rows, found
    best, second, vector = lowest
    for i in range(width):
        length = x.dtype.type(0)
        if use:
            for j in range(x.shape[1]):
                length += moved[i, j] * moved[i, j]
        else:
            for j in range(x.shape[1]):
                length += x[start + i, j] * x[start + i, j]
        error = slack[0] + slack[1] * np.sqrt(length) + slack[2] * length
        low[i], following, chosen = lowest_of(best, second, vector, i * (64 // x.itemsize))
        # "gap <= bound" would be false for NaN; such rows are in doubt, too.
        sure[i] = following - low[i] - error
        label[i] = chosen if sure[i] > 0 else -1
        bound[i] = error


@kernel
def _decide_again(rows, centroids, ready, which, scores, found):  # type: ignore[no-untyped-def]
    """Write the labels of rows in doubt, by direct distances to the centroids within their bounds.

    Many long rows are in doubt, and all k distances of such a row would cost far more than its
    scores, which are computed again.
    """
    x, start = rows[0], rows[1]
    label, _, low, bound = found
    lanes, nearest = 64 // x.itemsize, np.empty(len(GROUP))
    for group in range(0, len(which), len(GROUP)):
        nearest[:] = np.inf
        for first in range(0, len(ready[3]) // lanes, len(PANEL)):
            n_scores = _panel(rows, which, group, ready, first, scores) * lanes
            n_scores = min(n_scores, len(centroids) - first * lanes)
            for r in range(len(GROUP)):
                i = which[group + r]
                for v in range(n_scores):
                    # "score <= ..." would be false for NaN; such scores are in doubt, too.
                    if not scores[r, v] - low[i] > bound[i]:
                        c = first * lanes + v
                        distance = measured(x, start + i, centroids, c, None)
                        if distance < nearest[r]:
                            nearest[r] = distance
                            label[i] = c


@kernel
def many_features(x, centroids, ready, answer, gaps, total):  # type: ignore[no-untyped-def]
    """Write a tile's answer (labels, d2) and gaps or None; add to the total; return the loss.

    `ready` is (origin, whether rows are moved to it, packed centroids, norms, slack).
    """
    lanes, group = 64 // x.itemsize, len(GROUP)
    most = max(UNIT, min(STRIP, STRIP_NBYTES // (x.itemsize * x.shape[1])) // UNIT * UNIT)
    strips = max(1, -(-len(x) // most))
    step = UNIT * max(1, -(-len(x) // (strips * UNIT)))  # strips of similar sizes
    moved = np.empty((step if ready[1] else 1, x.shape[1]), x.dtype)
    best, second = np.empty(step * lanes, x.dtype), np.empty(step * lanes, x.dtype)
    vector = np.empty(step * lanes, np.int32)
    label, sure = np.empty(step, np.int32), np.empty(step, x.dtype)
    low, bound = np.empty(step, x.dtype), np.empty(step, x.dtype)
    scores = np.empty((group, lanes * len(PANEL)), x.dtype)
    which = np.empty(step, np.int64)
    found, lowest = (label, sure, low, bound), (best, second, vector)
    loss = 0.0
    for start in range(0, len(x), step):
        width = min(step, len(x) - start)
        if ready[1]:
            _move(x, start, width, ready[0], moved)
        rows = (x, start, moved, ready[1])
        for i in range(step):
            which[i] = min(i, width - 1)
        best[:] = np.inf
        second[:] = np.inf
        vector[:] = 0
        _scan(rows, which, width, ready, scores, best, second, vector)
        _certain(rows, width, ready[4], lowest, found)
        n_doubts = 0
        for i in range(width):
            if label[i] < 0:
                label[i] = 0
                which[n_doubts] = i
                n_doubts += 1
        if n_doubts > 0:
            whole = group * -(-n_doubts // group)
            which[n_doubts:whole] = which[n_doubts - 1]
            _decide_again(rows, centroids, ready, which[:whole], scores, found)
        loss += settle(x, start, width, (label, sure), centroids, answer, gaps, total)
    return loss


@kernel
def _direct(row, centroid):  # type: ignore[no-untyped-def]
    """Return the squared distance in float64, by differences."""
    total = 0.0
    for j in range(row.shape[0]):
        difference = np.float64(row[j]) - centroid[j]
        total += difference * difference
    return total


@kernel
def squared_distances(x, centroids, out):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        for c in range(centroids.shape[0]):
            out[i, c] = _direct(x[i], centroids[c])
