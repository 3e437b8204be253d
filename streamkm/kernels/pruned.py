"""Compiled loops for many features whose centroids lie near a subspace of few dimensions.

Rows and centroids are projected on an orthonormal basis of p directions. With the lengths r and s
of what the projections x' and c' leave out,

    |x - c|^2  >=  |x|^2 + |c|^2 - 2 x'c' - 2 r s,

by the Cauchy-Schwarz inequality. A matrix product of p + 2 columns gives this bound for every pair
of a row and a centroid; only pairs with a bound below the lowest distance so far are measured over
all features. All rounding errors are bounded, so a label is the float64 arg-min.

Functions that call each other are in one file, because Numba's cache checks only that file for
changes.
"""

from __future__ import annotations

import numpy as np

from streamkm.kernels._jit import kernel
from streamkm.kernels._settling import measured, settle

# Hash of the included files, which must change with them, because Numba's cache checks only this
# file [a test compares them].
INCLUDED = "5bfcb5770d2f942b"
PANEL = 512  # most centroids of a matrix product, so that the bounds of a strip stay in L2
STRIP = 128  # rows of one matrix product
BLOCK = 16  # bounds whose minimum is compared first
TRIED = 16  # rows of a tile on which bounds are tried
FEW_TRIED = 4  # of these rows, on which the most directions are tried first


@kernel
def _load(x, start, width, origin, parts, lengths):  # type: ignore[no-untyped-def]
    """Write the rows minus the origin to `parts` (parts, n, features), and their squared lengths.

    Sums over the features are made part by part, so that their rounding error is that of a sum of
    the features of a part plus the number of parts.
    """
    # One index for each axis, because Numba vectorises no loop over sums of indices.
    whole = np.zeros(parts.shape[0] * parts.shape[2], x.dtype)
    row = whole.reshape(parts.shape[0], parts.shape[2])
    for i in range(width):
        for j in range(x.shape[1]):
            whole[j] = x[start + i, j] - origin[j]
        length = x.dtype.type(0)
        for h in range(parts.shape[0]):
            of_part = x.dtype.type(0)
            for j in range(parts.shape[2]):
                parts[h, i, j] = row[h, j]
                of_part += row[h, j] * row[h, j]
            length += of_part
        lengths[i] = length


@kernel
def _project(parts, width, basis, margins, lengths, product, projected, slack):  # type: ignore[no-untyped-def]
    """Write x', an upper bound of r, and 1 to `projected` (n, p + 2); and the slack of each row.

    `margins` are factors of the rounding errors: of r^2, of the bounds, the length of the longest
    centroid, and the largest slack with which no value can overflow. Rows beyond it have infinite
    slack.
    """
    residual, factor, longest, largest = margins[0], margins[1], margins[2], margins[3]
    p = basis.shape[2] - 2
    np.dot(parts[0], basis[0], projected)
    for h in range(1, parts.shape[0]):
        np.dot(parts[h], basis[h], product)
        projected += product
    for i in range(width):
        squares = projected.dtype.type(0)
        for j in range(p):
            squares += projected[i, j] * projected[i, j]
        rest = lengths[i] - squares
        rest = rest if rest > 0 else projected.dtype.type(0)
        projected[i, p] = np.sqrt(rest + residual * lengths[i])
        projected[i, p + 1] = 1
        reach = np.sqrt(lengths[i]) + longest
        error = factor * reach * reach
        # "error > largest" would be false for NaN.
        slack[i] = error if error < largest else np.inf


@kernel
def _distance(parts, i, centred, c):  # type: ignore[no-untyped-def]
    """Return a squared distance in the precision of the rows.

    Elements are addressed by all their indices, because views of arrays are counted atomically.
    """
    total = parts.dtype.type(0)
    for h in range(parts.shape[0]):
        of_part = parts.dtype.type(0)
        for j in range(parts.shape[2]):
            difference = parts[h, i, j] - centred[c, h, j]
            of_part += difference * difference
        total += of_part
    return total


@kernel
def _minima(bounds, i, lows):  # type: ignore[no-untyped-def]
    """Write the minimum of each block of bounds to `lows`; return the lowest and its position."""
    lowest, block = bounds.dtype.type(np.inf), 0
    for b in range(len(lows)):
        low = bounds[i, b * BLOCK]
        for v in range(1, BLOCK):
            value = bounds[i, b * BLOCK + v]
            low = value if value < low else low
        lows[b] = low
        block = b if low < lowest else block
        lowest = low if low < lowest else lowest
    where = block * BLOCK
    for v in range(block * BLOCK, (block + 1) * BLOCK):
        where = v if bounds[i, v] == lowest else where
    return lowest, where


