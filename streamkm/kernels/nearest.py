"""Compiled loops over rows and centroids: scores of a strip, labels, distances, sums.

All that call each other are in this file, because Numba's cache looks no further when it asks
whether a kernel has changed.
"""

from __future__ import annotations

import numpy as np

from streamkm.kernels._jit import kernel

FOUR = 4  # centroids scored at a time
PANEL = 128  # centroids of one matrix product: its scores of a strip stay in the L2 cache
WIDE = 8192  # bytes of a row of such scores
ALONG = 2**20  # bytes of the rows of such a strip
STRIP = 256  # rows that few features are scored for at a time


@kernel
def _load_across(x, start, width, origin, columns, lengths, features):  # type: ignore[no-untyped-def]
    """Rows about the origin as `columns` (d, n), and their squared lengths (n,)."""
    for j in range(len(features)):
        for i in range(width):
            columns[j, i] = x[start + i, j] - origin[j]
    for i in range(len(lengths)):
        length = x.dtype.type(0)
        for j in range(len(features)):
            length += columns[j, i] * columns[j, i]
        lengths[i] = length


@kernel
def _load_along(x, start, width, origin, along, lengths):  # type: ignore[no-untyped-def]
    """Rows about the origin as `along` (n, d), and their squared lengths (n,)."""
    for i in range(width):
        length = x.dtype.type(0)
        for j in range(x.shape[1]):
            value = x[start + i, j] - origin[j]
            along[i, j] = value
            length += value * value
        lengths[i] = length


@kernel
def _keep(s0, s1, s2, s3, c, i, best, second, label):  # type: ignore[no-untyped-def]
    """Of four more scores of row i, those of centroids c to c + 3, keep the two lowest."""
    left, right = s1 < s0, s3 < s2
    low, above = s1 if left else s0, s0 if left else s1
    at = c + 1 if left else c
    other, beyond = s3 if right else s2, s2 if right else s3
    where = c + 3 if right else c + 2
    further = other < low
    high = low if further else other
    low = other if further else low
    at = where if further else at
    rest = above if above < beyond else beyond
    high = high if high < rest else rest
    b, q = best[i], second[i]
    closer = low < b
    last = b if closer else low
    high = high if high < last else last
    second[i] = q if q < high else high
    best[i] = low if closer else b
    label[i] = at if closer else label[i]


@kernel
def _scan_few(columns, scaled, norms, best, second, label, features):  # type: ignore[no-untyped-def]
    """Scores of few features; `label` is the centroid of the lowest."""
    for c in range(0, len(norms), FOUR):
        number = np.int32(c)
        n0, n1, n2, n3 = norms[c], norms[c + 1], norms[c + 2], norms[c + 3]
        for i in range(STRIP):
            s0, s1, s2, s3 = n0, n1, n2, n3
            for j in range(len(features)):
                value = columns[j, i]
                s0 += scaled[c, j] * value
                s1 += scaled[c + 1, j] * value
                s2 += scaled[c + 2, j] * value
                s3 += scaled[c + 3, j] * value
            _keep(s0, s1, s2, s3, number, i, best, second, label)


