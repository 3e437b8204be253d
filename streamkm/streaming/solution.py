"""The centroids of a summary."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray, Float64Array
from streamkm.errors import DataError
from streamkm.kernels import exponentials
from streamkm.passes import Distinct, Sampled, Table
from streamkm.rows import Block
from streamkm.seeding.coreset import nearest_rows
from streamkm.seeding.sample_search import SEARCHED, best_centroids
from streamkm.streaming.drift import Drift, compare, pairs
from streamkm.streaming.summary import Summary

_SEARCHES, _FEW_CLUSTERS = 8, 32
_CHEAP = 1e8  # multiplications of a comparison of all rows with all centroids


@dataclass(frozen=True)
class Solution:
    """Centroids of a summary, with estimates for all rows of the stream.

    Parameters
    ----------
    centroids : ndarray of shape (k, d), float64
    counts : ndarray of shape (k,), float64
        Weight of the rows of each cluster.
    inertia : float
        Loss of the centroids.
    drift : Drift or None
        Changes from the solution before; None for the first.
    """

    centroids: Float64Array
    counts: Float64Array
    inertia: float
    drift: Drift | None = None

    def after(self, before: Solution) -> Solution:
        """Return the solution with the drift from another one, and with its cluster numbers.

        If there are more clusters than before, those without a pair get the last numbers. If there
        are fewer, the clusters keep their present numbers.
        """
        drift = compare(before.centroids, before.counts, self.centroids, self.counts)
        if len(before.centroids) > len(self.centroids):
            return replace(self, drift=drift)
        old, new = pairs(before.centroids, self.centroids)
        others = np.setdiff1d(np.arange(len(self.centroids)), new)
        order = np.concatenate([new[np.argsort(old)], others])
        return Solution(
            self.centroids[order], self.counts[order], self.inertia, drift.reordered(order)
        )


def solve(summary: Summary, before: Solution | None = None) -> Solution:
    """Search a summary for the centroids of the lowest loss.

    The result depends on the distinct rows and their estimated weights only, not on their order.
    The clusters have the numbers of those of `before` with which they are paired. Frozen centroids
    are the first ones, and the drift of the first solution is that from them alone.

    Raises
    ------
    DataError
        If no row has weight.
    """
    summary.counted.check()
    found, frozen = _searched(summary.remembered()), summary.frozen
    if frozen.is_active:
        found = Solution(
            np.concatenate([frozen.centroids, found.centroids]),
            np.concatenate([frozen.counts, found.counts]),
            frozen.inertia + found.inertia,
        )
        before = before or Solution(frozen.centroids, frozen.identity.counts, 0.0)
    return found if before is None else found.after(before)


def _searched(summary: Summary) -> Solution:
    """Return the solution of the rows of a summary, beside the frozen centroids if there are any.

    New clusters are at most as many as the distinct rows that are not near frozen centroids.
    """
    k, estimates, frozen = summary.n_new, summary.estimates, summary.frozen
    if not len(estimates):
        if not frozen.is_active:
            raise DataError(
                f"no row of positive weight is among the last ones of {summary.length:,}, and all "
                "earlier ones are forgotten: give a longer half_life or window, or more rows."
            )
        return Solution(frozen.centroids[:0], np.empty(0), 0.0)
    table = Distinct(len(estimates))(Block.from_values(summary.values, estimates))
    if frozen.is_active:
        k = min(k, len(table.values))
    found = (
        _assigned(table, best_centroids(_sample(table, seed), k, seed, 0))
        for seed in (summary.seed ^ number for number in range(searches(table.values, k)))
    )
    best = min(found, key=lambda solution: solution.inertia)
    # The exact total weight is known, unless rows lose weight with age.
    unit = 1.0 if summary.forgetting.is_active else summary.total / float(table.weights.sum())
    return replace(best, counts=best.counts * unit, inertia=best.inertia * unit)


def searches(values: AnyArray, k: int) -> int:
    """Return the number of searches of the rows (m, d) of a summary, the best of which is taken.

    A search for few clusters in few rows sees all of them, and has many starts already.
    """
    better = k > _FEW_CLUSTERS or len(values) > SEARCHED
    return _SEARCHES if better and values.size * k <= _CHEAP else 1


def _sample(table: Table, seed: int) -> Sampled:
    """Return all rows in a random order, of which a search sees the first ones."""
    share = table.weights / table.weights.max()
    # Rates of both kinds, so that a part of the rows has heavy rows and light distant ones.
    rates = share / share.mean() + 1.0
    numbers = np.arange(len(rates))
    keys = exponentials(numbers, seed, 0) / rates
    order = np.argsort(keys, kind="stable")
    columns: Any = (a[order] for a in (keys, rates, table.weights, numbers, table.values))
    return Sampled(len(rates), np.inf, *columns)


def _assigned(table: Table, centroids: Float64Array) -> Solution:
    labels, d2 = nearest_rows(table.values, centroids)
    counts = np.bincount(labels, table.weights, minlength=len(centroids)).astype(np.float64)
    return Solution(centroids, counts, float((table.weights * d2).sum()))
