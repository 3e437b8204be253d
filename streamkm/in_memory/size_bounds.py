"""Bounds of the sizes of clusters, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamkm.arrays import Float64Array
from streamkm.checkpointable import Checkpointable

Int64Array = npt.NDArray[np.int64]


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
