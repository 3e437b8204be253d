"""First prices of clusters of bounded size, from clusters that share the rows.

With shares instead of labels, the best prices are the solution of a smooth problem, which Newton's
method solves in a few steps (Brauer et al. 2017, "A Sinkhorn-Newton method for entropic optimal
transport"). The temperature falls until few rows are shared. A higher temperature needs fewer rows,
because each of them counts in many clusters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array
from streamkm.in_memory.monitor import current_monitor
from streamkm.in_memory.size_bounds import SizeBounds
from streamkm.kernels import one_blas_thread

_FIRST, _COOLER, _COOLINGS = 0.25, 0.25, 8  # temperatures, relative to the spread of centroids
_STEPS = 12  # of Newton's method at a temperature, at most
_LEFT = 0.01  # share of the rows beyond the bounds that is left to an exact search
_FAR = 4.0  # the largest change of a price in a step, relative to the temperature
_FEWER, _EACH = 8, 4  # first, one row of so many, but so many rows for each cluster
_STEADY = 1e-3  # added to the diagonal, relative to the mean size
_COLD = 20.0  # exponent of the least share, because subnormal numbers are slow
_ENTRIES = 2**19  # numbers of a strip of rows


@dataclass(frozen=True, eq=False)
class Shared:
    """Sizes of clusters that share every row.

    Parameters
    ----------
    sizes : ndarray of shape (k,), float64, sums of the shares
    overlaps : ndarray of shape (k, k), float64, sums of the products of two shares of a row
    largest : ndarray of shape (k,), int64, number of rows whose largest share a cluster has
    """

    sizes: Float64Array
    overlaps: Float64Array
    largest: npt.NDArray[np.int64]


def soft_prices(values: AnyArray, centroids: Float64Array, bounds: SizeBounds) -> Float64Array:
    """Return prices (k,) with which nearly all clusters have allowed sizes.

    Parameters
    ----------
    values : ndarray of shape (m, d), float32 or float64
    centroids : ndarray of shape (k, d), float64
    bounds : SizeBounds of these rows
    """
    k, m, fewer = len(centroids), len(values), _FEWER
    prices = np.zeros(k)
    temperature = _FIRST * float(np.square(centroids - centroids.mean(axis=0)).sum(axis=1).mean())
    for level in range(_COOLINGS if temperature > 0 else 0):
        current_monitor().report(f"first prices of bounded clusters, {level + 1} of {_COOLINGS}")
        stride = max(1, min(fewer, m // (_EACH * k)))
        prices, shared = _at(temperature, values[::stride], centroids, prices, bounds, m)
        if stride == 1 and bounds.surplus(shared.largest) <= _LEFT * m:
            break
        temperature, fewer = temperature * _COOLER, fewer // 2
    return prices


def _at(
    temperature: float,
    values: AnyArray,
    centroids: Float64Array,
    prices: Float64Array,
    bounds: SizeBounds,
    m: int,
) -> tuple[Float64Array, Shared]:
    """Return prices for one temperature, and the clusters of these rows, which stand for m."""
    share = len(values) / m
    low, high = share * bounds.low, share * bounds.high
    for step in range(_STEPS):
        found = shared(values, centroids, prices, temperature)
        above = (prices > 0) | (found.sizes > high)
        below = ~above & ((prices < 0) | (found.sizes < low))
        surplus = np.where(above, found.sizes - high, np.where(below, found.sizes - low, 0.0))
        if np.abs(surplus).sum() <= _LEFT * len(values) or step == _STEPS - 1:
            break
        after = prices + _newton(found.overlaps, surplus, above | below, temperature)
        prices = np.where(above, np.maximum(after, 0.0), np.where(below, np.minimum(after, 0.0), 0))
    return prices, found


def _newton(
    overlaps: Float64Array,
    surplus: Float64Array,
    active: npt.NDArray[np.bool_],
    temperature: float,
) -> Float64Array:
    """Return the change of the prices (k,) of active clusters that would remove the surplus."""
    at = np.flatnonzero(active)
    # The row sums of the overlaps are the sizes, so no other rounding makes the system indefinite.
    system = -overlaps[np.ix_(at, at)]
    sizes = overlaps.sum(axis=1)
    system[np.diag_indices(len(at))] += sizes[at] + _STEADY * sizes.mean()
    change = np.zeros(len(overlaps))
    with one_blas_thread():
        change[at] = temperature * np.linalg.solve(system, surplus[at])
    return np.clip(change, -_FAR * temperature, _FAR * temperature)


def shared(
    values: AnyArray, centroids: Float64Array, prices: Float64Array, temperature: float
) -> Shared:
    """Divide every row among the clusters by exp(-(squared distance + price) / temperature).

    Parameters
    ----------
    values : ndarray of shape (m, d), float32 or float64
    centroids : ndarray of shape (k, d), float64
    prices : ndarray of shape (k,), float64
    temperature : float, in squared data units; at zero a row would belong to one cluster
    """
    k = len(centroids)
    sizes, largest, overlaps = np.zeros(k), np.zeros(k, np.int64), np.zeros((k, k), np.float32)
    with one_blas_thread():
        for shares in _strips(values, centroids, prices, temperature):
            sizes += shares.sum(axis=0, dtype=np.float64)
            largest += np.bincount(shares.argmax(axis=1), minlength=k)
            overlaps += shares.T @ shares
    return Shared(sizes, overlaps.astype(np.float64), largest)


def _strips(
    values: AnyArray, centroids: Float64Array, prices: Float64Array, temperature: float
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the shares of a strip of rows, of shape (rows, k)."""
    origin, unit = centroids.mean(axis=0), np.sqrt(temperature / 2)
    moved = ((centroids - origin) / unit).astype(np.float32)
    # The squared length of a row has no influence on its shares.
    constants = (np.square(centroids - origin).sum(axis=1) + prices) / temperature
    constants = (constants - constants.min()).astype(np.float32)
    # Not fewer rows than clusters, because each strip is added to k x k overlaps in memory.
    step = max(len(centroids), _ENTRIES // max(centroids.shape))
    for start in range(0, len(values), step):
        x = ((values[start : start + step] - origin) / unit).astype(np.float32)
        shares = x @ moved.T
        shares -= constants
        shares -= shares.max(axis=1, keepdims=True)
        np.maximum(shares, -_COLD, out=shares)
        np.exp(shares, out=shares)
        shares /= shares.sum(axis=1, keepdims=True)
        yield shares
