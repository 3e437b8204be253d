"""Compiled loops for few features: a vector of rows is compared with several centroids at a time.

Functions that call each other are in one file, because Numba's cache checks only that file for
changes. `features` is a tuple of the length of a row, so that loops are unrolled for each length.
"""

from __future__ import annotations

import numpy as np

from streamkm.kernels._jit import kernel, ordered_kernel
from streamkm.kernels._vectors import (
    columns_of_few,
    columns_of_four,
    fill,
    load,
    plus_times,
    store,
    where_less,
)
from streamkm.kernels._wide import add_row, row_distance

# Hash of the included files, which must change with them, because Numba's cache checks only this
# file [a test compares them].
INCLUDED = "5bfcb5770d2f942b"
FOUR = 4  # features loaded together
SHORT = 8  # features up to which two centroids are scored together, instead of four
STRIP = 256  # rows scored together


@kernel
def _load_across(x, start, width, origin, columns, lengths, features):  # type: ignore[no-untyped-def]
    """Write the rows minus the origin to `columns` (d, n), and their squared lengths (n,)."""
    d, lanes = len(features), 64 // x.itemsize
    whole = width - width % lanes
    for i in range(0, whole, lanes):
        if d < FOUR:
            columns_of_few(x, start + i, origin, columns, i, features)
        else:
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
def _keep(score, c, found):  # type: ignore[no-untyped-def]
    """Return the two lowest scores and the centroid of the lowest, with those of centroid c."""
    low, next_low, at = found
    at = where_less(score, low, fill(np.int32(c), low), at)
    higher = where_less(score, low, low, score)
    low = where_less(score, low, score, low)
    return low, where_less(higher, next_low, higher, next_low), at


@kernel
def _scan(columns, scaled, norms, k, best, second, label, features):  # type: ignore[no-untyped-def]
    """Write the two lowest scores and the centroid of the lowest.

    Several centroids share a load of the rows; of four, the scores of few features would wait for
    the comparisons.
    """
    infinity = columns.dtype.type(np.inf)
    for i in range(0, STRIP, 64 // columns.itemsize):
        low = fill(infinity, load(columns, 0, i))
        found = (low, low, fill(np.int32(0), low))
        c = 0
        while len(features) > SHORT and c + 4 <= k:
            s0, s1 = fill(norms[c], low), fill(norms[c + 1], low)
            s2, s3 = fill(norms[c + 2], low), fill(norms[c + 3], low)
            for j in range(len(features)):
                column = load(columns, j, i)
                s0 = plus_times(s0, scaled[c, j], column)
                s1 = plus_times(s1, scaled[c + 1, j], column)
                s2 = plus_times(s2, scaled[c + 2, j], column)
                s3 = plus_times(s3, scaled[c + 3, j], column)
            found = _keep(s1, c + 1, _keep(s0, c, found))
            found = _keep(s3, c + 3, _keep(s2, c + 2, found))
            c += 4
        while len(features) <= SHORT and c + 2 <= k:
            s0, s1 = fill(norms[c], low), fill(norms[c + 1], low)
            for j in range(len(features)):
                column = load(columns, j, i)
                s0 = plus_times(s0, scaled[c, j], column)
                s1 = plus_times(s1, scaled[c + 1, j], column)
            found = _keep(s1, c + 1, _keep(s0, c, found))
            c += 2
        for last in range(c, k):
            s0 = fill(norms[last], low)
            for j in range(len(features)):
                s0 = plus_times(s0, scaled[last, j], load(columns, j, i))
            found = _keep(s0, last, found)
        store(best, i, found[0])
        store(second, i, found[1])
        store(label, i, found[2])


@kernel
def _certain(slack, lengths, best, second, label):  # type: ignore[no-untyped-def]
    """Set the label of rows in doubt to -1, and `second` to the gap of the other rows."""
    for i in range(len(best)):
        # "gap <= bound" would be false for NaN; such rows are in doubt, too.
        sure = (
            second[i]
            - best[i]
            - (slack[0] + slack[1] * np.sqrt(lengths[i]) + slack[2] * lengths[i])
        )
        label[i] = label[i] if sure > 0 else -1
        second[i] = sure


@ordered_kernel
def _decide_again(x, i, centroids, features):  # type: ignore[no-untyped-def]
    label = 0
    best = row_distance(x, i, centroids, 0, features)
    for c in range(1, len(centroids)):
        distance = row_distance(x, i, centroids, c, features)
        if distance < best:
            best = distance
            label = c
    return label


@ordered_kernel
def _settle(x, label, sure, centroids, features, answer, gaps, total):  # type: ignore[no-untyped-def]
    """Write a strip's labels, distances and gaps, decide rows in doubt; add to the total.

    Outputs are answer (labels, d2), gaps or None, and total (weights, sums, counts) or None; the
    loss is returned. The arrays begin with the strip, so that Numba knows that no index is
    negative.
    """
    labels, d2 = answer
    loss = 0.0
    for i in range(len(x)):
        chosen = np.int64(label[i])
        if chosen < 0:
            chosen = _decide_again(x, i, centroids, features)
        distance = row_distance(x, i, centroids, chosen, features)
        labels[i] = chosen
        d2[i] = distance
        if gaps is not None:
            gaps[i] = max(0.0, np.float64(sure[i]))
        if total is not None:
            weights, sums, counts = total
            w = weights[i]
            add_row(sums, chosen, w, x, i, features)
            counts[chosen] += w
            loss += w * distance
    return loss


@kernel
def few_features(x, centroids, ready, features, answer, gaps, total):  # type: ignore[no-untyped-def]
    """Write a tile's answer (labels, d2) and gaps or None; add to the total; return the loss."""
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
        _scan(columns, scaled, norms, len(centroids), best, second, label, features)
        _certain(slack, lengths, best, second, label)
        strip = (x[start:stop], label, second, centroids, features)
        its = (labels[start:stop], d2[start:stop])
        if gaps is not None:
            _settle(*strip, its, gaps[start:stop], None)
        elif total is not None:
            weights, sums, counts = total
            loss += _settle(*strip, its, None, (weights[start:stop], sums, counts))
        else:
            _settle(*strip, its, None, None)
    return loss
