"""Assignment of rows to clusters of bounded size, of least cost.

The assignment is a minimum-cost flow: a row goes to one of its candidate clusters, and a cluster
passes between `low` and `high` rows on to the ground. The flow is found by successive shortest
paths (Ahuja, Magnanti and Orlin, "Network Flows", 1993, section 9.7) in the graph of the clusters,
not of the rows: the length of an edge is the least cost of moving one row from a cluster to
another. A path that begins in a cluster with too many rows moves one row along each of its edges.
The potentials of the method are the prices of the clusters: every row is in a cluster with the
least sum of its cost and the price.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamkm.arrays import Float64Array, Int32Array
from streamkm.kernels._jit import ordered_kernel

_WORK = 2**28  # comparisons of clusters between two reports, about
Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Exchanged:
    """Rows in clusters of bounded size.

    Parameters
    ----------
    places : ndarray of shape (m,), int64, the candidate of each row that it is assigned to
    prices : ndarray of shape (k,), float64; positive only for clusters of the largest size, and
        negative only for clusters of the smallest size
    missing : int, number of rows that the bounds still lack or exceed, because no candidate leads
        there; 0 if the bounds hold. Otherwise the prices are a guess, for other candidates
    """

    places: Int64Array
    prices: Float64Array
    missing: int


def exchange(
    clusters: Int32Array,
    costs: Float64Array,
    low: Int64Array,
    high: Int64Array,
    prices: Float64Array,
    report: Callable[[int], object] | None = None,
) -> Exchanged:
    """Assign rows to candidate clusters at least cost, with bounds on the sizes of the clusters.

    Parameters
    ----------
    clusters : ndarray of shape (m, t), int32, distinct candidates of each row
    costs : ndarray of shape (m, t), float64, finite
    low, high : ndarray of shape (k,), int64, least and most rows of each cluster
    prices : ndarray of shape (k,), float64, from which the search starts; any are correct, and good
        ones save work
    report : callable, called during a long search with the number of rows that are still missing;
        an exception that it raises ends the search

    Returns
    -------
    Exchanged
        The assignment has the least cost of all that hold the bounds, if `missing` is 0.

    Examples
    --------
    >>> costs = np.array([[0.0, 1.0], [0.0, 3.0], [0.0, 2.0]])
    >>> clusters = np.array([[0, 1]] * 3, np.int32)
    >>> low, high = np.array([0, 0]), np.array([2, 3])
    >>> found = exchange(clusters, costs, low, high, np.zeros(2))
    >>> found.places.tolist(), found.prices.tolist()
    ([1, 0, 0], [1.0, 0.0])
    """
    k, m = len(low), len(clusters)
    levels = np.append(np.asarray(prices, np.float64), 0.0)  # the last one is the ground
    places = np.argmin(costs + levels[clusters], axis=1) if m else np.empty(0, np.int64)
    labels = clusters[np.arange(m), places]
    counts = np.bincount(labels, minlength=k)
    flows = np.where(
        levels[:k] > 0, high, np.where(levels[:k] < 0, low, np.clip(counts, low, high))
    )
    excess = np.append(counts - flows, flows.sum() - m)
    rows = (np.ascontiguousarray(clusters), np.ascontiguousarray(costs), places)
    members = (np.full((k, k), -1, np.int32), *np.full((2, clusters.size), -1, np.int32))
    offers = (np.full((k, k), np.inf), np.full((k, k), -1, np.int32))
    bounds = (np.asarray(low, np.int64), np.asarray(high, np.int64), flows.astype(np.int64))
    tree = (np.empty(k + 1), *np.empty((2, k + 1), np.int64), np.empty(k + 1, np.bool_))
    _begin(rows, members, offers)
    missing, paths = -1, 1 + _WORK // (k * k + 1)
    while True:
        before = missing
        missing = int(_run(rows, members, offers, bounds, tree, levels, excess, paths))
        if missing in (0, before):  # all rows have moved, or no path leads on
            break
        if report is not None:
            report(missing)
    if missing and m:  # other candidates may lead from the clusters that were reached
        reached = _reached(offers, bounds, tree, levels, excess)
        levels[reached] += np.median(np.ptp(costs, axis=1))
    return Exchanged(places, levels[:k] - levels[k], missing)


@ordered_kernel
def _offer(row, t, a, rows, offers):  # type: ignore[no-untyped-def]
    """Compare the move of a row of cluster `a` to a candidate with the cheapest one there."""
    clusters, costs, places = rows
    gains, movers = offers
    b = clusters[row, t]
    gain = costs[row, t] - costs[row, places[row]]
    if gain < gains[a, b] or (gain == gains[a, b] and row < movers[a, b]):
        gains[a, b] = gain
        movers[a, b] = row


@ordered_kernel
def _link(row, a, rows, members, offers):  # type: ignore[no-untyped-def]
    """Add a row to the lists of the rows of cluster `a` by candidate, and offer its moves."""
    first, after, before = members
    clusters = rows[0]
    width = clusters.shape[1]
    for t in range(width):
        b = clusters[row, t]
        if b == a:
            continue
        at = row * width + t
        after[at], before[at] = first[a, b], -1
        if first[a, b] >= 0:
            before[first[a, b]] = at
        first[a, b] = at
        _offer(row, t, a, rows, offers)


@ordered_kernel
def _unlink(row, a, rows, members, offers):  # type: ignore[no-untyped-def]
    """Remove a row from these lists; where its move was the cheapest, find the cheapest again."""
    first, after, before = members
    gains, movers = offers
    clusters = rows[0]
    width = clusters.shape[1]
    for t in range(width):
        b = clusters[row, t]
        if b == a:
            continue
        at = row * width + t
        if before[at] >= 0:
            after[before[at]] = after[at]
        else:
            first[a, b] = after[at]
        if after[at] >= 0:
            before[after[at]] = before[at]
        if movers[a, b] == row:
            gains[a, b], movers[a, b] = np.inf, -1
            at = first[a, b]
            while at >= 0:
                _offer(at // width, at % width, a, rows, offers)
                at = after[at]


@ordered_kernel
def _relax(u, v, reached, tree, n):  # type: ignore[no-untyped-def]
    """Add `v` to the queue of n nodes or shorten its path; return the length of the queue."""
    distance, parent, queue, _ = tree
    if distance[v] == np.inf:
        queue[n] = v
        n += 1
    distance[v] = reached
    parent[v] = u
    return n


@ordered_kernel
def _nearest(tree, n):  # type: ignore[no-untyped-def]
    """Remove the node with the least distance from the queue of n nodes, and return it."""
    distance, _, queue, final = tree
    at, least = 0, distance[queue[0]]
    for i in range(1, n):
        if distance[queue[i]] < least:
            at, least = i, distance[queue[i]]
    nearest = queue[at]
    queue[at] = queue[n - 1]
    final[nearest] = True
    return nearest


@ordered_kernel
def _relax_all(u, offers, bounds, tree, prices, n):  # type: ignore[no-untyped-def]
    """Compare the distances of all nodes with those of paths through `u`; return the queue's end.

    The distance of a node that is final is at most that of `u`, so no path shortens it.
    """
    low, high, flows = bounds
    gains, distance, k = offers[0], tree[0], len(low)
    least, base = distance[u], distance[u] - prices[u]
    if u == k:
        for v in range(k):
            if flows[v] > low[v] and max(least, base + prices[v]) < distance[v]:
                n = _relax(u, v, max(least, base + prices[v]), tree, n)
        return n
    for v in range(k):
        reached = base + gains[u, v] + prices[v]
        if reached < distance[v] and least < distance[v]:
            n = _relax(u, v, max(least, reached), tree, n)  # less than `least` only by rounding
    if flows[u] < high[u] and max(least, base + prices[k]) < distance[k]:
        n = _relax(u, k, max(least, base + prices[k]), tree, n)
    return n


@ordered_kernel
def _shortest(source, offers, bounds, tree, prices, excess):  # type: ignore[no-untyped-def]
    """Find a shortest path from `source` to a node with too few rows; return it, or -1 for none."""
    distance, parent, queue, final = tree
    distance[:] = np.inf
    parent[:] = -1
    final[:] = False
    distance[source], queue[0], n = 0.0, source, 1
    while n > 0:
        u = _nearest(tree, n)
        if excess[u] < 0:
            return u
        n = _relax_all(u, offers, bounds, tree, prices, n - 1)
    return -1


@ordered_kernel
def _amount(end, bounds, tree, excess):  # type: ignore[no-untyped-def]
    """Return how much a path carries: one row, or more where it moves none."""
    low, high, flows = bounds
    parent = tree[1]
    k = len(low)
    amount = -excess[end]
    v = end
    while parent[v] >= 0:
        u = parent[v]
        if v == k:
            amount = min(amount, high[u] - flows[u])
        elif u == k:
            amount = min(amount, flows[v] - low[v])
        else:
            amount = 1
        v = u
    return min(amount, excess[v])


@ordered_kernel
def _push(end, rows, members, offers, bounds, tree, excess):  # type: ignore[no-untyped-def]
    """Move rows along a path."""
    clusters, _, places = rows
    parent, flows, k = tree[1], bounds[2], len(bounds[0])
    amount = _amount(end, bounds, tree, excess)
    excess[end] += amount
    v = end
    while parent[v] >= 0:
        u = parent[v]
        if v == k:
            flows[u] += amount
        elif u == k:
            flows[v] -= amount
        else:
            row = offers[1][u, v]
            _unlink(row, u, rows, members, offers)
            t = 0
            while clusters[row, t] != v:
                t += 1
            places[row] = t
            _link(row, v, rows, members, offers)
        v = u
    excess[v] -= amount


@ordered_kernel
def _begin(rows, members, offers):  # type: ignore[no-untyped-def]
    """Link the rows of each cluster, and find the cheapest moves of them."""
    clusters, _, places = rows
    for row in range(len(clusters) - 1, -1, -1):
        _link(row, clusters[row, places[row]], rows, members, offers)


@ordered_kernel
def _run(rows, members, offers, bounds, tree, prices, excess, paths):  # type: ignore[no-untyped-def]
    """Push along shortest paths from nodes with too many rows, at most along `paths` of them.

    Return the rows that remain.
    """
    distance, final = tree[0], tree[3]
    for source in range(len(excess)):
        while excess[source] > 0 and paths > 0:
            end = _shortest(source, offers, bounds, tree, prices, excess)
            if end < 0:
                break
            for v in range(len(prices)):
                if final[v]:
                    prices[v] += distance[end] - distance[v]
            _push(end, rows, members, offers, bounds, tree, excess)
            paths -= 1
    return np.maximum(excess, 0).sum()


@ordered_kernel
def _reached(offers, bounds, tree, prices, excess):  # type: ignore[no-untyped-def]
    """Return which nodes paths from those with too many rows lead to; none of these has too few."""
    reached = np.zeros(len(excess), np.bool_)
    for source in range(len(excess)):
        if excess[source] > 0:
            _shortest(source, offers, bounds, tree, prices, excess)
            reached |= tree[3]
    return reached