@kernel
def _insert(distance, c, found):  # type: ignore[no-untyped-def]
    """Return the two lowest distances and the label of the lowest, with centroid c."""
    best, second, label = found
    if distance < best:
        return distance, best, np.int32(c)
    return best, distance if distance < second else second, label


@kernel
def _limit(found, offset, both):  # type: ignore[no-untyped-def]
    """Return the bound up to which a centroid has to be measured."""
    best, second, _ = found
    return (second if both else best) - offset


@kernel
def _measure(bounds, lows, first, row, found, both):  # type: ignore[no-untyped-def]
    """Measure the centroids of a panel that can be nearest; return (lowest, second, label).

    `row` is (parts, number, centroids, offset), `found` the result of the panels before. `bounds`
    are those of this panel without |x|^2, from which the offset is subtracted. With `both`, the
    second lowest distance is found, too. The centroid of the lowest bound is measured first,
    because its distance excludes most others.
    """
    parts, i, centred, offset = row
    lowest, nearest = _minima(bounds, i, lows)
    if not lowest <= _limit(found, offset, both):
        return found
    found = _insert(_distance(parts, i, centred, first + nearest), first + nearest, found)
    for b in range(len(lows)):
        if lows[b] <= _limit(found, offset, both):
            for v in range(b * BLOCK, (b + 1) * BLOCK):
                if bounds[i, v] <= _limit(found, offset, both) and v != nearest:
                    c = first + v
                    found = _insert(_distance(parts, i, centred, c), c, found)
    return found


@kernel
def _between(distance, relative, shift):  # type: ignore[no-untyped-def]
    """Return a lower and an upper bound of a squared distance.

    `relative` is the rounding error of its sum, `shift` that of the difference of the vectors.
    """
    moved = 2 * np.sqrt(distance) * shift
    low = distance * (1 - relative) - moved
    return low, distance * (1 + relative) + moved + shift * shift


@kernel
def _decide_again(place, centroids, strip, limit, high, relative, shift, work):  # type: ignore[no-untyped-def]
    """Return the label of row x[at] by direct distances to the centroids that can be nearest.

    `place` is (x, at). `high` is an upper bound of the lowest squared distance; where it is NaN or
    infinite, all centroids are compared. `limit` is that of the bounds.
    """
    (x, at), (parts, i, centred, projected, short) = place, strip
    label, best = 0, np.inf
    for panel in range(len(short)):
        np.dot(projected[i], short[panel], work)
        first = panel * short.shape[2]
        for v in range(min(short.shape[2], len(centroids) - first)):
            c = first + v
            # "bound <= limit" would be false for NaN; such bounds exclude nothing.
            if not work[v] > limit:
                low, _ = _between(_distance(parts, i, centred, c), relative, shift)
                if not low > high:
                    distance = measured(x, at, centroids, c, None)
                    if distance < best:
                        best, label = distance, c
    return label


