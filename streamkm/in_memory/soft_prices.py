"""First prices of clusters of bounded size, from clusters that share the rows.

With shares instead of labels, the best prices are the solution of a smooth problem, which repeated
scaling finds (Sinkhorn's algorithm for bounds; Chizat et al. 2018, "Scaling algorithms for
unbalanced optimal transport problems"). The temperature falls until few rows are shared.
"""

from __future__ import annotations

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.engine import map_reduce
from streamkm.in_memory.monitor import current_monitor
from streamkm.in_memory.size_bounds import SizeBounds
from streamkm.passes import SoftSizes
from streamkm.rows import Rows

_FIRST, _COOLER, _COOLINGS = 0.25, 0.5, 10  # temperatures, relative to the spread of centroids
_SCALINGS = 30  # at a temperature, at most
_LEFT = 0.01  # share of the rows beyond the bounds that is left to an exact search
_OVER = 1.5  # over-relaxation: longer steps need fewer scalings
_NONE = 1e-300


def soft_prices(rows: Rows, centroids: Float64Array, bounds: SizeBounds) -> Float64Array:
    """Return prices (k,) with which nearly all clusters have allowed sizes.

    Parameters
    ----------
    rows : Rows in memory
    centroids : ndarray of shape (k, d), float64
    bounds : SizeBounds of these rows
    """
    prices, n = np.zeros(len(centroids)), rows.layout.n_rows
    spread = float(np.square(centroids - centroids.mean(axis=0)).sum(axis=1).mean())
    temperature = _FIRST * spread
    for level in range(_COOLINGS if temperature > 0 else 0):
        current_monitor().report(f"first prices of bounded clusters, {level + 1} of {_COOLINGS}")
        for _ in range(_SCALINGS):
            sizes = map_reduce(SoftSizes(centroids, prices, temperature), rows).sizes
            outside = np.maximum(sizes - bounds.high, bounds.low - sizes)
            if np.maximum(outside, 0).sum() <= _LEFT * n:
                break
            prices = _scaled(prices, sizes, bounds, temperature)
        temperature *= _COOLER
    return prices


def _scaled(
    prices: Float64Array, sizes: Float64Array, bounds: SizeBounds, temperature: float
) -> Float64Array:
    """Return prices (k,) nearer to those with which each cluster would be within its bounds."""
    logs, step = np.log(np.maximum(sizes, _NONE)), _OVER * temperature
    at_most = prices + step * (logs - np.log(np.maximum(bounds.high, 0.5)))
    at_least = prices + step * (logs - np.log(np.maximum(bounds.low, _NONE)))
    found: Float64Array = np.where(at_most > 0, at_most, np.minimum(at_least, 0.0))
    return found
