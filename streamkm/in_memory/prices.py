"""Prices of clusters of bounded size, from rows in memory.

With the right prices, assigning every row to the centroid of the least sum of squared distance and
price gives clusters within their bounds, at the least loss. The prices are the dual variables of a
transport problem. They are found for a sample of the rows, whose bounds are those of all rows in
proportion: roughly by clusters that share the rows, then exactly by exchanges. The sizes that a
read of all rows measures correct these bounds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamkm.arrays import AnyArray, Float64Array, Int32Array
from streamkm.engine import map_reduce
from streamkm.in_memory.monitor import current_monitor
from streamkm.in_memory.size_bounds import Int64Array, SizeBounds
from streamkm.in_memory.soft_prices import soft_prices
from streamkm.kernels import Exchanged, exchange, one_blas_thread
from streamkm.passes import Candidates, KeepCandidates, PricedLloyd
from streamkm.rows import rows_in_memory

WIDTH = 16  # candidates of a row; rows hardly ever go farther than a few


def least_prices(
    values: AnyArray,
    centroids: Float64Array,
    prices: Float64Array,
    bounds: SizeBounds,
    most: int,
) -> tuple[Candidates, Exchanged]:
    """Assign rows in memory within bounds, at the least loss.

    Parameters
    ----------
    values : ndarray of shape (m, d), float32 or float64
    centroids : ndarray of shape (k, d), float64
    prices : ndarray of shape (k,), from which the search starts
    bounds : SizeBounds of these rows
    most : int, for how many rows there is memory, with the usual number of candidates

    Returns
    -------
    Candidates, all rows in the order of their margins, and Exchanged with the prices and the
    assignment. If the bounds cannot be held with the candidates for which there is memory, some
    rows are missing, and the prices are those with which nearly all clusters have allowed sizes.
    """
    k, m = len(centroids), len(values)
    rows, width, soft = rows_in_memory(values, None), min(k, WIDTH), None
    widest = max(width, min(k, WIDTH * most // m))
    if not prices.any():
        prices = soft = soft_prices(values, centroids, bounds)
    while True:
        found = map_reduce(KeepCandidates(centroids, prices, m, width, False), rows)
        solved = exchanged(found, bounds, prices)
        if solved.missing == 0:
            return found, solved
        if width < widest:  # the nearest clusters of some rows are full
            width = min(2 * width, widest)
        elif soft is None:  # the prices are too far from the right ones
            prices = soft = soft_prices(values, centroids, bounds)
            width = min(k, WIDTH)
        else:
            return found, replace(solved, prices=soft)


def exchanged(found: Candidates, bounds: SizeBounds, prices: Float64Array) -> Exchanged:
    """Return the exchange of candidates within bounds, which reports to the current monitor."""

    def report(missing: int) -> None:
        current_monitor().report(f"size bounds, {missing:,} rows to move")

    return exchange(found.clusters, found.costs, bounds.low, bounds.high, prices, report)


def labels_of(found: Candidates, solved: Exchanged) -> Int32Array:
    """Return the clusters (m,) to which the candidates are assigned, in their order."""
    labels: Int32Array = found.clusters[np.arange(len(solved.places)), solved.places]
    return labels


def loss_of(found: Candidates, solved: Exchanged) -> float:
    """Return the loss of the assignment of candidates and of the other rows."""
    return found.loss + float(found.costs[np.arange(len(solved.places)), solved.places].sum())


def corrected_prices(
    values: AnyArray,
    before: tuple[Float64Array, Float64Array],
    after: Float64Array,
    sizes: Int64Array,
    bounds: SizeBounds,
    most: int,
) -> Float64Array:
    """Return the prices of centroids from a sample and the sizes of a read.

    Parameters
    ----------
    values : ndarray of shape (m, d), the sample
    before : centroids (k, d) and prices (k,) of the read
    after : ndarray of shape (k, d), the centroids whose prices are sought
    sizes : ndarray of shape (k,), int64, number of all rows in each cluster of the read
    bounds : SizeBounds of all rows
    most : as for `least_prices`
    """
    sampled = map_reduce(PricedLloyd(*before), rows_in_memory(values, None)).counts
    part = bounds.corrected(sampled.astype(np.int64), sizes)
    return least_prices(values, after, before[1], part, most)[1].prices


def nearby_prices(
    found: Candidates, solved: Exchanged, prices: Float64Array, bounds: SizeBounds, growth: float
) -> Float64Array:
    """Return prices after a limited step, by the rows of the smallest margins of a read.

    The other rows do not change their cluster as long as prices change by less than half of the
    reach, which is a step of growth one. The step is that of the exchange of the candidates if
    these are enough to hold the bounds, and otherwise Newton's step.

    Parameters
    ----------
    found, solved : Candidates under `prices`, and their exchange
    prices : ndarray of shape (k,)
    bounds : SizeBounds of all rows
    growth : largest change of a price, in halves of the reach
    """
    most = growth * found.reach / 2
    whole = solved.missing == 0 and bool((found.counts <= bounds.high).all())
    # Without other rows there are no margins from which Newton's step could be estimated.
    exact = whole or not np.isfinite(found.reach)
    step = solved.prices - prices if exact else _newton_step(found, prices, bounds)
    # Each price for itself: clusters that no candidates join to others have steps of any length.
    after = prices + np.clip(step, -most, most)
    after[prices * after < 0] = 0.0
    return bounds.levelled(after, int(found.sizes.sum()))


def _newton_step(found: Candidates, prices: Float64Array, bounds: SizeBounds) -> Float64Array:
    """Return a semi-smooth Newton step (k,) for the sizes of a read.

    The number of candidates between two clusters, over the reach of their margins, is how many rows
    change between them for each unit of price. Clusters with a price of zero and an allowed size
    keep their price.
    """
    sizes, k = found.sizes, len(prices)
    tiny = 1e-9 * found.reach
    above = (prices > tiny) | (sizes > bounds.high)
    below = ~above & ((prices < -tiny) | (sizes < bounds.low))
    surplus = np.where(above, sizes - bounds.high, np.where(below, sizes - bounds.low, 0))
    rates = np.zeros((k, k))
    np.add.at(rates, (found.clusters[:, 0], found.clusters[:, 1]), 0.5 / found.reach)
    rates += rates.T
    active = np.flatnonzero(above | below)
    system = (np.diag(rates.sum(axis=1)) - rates)[np.ix_(active, active)]
    # The system is singular if all prices are active, because only their differences matter.
    system[np.diag_indices(len(active))] += 1e-6 * float(rates.sum()) / k
    step = np.zeros(k)
    with one_blas_thread():
        step[active] = np.linalg.solve(system, surplus[active].astype(np.float64))
    return step - np.median(step) if len(active) == k else step
