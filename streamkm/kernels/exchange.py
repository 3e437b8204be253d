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
    members = (np.full(k, -1), np.full(m, -1), np.full(m, -1))
    offers = (np.full((k, k), np.inf), np.full((k, k), -1))
    bounds = (np.asarray(low, np.int64), np.asarray(high, np.int64), flows.astype(np.int64))
    tree = (np.empty(k + 1), np.empty(k + 1, np.int64), np.empty(k + 1, np.bool_))
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
        levels[tree[2]] += np.median(np.ptp(costs, axis=1))
    return Exchanged(places, levels[:k] - levels[k], missing)


@ordered_kernel
def _offer(row, a, rows, offers):  # type: ignore[no-untyped-def]
    """Compare the moves of a row of cluster `a` with the cheapest moves from there."""
    clusters, costs, places = rows
    gains, movers = offers
    own = costs[row, places[row]]
    for t in range(clusters.shape[1]):
        b = clusters[row, t]
        gain = costs[row, t] - own
        if b != a and (gain < gains[a, b] or (gain == gains[a, b] and row < movers[a, b])):
            gains[a, b] = gain
            movers[a, b] = row


@ordered_kernel
def _offer_again(a, rows, members, offers):  # type: ignore[no-untyped-def]
    """Find the cheapest moves of the rows of cluster `a`."""
    offers[0][a] = np.inf
    offers[1][a] = -1
    row = members[0][a]
    while row >= 0:
        _offer(row, a, rows, offers)
        row = members[1][row]


@ordered_kernel
def _link(row, a, members):  # type: ignore[no-untyped-def]
    first, after, before = members
    after[row], before[row] = first[a], -1
    if first[a] >= 0:
        before[first[a]] = row
    first[a] = row


@ordered_kernel
def _unlink(row, a, members):  # type: ignore[no-untyped-def]
    first, after, before = members
    if before[row] >= 0:
        after[before[row]] = after[row]
    else:
        first[a] = after[row]
    if after[row] >= 0:
        before[after[row]] = before[row]


@ordered_kernel
def _relax(u, v, length, tree):  # type: ignore[no-untyped-def]
    distance, parent, final = tree
    reached = distance[u] + max(0.0, length)  # negative only by rounding
    if not final[v] and reached < distance[v]:
        distance[v] = reached
        parent[v] = u


@ordered_kernel
def _nearest(tree):  # type: ignore[no-untyped-def]
    """Return the node with the least distance that is not final, or -1 for none."""
    distance, _, final = tree
    nearest = -1
    for v in range(len(distance)):
        if not final[v] and distance[v] < np.inf:
            nearest = v if nearest < 0 or distance[v] < distance[nearest] else nearest
    return nearest


@ordered_kernel
def _relax_all(u, offers, bounds, tree, prices):  # type: ignore[no-untyped-def]
    """Compare the distances of all nodes with those of paths through `u`."""
    low, high, flows = bounds
    k = len(low)
    for v in range(k):
        if u == k:
            if flows[v] > low[v]:
                _relax(u, v, prices[v] - prices[u], tree)
        elif offers[1][u, v] >= 0:
            _relax(u, v, offers[0][u, v] + prices[v] - prices[u], tree)
    if u < k and flows[u] < high[u]:
        _relax(u, k, prices[k] - prices[u], tree)


@ordered_kernel
def _shortest(offers, bounds, tree, prices, excess):  # type: ignore[no-untyped-def]
    """Find a shortest path from a node with too many rows; return its end, or -1 for none."""
    distance, parent, final = tree
    for v in range(len(distance)):
        distance[v] = 0.0 if excess[v] > 0 else np.inf
        parent[v] = -1
        final[v] = False
    while True:
        u = _nearest(tree)
        if u < 0:
            return -1
        final[u] = True
        if excess[u] < 0:
            return u
        _relax_all(u, offers, bounds, tree, prices)


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
    """Move rows along a path, and find the cheapest moves of its clusters again."""
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
            _unlink(row, u, members)
            t = 0
            while clusters[row, t] != v:
                t += 1
            places[row] = t
            _link(row, v, members)
            _offer_again(u, rows, members, offers)
            _offer(row, v, rows, offers)
        v = u
    excess[v] -= amount


@ordered_kernel
def _begin(rows, members, offers):  # type: ignore[no-untyped-def]
    """Link the rows of each cluster, and find the cheapest moves of them."""
    clusters, _, places = rows
    for row in range(len(clusters) - 1, -1, -1):
        _link(row, clusters[row, places[row]], members)
    for a in range(len(members[0])):
        _offer_again(a, rows, members, offers)


@ordered_kernel
def _run(rows, members, offers, bounds, tree, prices, excess, paths):  # type: ignore[no-untyped-def]
    """Push along shortest paths until no node has too many rows, at most along `paths` of them.

    Return the rows that remain.
    """
    distance, _, final = tree
    left = 0
    for v in range(len(excess)):
        left += max(0, excess[v])
    for _ in range(paths):
        if left == 0:
            break
        end = _shortest(offers, bounds, tree, prices, excess)
        if end < 0:
            break
        for v in range(len(prices)):
            if final[v]:
                prices[v] += distance[end] - distance[v]
        before = excess[end]
        _push(end, rows, members, offers, bounds, tree, excess)
        left -= excess[end] - before
    return left
