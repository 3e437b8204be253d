"""Compiled loops for many features: scores by matrix products, labels, distances, sums.

Functions that call each other are in one file, because Numba's cache checks only that file for
changes.
"""

from __future__ import annotations

import numpy as np

from streamkm.kernels._jit import kernel
from streamkm.kernels._settling import measured, settle
from streamkm.kernels._vectors import fill, load, load_like, plus_times, store, where_less

# Hash of the included files, which must change with them, because Numba's cache checks only this
# file [a test compares them].
INCLUDED = "c4aed95d78d49861"
PANEL = 512  # most centroids of one matrix product, whose scores for a strip stay near the L2 cache
STRIP = 256  # most rows of one matrix product


@kernel
def _load_along(x, start, width, origin, along, lengths):  # type: ignore[no-untyped-def]
    """Write the rows minus the origin to `along` (n, d), and their squared lengths (n,)."""
    for i in range(width):
        length = x.dtype.type(0)
        for j in range(x.shape[1]):
            value = x[start + i, j] - origin[j]
            along[i, j] = value
            length += value * value
        lengths[i] = length


@kernel
def _scan(along, scaled, norms, best, second, label, scores):  # type: ignore[no-untyped-def]
    """Write the two lowest scores of each row, and the centroid of the lowest.

    `scores` holds the scores of one panel of centroids at a time, and of the last one at the end.
    """
    one = scores.dtype.type(1)
    for first in range(0, len(norms), PANEL):
        size = min(PANEL, len(norms) - first)
        panel = scores[:size]
        np.dot(scaled[first : first + size], along.T, panel)
        for i in range(0, len(best), 64 // panel.itemsize):
            like = load(panel, 0, i)
            low, next_low = load_like(best, i, like), load_like(second, i, like)
            at = load_like(label, i, like)
            for p in range(size):
                c = first + p
                score = plus_times(fill(norms[c], low), one, load(panel, p, i))
                at = where_less(score, low, fill(np.int32(c), low), at)
                higher = where_less(score, low, low, score)
                low = where_less(score, low, score, low)
                next_low = where_less(higher, next_low, higher, next_low)
            store(best, i, low)
            store(second, i, next_low)
            store(label, i, at)


@kernel
def _certain(slack, lengths, best, second, label):  # type: ignore[no-untyped-def]
    """Set the label of rows in doubt to -1, and `second` to the gap of the other rows.

    `lengths` is overwritten with the error bound of the difference of two scores of a row.
    """
    for i in range(len(best)):
        bound = slack[0] + slack[1] * np.sqrt(lengths[i]) + slack[2] * lengths[i]
        # "gap <= bound" would be false for NaN; such rows are in doubt, too.
        sure = second[i] - best[i] - bound
        label[i] = label[i] if sure > 0 else -1
        second[i] = sure
        lengths[i] = bound


@kernel
def _decide_again(x, at, bound, centroids, norms, scores):  # type: ignore[no-untyped-def]
    """Return the label of row x[at] by direct distances to the centroids within its score's bound.

    `scores` do not contain the norms. Many long rows are in doubt, and all k distances of such a
    row would cost far more than its scores.
    """
    lowest = scores[0] + norms[0]
    for c in range(len(centroids)):
        scores[c] += norms[c]
        lowest = scores[c] if scores[c] < lowest else lowest
    label = 0
    best = np.inf
    for c in range(len(centroids)):
        # "score <= ..." would be false for NaN; such scores are in doubt, too.
        if not scores[c] - lowest > bound:
            distance = measured(x, at, centroids, c, None)
            if distance < best:
                best = distance
                label = c
    return label


@kernel
def many_features(x, centroids, ready, answer, gaps, total):  # type: ignore[no-untyped-def]
    """Write a tile's answer (labels, d2) and gaps or None; add to the total; return the loss."""
    origin, scaled, norms, slack = ready
    strips = max(1, -(-len(x) // STRIP))
    lanes = 64 // x.itemsize
    # Strips of similar sizes, so that the last is padded little, and of whole vectors.
    wide = lanes * -(-len(x) // (strips * lanes))
    along = np.empty((wide, x.shape[1]), x.dtype)
    lengths = np.empty(wide, x.dtype)
    best, second = np.empty(wide, x.dtype), np.empty(wide, x.dtype)
    label = np.empty(wide, np.int32)
    scores = np.empty((min(len(norms), PANEL), wide), x.dtype)
    own = np.empty(len(norms), x.dtype)
    loss = 0.0
    for start in range(0, len(x), max(1, wide)):
        width = min(wide, len(x) - start)
        _load_along(x, start, width, origin, along, lengths)
        best[:] = np.inf
        second[:] = np.inf
        label[:] = 0
        _scan(along, scaled, norms, best, second, label, scores)
        _certain(slack, lengths, best, second, label)
        for i in range(width):
            if label[i] < 0:
                if len(norms) <= PANEL:
                    own[:] = scores[:, i]
                else:  # only the scores of the last panel are available
                    np.dot(scaled, along[i], own)
                label[i] = _decide_again(x, start + i, lengths[i], centroids, norms, own)
        loss += settle(x, start, width, (label, second), centroids, answer, gaps, total)
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
