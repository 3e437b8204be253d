"""Compiled loops for few features: unrolled, a vector of rows against one centroid after another.

All that call each other are in this file, because Numba's cache looks no further when it asks
whether a kernel has changed. `features` is a tuple as long as a row, so that each length is
compiled with its loops unrolled.
"""

from __future__ import annotations

import numpy as np

from streamkm.kernels._jit import kernel
from streamkm.kernels._vectors import (
    add_row,
    columns_of_four,
    fill,
    load,
    plus_times,
    row_distance,
    store,
    where_less,
)

FOUR = 4  # centroids of a group
STRIP = 256  # rows that are scored at a time


@kernel
def _load_across(x, start, width, origin, columns, lengths, features):  # type: ignore[no-untyped-def]
    """Rows about the origin as `columns` (d, n), and their squared lengths (n,)."""
    d, lanes = len(features), 64 // x.itemsize
    whole = width - width % lanes if d >= FOUR else 0
    for i in range(0, whole, lanes):
        for j in range(d // FOUR):
            columns_of_four(x, start + i, FOUR * j, origin, columns, i)
        if d % FOUR:
            columns_of_four(x, start + i, d - FOUR, origin, columns, i)
    for j in range(d):
        for i in range(whole, width):
            columns[j, i] = x[start + i, j] - origin[j]
    for i in range(len(lengths)):
        length = x.dtype.type(0)
        for j in range(d):
            length += columns[j, i] * columns[j, i]
        lengths[i] = length


@kernel
def _score(columns, i, scaled, norms, c, features):  # type: ignore[no-untyped-def]
    """The scores of centroid c for a vector of rows from i on."""
    score = fill(norms[c], load(columns, 0, i))
    for j in range(len(features)):
        score = plus_times(score, scaled[c, j], load(columns, j, i))
    return score


@kernel
def _scan(columns, scaled, norms, k, best, second, label, features):  # type: ignore[no-untyped-def]
    """The lowest two scores, and the centroid of the lowest."""
    infinity = columns.dtype.type(np.inf)
    for i in range(0, STRIP, 64 // columns.itemsize):
        low = fill(infinity, load(columns, 0, i))
        next_low = low
        at = fill(np.int32(0), low)
        for c in range(k):
            score = _score(columns, i, scaled, norms, c, features)
            at = where_less(score, low, fill(np.int32(c), low), at)
            higher = where_less(score, low, low, score)
            low = where_less(score, low, score, low)
            next_low = where_less(higher, next_low, higher, next_low)
        store(best, i, low)
        store(second, i, next_low)
        store(label, i, at)


@kernel
def _scan_groups(columns, scaled, norms, best, second, label, features):  # type: ignore[no-untyped-def]
    """The same of groups of four centroids, of which the lowest score counts."""
    infinity = columns.dtype.type(np.inf)
    for i in range(0, STRIP, 64 // columns.itemsize):
        low = fill(infinity, load(columns, 0, i))
        next_low = low
        at = fill(np.int32(0), low)
        for c in range(0, len(norms), FOUR):
            left = _score(columns, i, scaled, norms, c, features)
            right = _score(columns, i, scaled, norms, c + 2, features)
            other = _score(columns, i, scaled, norms, c + 1, features)
            left = where_less(left, other, left, other)
            other = _score(columns, i, scaled, norms, c + 3, features)
            right = where_less(right, other, right, other)
            score = where_less(left, right, left, right)
            at = where_less(score, low, fill(np.int32(c // FOUR), low), at)
            higher = where_less(score, low, low, score)
            low = where_less(score, low, score, low)
            next_low = where_less(higher, next_low, higher, next_low)
        store(best, i, low)
        store(second, i, next_low)
        store(label, i, at)


@kernel
def _certain(slack, lengths, best, second, label):  # type: ignore[no-untyped-def]
    """Mark doubtful rows by a label of -1, and make `second` how sure the others are."""
    for i in range(len(best)):
        # Not "gap <= bound": a row with a NaN is doubtful too.
        sure = second[i] - best[i] - (slack[0] + slack[1] * np.sqrt(lengths[i]))
        label[i] = label[i] if sure > 0 else -1
        second[i] = sure


@kernel
def _closest(x, i, centroids, first, last, features):  # type: ignore[no-untyped-def]
    """Of centroids first to last - 1 the closest to row i, its distance, and the second's."""
    label, best, second = first, row_distance(x, i, centroids, first, features), np.inf
    for c in range(first + 1, last):
        distance = row_distance(x, i, centroids, c, features)
        closer = distance < best
        higher = best if closer else distance
        second = higher if higher < second else second
        best = distance if closer else best
        label = c if closer else label
    return label, best, second


@kernel
def _settle(x, label, sure, centroids, grouped, features, answer, gaps, total):  # type: ignore[no-untyped-def]
    """Write a strip's labels, distances and gaps, deciding doubtful rows again; add to the total.

    Out: answer (labels, d2); gaps or None; total (weights, sums, counts) or None. Returns the
    loss.
    """
    labels, d2 = answer
    k = len(centroids)
    loss = 0.0
    for i in range(len(x)):
        chosen = np.int64(label[i])
        gap = np.float64(sure[i])
        if chosen < 0:
            chosen, distance, _ = _closest(x, i, centroids, 0, k, features)
        elif grouped:
            first = FOUR * chosen
            last = min(first + FOUR, k)
            chosen, distance, second = _closest(x, i, centroids, first, last, features)
            gap = min(gap, second - distance)
        else:
            distance = row_distance(x, i, centroids, chosen, features)
        labels[i] = chosen
        d2[i] = distance
        if gaps is not None:
            gaps[i] = max(0.0, gap)
        if total is not None:
            weights, sums, counts = total
            w = weights[i]
            add_row(sums, chosen, w, x, i, features)
            counts[chosen] += w
            loss += w * distance
    return loss


@kernel
def few_features(x, centroids, grouped, ready, features, answer, gaps, total):  # type: ignore[no-untyped-def]
    origin, scaled, norms, slack = ready
    labels, d2 = answer
    columns = np.zeros((len(features), STRIP), x.dtype)
    lengths = np.zeros(STRIP, x.dtype)
    best, second = np.empty(STRIP, x.dtype), np.empty(STRIP, x.dtype)
    label = np.empty(STRIP, np.int32)
    loss = 0.0
    for start in range(0, len(x), STRIP):
        stop = min(start + STRIP, len(x))
        _load_across(x, start, stop - start, origin, columns, lengths, features)
        if grouped:
            _scan_groups(columns, scaled, norms, best, second, label, features)
        else:
            _scan(columns, scaled, norms, len(centroids), best, second, label, features)
        _certain(slack, lengths, best, second, label)
        settle = (x[start:stop], label, second, centroids, grouped, features)
        part = (labels[start:stop], d2[start:stop])
        if gaps is not None:
            loss += _settle(*settle, part, gaps[start:stop], None)
        elif total is not None:
            weights, sums, counts = total
            loss += _settle(*settle, part, None, (weights[start:stop], sums, counts))
        else:
            loss += _settle(*settle, part, None, None)
    return loss
