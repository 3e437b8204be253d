"""Prices of clusters of bounded size, from rows in memory.

With the right prices, assigning every row to the centroid of the least sum of squared distance and
price gives clusters within their bounds, at the least loss. The prices are the dual variables of a
transport problem. They are found exactly for a sample of the rows, whose bounds are those of all
rows in proportion; the sizes that a read of all rows measures correct these bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array, Int32Array
from streamkm.checkpointable import Checkpointable
from streamkm.engine import map_reduce
from streamkm.in_memory.monitor import current_monitor
from streamkm.kernels import Exchanged, exchange, one_blas_thread
from streamkm.passes import Candidates, KeepCandidates, PricedLloyd
from streamkm.rows import rows_in_memory

Int64Array = npt.NDArray[np.int64]
WIDTH = 16  # candidates of a row; rows hardly ever go farther than a few
_ENTRIES = 2**20  # candidates of all rows together, where more are needed
COARSE = 4  # one row of so many finds first prices and centroids, which saves work
LEAST = 64  # rows for each cluster of such a part
_ROUNDS = 8  # of exchanges with new candidates, at most


@dataclass(frozen=True)
class SizeBounds(Checkpointable):
    """The least and the most rows of each cluster.

    Parameters
    ----------
    low, high : ndarray of shape (k,), int64
    """

    low: Int64Array
    high: Int64Array

    def hold(self, sizes: Int64Array) -> bool:
        """Whether all clusters have allowed sizes (k,)."""
        return bool(((sizes >= self.low) & (sizes <= self.high)).all())

    def without(self, counts: Int64Array) -> SizeBounds:
        """Return the bounds of further rows beside `counts` (k,) rows of each cluster."""
        return SizeBounds(np.maximum(self.low - counts, 0), np.maximum(self.high - counts, 0))

    def scaled(self, m: int, n: int) -> SizeBounds:
        """Return the bounds of m rows in the place of n rows."""
        return SizeBounds(self.low * m // n, -(-self.high * m // n))

    def corrected(self, sampled: Int64Array, sizes: Int64Array) -> SizeBounds:
        """Return the bounds of a sample whose clusters of `sampled` rows stand for `sizes` rows.

        A cluster with too many rows then has to give up the same share of all rows in the sample.
        """
        m, n = int(sampled.sum()), int(sizes.sum())
        low = np.maximum(0, sampled + (self.low - sizes) * m // n)
        high = np.maximum(0, sampled - (sizes - self.high) * m // n)
        return SizeBounds(low, high) if low.sum() <= m else SizeBounds(self.scaled(m, n).low, high)

    def surplus(self, sizes: Int64Array) -> int:
        """Return the number of rows that clusters of these sizes (k,) have too many or too few."""
        above = np.maximum(sizes - self.high, 0).sum()
        return int(max(above, np.maximum(self.low - sizes, 0).sum()))

    def levelled(self, prices: Float64Array, n: int) -> Float64Array:
        """Return the prices (k,) shifted such that the dual value for n rows is largest.

        A shift changes no cluster. One of the prices is then zero.
        """
        order = np.argsort(-prices, kind="stable")
        # Rows that the clusters of the highest prices, full, and the others, least full, hold.
        held = np.cumsum(self.high[order]) + self.low.sum() - np.cumsum(self.low[order])
        level = order[min(int(np.searchsorted(held, n)), len(order) - 1)]
        shifted: Float64Array = prices - prices[level]
        return shifted

    def dual_value(self, loss: float, sizes: Int64Array, prices: Float64Array) -> float:
        """Return a lower bound of the loss of every assignment within the bounds.

        Parameters
        ----------
        loss : sum of squared distances, where every row has the least sum with the price
        sizes : ndarray of shape (k,), number of rows in each cluster then
        prices : ndarray of shape (k,)
        """
        most = np.where(prices > 0, self.high, self.low)
        return loss + float((prices * (sizes - most)).sum())


def least_prices(
    values: AnyArray, centroids: Float64Array, prices: Float64Array, bounds: SizeBounds
) -> tuple[Candidates, Exchanged]:
    """Assign rows in memory within bounds, at the least loss.

    Parameters
    ----------
    values : ndarray of shape (m, d), float32 or float64
    centroids : ndarray of shape (k, d), float64
    prices : ndarray of shape (k,), from which the search starts
    bounds : SizeBounds of these rows

    Returns
    -------
    Candidates, all rows in the order of their margins, and Exchanged with the prices and the
    assignment.
    """
    k, m = len(centroids), len(values)
    if not prices.any() and m // COARSE >= LEAST + 8 * k:
        # A part of the rows finds the prices to start from in a fraction of the work.
        coarse = values[::COARSE]
        part = bounds.scaled(len(coarse), m)
        prices = least_prices(coarse, centroids, prices, part)[1].prices
    rows, width = rows_in_memory(values, None), min(k, WIDTH)
    for _ in range(_ROUNDS):
        found = map_reduce(KeepCandidates(centroids, prices, m, width, False), rows)
        solved = exchanged(found, bounds, prices)
        if solved.missing == 0:
            break
        prices, width = solved.prices, min(k, 2 * width, max(width, _ENTRIES // m))
    return found, solved


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
) -> Float64Array:
    """Return the prices of centroids from a sample and the sizes of a read.

    Parameters
    ----------
    values : ndarray of shape (m, d), the sample
    before : centroids (k, d) and prices (k,) of the read
    after : ndarray of shape (k, d), the centroids whose prices are sought
    sizes : ndarray of shape (k,), int64, number of all rows in each cluster of the read
    bounds : SizeBounds of all rows
    """
    sampled = map_reduce(PricedLloyd(*before), rows_in_memory(values, None)).counts
    part = bounds.corrected(sampled.astype(np.int64), sizes)
    return least_prices(values, after, before[1], part)[1].prices


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