@kernel
def _scan_groups(columns, scaled, norms, best, second, label, features):  # type: ignore[no-untyped-def]
    """Scores of few features; `label` is the group of four centroids that the lowest is in.

    `second` is the lowest of the other groups.
    """
    for c in range(0, len(norms), FOUR):
        number = np.int32(c // FOUR)
        n0, n1, n2, n3 = norms[c], norms[c + 1], norms[c + 2], norms[c + 3]
        for i in range(STRIP):
            s0, s1, s2, s3 = n0, n1, n2, n3
            for j in range(len(features)):
                value = columns[j, i]
                s0 += scaled[c, j] * value
                s1 += scaled[c + 1, j] * value
                s2 += scaled[c + 2, j] * value
                s3 += scaled[c + 3, j] * value
            left = s0 if s0 < s1 else s1
            right = s2 if s2 < s3 else s3
            low = left if left < right else right
            b, q = best[i], second[i]
            closer = low < b
            last = b if closer else low
            second[i] = last if last < q else q
            best[i] = low if closer else b
            label[i] = number if closer else label[i]


@kernel
def _scan_many(along, scaled, norms, best, second, label, scores):  # type: ignore[no-untyped-def]
    """Scores by matrix products of a panel of centroids each, into `scores`."""
    for first in range(0, len(norms), PANEL):
        size = min(PANEL, len(norms) - first)
        panel = scores[:size]
        np.dot(scaled[first : first + size], along.T, panel)
        for p in range(0, size, FOUR):
            c = first + p
            n0, n1, n2, n3 = norms[c], norms[c + 1], norms[c + 2], norms[c + 3]
            number = np.int32(c)
            for i in range(len(best)):
                s0, s1 = panel[p, i] + n0, panel[p + 1, i] + n1
                s2, s3 = panel[p + 2, i] + n2, panel[p + 3, i] + n3
                _keep(s0, s1, s2, s3, number, i, best, second, label)


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
def _certain(slack, lengths, best, second, label):  # type: ignore[no-untyped-def]
    """Mark doubtful rows by a label of -1, and make `second` how sure the others are."""
    for i in range(len(best)):
        # Not "gap <= bound": a row with a NaN is doubtful too.
        sure = second[i] - best[i] - (slack[0] + slack[1] * np.sqrt(lengths[i]))
        label[i] = label[i] if sure > 0 else -1
        second[i] = sure


@kernel
def _closest_of_four(x, i, groups, group, features):  # type: ignore[no-untyped-def]
    """Of a group of four centroids the closest to row i, and by how much."""
    d0 = d1 = d2 = d3 = 0.0
    for j in range(len(features)):
        value = np.float64(x[i, j])
        e0, e1 = value - groups[group, j, 0], value - groups[group, j, 1]
        e2, e3 = value - groups[group, j, 2], value - groups[group, j, 3]
        d0 += e0 * e0
        d1 += e1 * e1
        d2 += e2 * e2
        d3 += e3 * e3
    left, right = d1 < d0, d3 < d2
    low, above = d1 if left else d0, d0 if left else d1
    other, beyond = d3 if right else d2, d2 if right else d3
    chosen = FOUR * group + left
    further = other < low
    high = low if further else other
    low = other if further else low
    chosen = FOUR * group + 2 + right if further else chosen
    rest = above if above < beyond else beyond
    high = high if high < rest else rest
    return chosen, high - low


@kernel
def _settle(x, strip, centroids, groups, features, answer, gaps, total):  # type: ignore[no-untyped-def]
    """Write a strip's labels, distances and gaps, deciding doubtful rows again; add to the total.

    In: strip (start, width, label, sure). Out: answer (labels, d2); gaps or None; total (weights,
    sums, counts) or None. Returns the loss.
    """
    start, width, label, sure = strip
    labels, d2 = answer
    d = len(features) if len(features) > 0 else x.shape[1]
    loss = 0.0
    for i in range(width):
        at = start + i
        chosen = label[i]
        if chosen < 0:
            chosen = _decide_again(x[at], centroids)
        elif groups is not None:
            chosen, within = _closest_of_four(x, at, groups, chosen, features)
        distance = 0.0
        for j in range(d):
            difference = np.float64(x[at, j]) - centroids[chosen, j]
            distance += difference * difference
        labels[at] = chosen
        d2[at] = distance
        if gaps is not None:
            gap = np.float64(sure[i])
            if groups is not None and label[i] >= 0:
                gap = min(gap, within)
            gaps[at] = max(0.0, gap)
        if total is not None:
            weights, sums, counts = total
            w = weights[at]
            for j in range(d):
                sums[chosen, j] += w * np.float64(x[at, j])
            counts[chosen] += w
            loss += w * distance
    return loss


@kernel
def few_features(x, centroids, groups, ready, features, answer, gaps, total):  # type: ignore[no-untyped-def]
    origin, scaled, norms, slack = ready
    columns = np.zeros((len(features), STRIP), x.dtype)
    lengths = np.zeros(STRIP, x.dtype)
    best, second = np.empty(STRIP, x.dtype), np.empty(STRIP, x.dtype)
    label = np.empty(STRIP, np.int32)
    loss = 0.0
    for start in range(0, len(x), STRIP):
        width = min(STRIP, len(x) - start)
        _load_across(x, start, width, origin, columns, lengths, features)
        best[:] = np.inf
        second[:] = np.inf
        label[:] = 0
        if groups is None:
            _scan_few(columns, scaled, norms, best, second, label, features)
        else:
            _scan_groups(columns, scaled, norms, best, second, label, features)
        _certain(slack, lengths, best, second, label)
        strip = (start, width, label, second)
        loss += _settle(x, strip, centroids, groups, features, answer, gaps, total)
    return loss


@kernel
def many_features(x, centroids, groups, ready, features, answer, gaps, total):  # type: ignore[no-untyped-def]
    origin, scaled, norms, slack = ready
    wide = min(len(x), max(STRIP, min(WIDE // x.itemsize, ALONG // (x.itemsize * x.shape[1]))))
    along = np.empty((wide, x.shape[1]), x.dtype)
    lengths = np.empty(wide, x.dtype)
    best, second = np.empty(wide, x.dtype), np.empty(wide, x.dtype)
    label = np.empty(wide, np.int32)
    scores = np.empty((min(len(norms), PANEL), wide), x.dtype)
    loss = 0.0
    for start in range(0, len(x), wide):
        width = min(wide, len(x) - start)
        _load_along(x, start, width, origin, along, lengths)
        best[:] = np.inf
        second[:] = np.inf
        label[:] = 0
        _scan_many(along, scaled, norms, best, second, label, scores)
        _certain(slack, lengths, best, second, label)
        strip = (start, width, label, second)
        loss += _settle(x, strip, centroids, groups, features, answer, gaps, total)
    return loss


@kernel
def squared_distances(x, centroids, out):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        for c in range(centroids.shape[0]):
            out[i, c] = _direct(x[i], centroids[c])