@kernel
def pruned_features(x, centroids, leading, answer, gaps, total):  # type: ignore[no-untyped-def]
    """Write a tile's answer (labels, d2) and gaps or None; add to the total; return the loss."""
    origin, centred, basis, short, margins = leading
    relative, rounding, longest = margins[4], margins[5], margins[2]
    parts = np.zeros((centred.shape[1], STRIP, centred.shape[2]), x.dtype)
    projected = np.zeros((STRIP, basis.shape[2]), x.dtype)
    product = np.empty((STRIP, basis.shape[2]), x.dtype)
    size = short.shape[2]
    bounds = np.empty((STRIP, size), x.dtype)
    lows = np.empty(size // BLOCK, x.dtype)
    lengths, slack = np.zeros(STRIP, x.dtype), np.zeros(STRIP, x.dtype)
    best, second = np.empty(STRIP, x.dtype), np.empty(STRIP, x.dtype)
    label = np.empty(STRIP, np.int32)
    both = gaps is not None
    loss = 0.0
    for start in range(0, len(x), STRIP):
        width = min(STRIP, len(x) - start)
        _load(x, start, width, origin, parts, lengths)
        _project(parts, width, basis, margins, lengths, product, projected, slack)
        best[:] = np.inf
        second[:] = np.inf
        label[:] = 0
        for panel in range(len(short)):
            np.dot(projected, short[panel], bounds)
            first = panel * short.shape[2]
            some = lows[: -(-min(short.shape[2], len(centroids) - first) // BLOCK)]
            for i in range(width):
                if slack[i] < np.inf:
                    row = (parts, i, centred, lengths[i] - slack[i])
                    found = (best[i], second[i], label[i])
                    found = _measure(bounds, some, first, row, found, both)
                    best[i], second[i], label[i] = found
        for i in range(width):
            shift = rounding * (np.sqrt(lengths[i]) + longest)
            _, high = _between(best[i], relative, shift)
            low, _ = _between(second[i], relative, shift)
            sure = low - high if second[i] < np.inf else best.dtype.type(np.inf)
            # "slack == infinity" and NaN are in doubt, too.
            if not (sure > 0 and slack[i] < np.inf):
                limit = best[i] - lengths[i] + slack[i]
                strip = (parts, i, centred, projected, short)
                again = (limit, high, relative, shift, bounds[0])
                label[i] = _decide_again((x, start + i), centroids, strip, *again)
                sure = best.dtype.type(0)
            second[i] = sure
        loss += settle(x, start, width, (label, second), centroids, answer, gaps, total)
    return loss


@kernel
def _n_left(row, n, trial, g):  # type: ignore[no-untyped-def]
    """Return the number of pairs of the first n rows that the bounds of a choice leave."""
    (parts, lengths, centred, projected), (choices, known, margins, _) = row, trial
    columns, residuals, norms = known
    p, k, n_left = choices[g], len(norms), 0
    bounds = np.dot(np.ascontiguousarray(projected[:n, :p]), columns[:p])
    for i in range(n):
        squares = parts.dtype.type(0)
        for j in range(p):
            squares += projected[i, j] * projected[i, j]
        rest = max(lengths[i] - squares, parts.dtype.type(0))
        above = np.sqrt(rest + margins[g, 0] * lengths[i])
        for c in range(k):
            bounds[i, c] += norms[c] + above * residuals[g, c]
        reach = np.sqrt(lengths[i]) + margins[g, 2]
        limit = _distance(parts, i, centred, bounds[i].argmin()) - lengths[i]
        limit += margins[g, 1] * reach * reach
        for c in range(k):
            n_left += bounds[i, c] <= limit
    return n_left


@kernel
def choose_directions(x, origin, centred, basis, trial):  # type: ignore[no-untyped-def]
    """Return the position of the cheapest number of directions, its cost, and a share of pairs.

    The position is -1 for a plain product. The share is that of the pairs that the most directions
    would leave to be measured, counted on a few rows of the tile. It is 1 if more than half of the
    pairs of the first of these rows are left. `trial` is (choices, (columns, residuals, norms),
    margins, costs): the numbers of directions; -2 c' of the most directions (p, k), -2 s of each
    choice (choices, k) and |c|^2 (k,); the factors of the rounding errors of each choice; and the
    costs of a row of each choice without its pairs, of a pair, and at most.
    """
    choices, (_, _, norms), _, costs = trial
    d, k = x.shape[1], len(norms)
    every = max(1, len(x) // TRIED)
    parts = np.zeros((centred.shape[1], TRIED, centred.shape[2]), x.dtype)
    rows, lengths = np.empty((TRIED, d), x.dtype), np.empty(TRIED, x.dtype)
    for i in range(TRIED):
        rows[i] = x[min(i * every, len(x) - 1)]
    _load(rows, 0, TRIED, origin, parts, lengths)
    rows -= origin[:d]
    projected = np.dot(rows, basis)
    row = (parts, lengths, centred, projected)
    most = len(choices) - 1
    n_left = _n_left(row, FEW_TRIED, trial, most)
    if 2 * n_left > FEW_TRIED * k and costs[-2] * n_left > FEW_TRIED * costs[-1]:
        return -1, costs[-1], 1.0
    chosen, cost, n_left = -1, costs[-1], 0
    for g in range(len(choices)):
        n_left = _n_left(row, TRIED, trial, g)
        tried = costs[g] + costs[-2] * n_left / TRIED
        if tried < cost:
            cost, chosen = tried, g
    return chosen, cost, n_left / (TRIED * k)
