"""The summary of a stream: a weighted sample of all rows so far, of bounded size.

Every row has a draw e from Exp(1), keyed by its block and its row number, and a bound b. The row is
in the summary if e < b, which has the probability 1 - exp(-b), so with the weight w / (1 - exp(-b))
every sum over the summary is an unbiased estimate of the sum over all rows (Horvitz and Thompson,
JASA 47, 1952). New rows have an infinite bound. When there are more than 2 * `most` rows, they are
reduced to `most`: rates q that bound the sensitivity of the rows are computed from a rough solution
of the summary itself, the threshold t is the smallest e / q that is left out, and the bounds become
min(b, q * t) (rank conditioning: Cohen and Kaplan, PODC 2007).

Because a row keeps its draw, a reduction drops rows but does not draw again. The error is therefore
that of one sample with the last bounds, for any number of reductions. Where draws are new in every
reduction, errors add up, and a tree of log n summaries is needed to limit them (Bentley and Saxe's
method, as in StreamKM++, Ackermann et al., JEA 17, 2012). Here one summary is enough.

In a stream that forgets, a row has the share of its weight that its age leaves (`Forgetting`), in
estimates and in rates. Stored weights do not change, and probabilities stay valid, so estimates
stay unbiased. Rates are relative, so those of a part of the stream refer to the end of this part.
Rows whose share is zero are dropped before a reduction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array
from streamkm.kernels import exponentials
from streamkm.passes import Counted, Sampled, Statistic
from streamkm.seeding.coreset import least_sample, nearest_rows, rates_about, rough_centroids
from streamkm.streaming.forgetting import Forgetting
from streamkm.streaming.frozen import Frozen
from streamkm.streaming.totals import total_of

_COLUMNS = "values", "weights", "bounds", "numbers", "draws"
PILOT_STREAM = 2**62 + 2**60  # stream of the draws of pilots


class WeightedRows(NamedTuple):
    """Rows (m, d) and their weights (m,), float64."""

    rows: AnyArray
    weights: Float64Array


@dataclass(frozen=True)
class Summary(Statistic):
    """A weighted sample of the rows of a stream, sorted by draw.

    Parameters
    ----------
    most : int, number of rows after a reduction; at most twice as many are kept
    n_clusters : int, centroids of the rough solution of a reduction
    seed : int, unsigned 64-bit key of all draws
    counted : Counted, counts of all rows of the stream
    total : float, weight of the rows of which the summary is a sample
    length : int, rows of the stream including those that are left out
    draws, bounds, weights : ndarray of shape (m,), float64
    numbers : ndarray of shape (m,), int64, positions of the rows in the stream
    values : ndarray of shape (m, d), float32 or float64
    forgetting : Forgetting
    frozen : Frozen, whose near rows are not in the summary
    """

    most: int
    n_clusters: int
    seed: int
    counted: Counted
    total: float
    length: int
    draws: Float64Array
    bounds: Float64Array
    weights: Float64Array
    numbers: npt.NDArray[np.int64]
    values: AnyArray
    forgetting: Forgetting = field(default_factory=Forgetting)
    frozen: Frozen = field(default_factory=Frozen)

    @classmethod
    def none(cls, most: int, n_clusters: int, seed: int) -> Summary:
        """Return the summary of no rows."""
        empty, numbers = np.empty(0), np.empty(0, np.int64)
        counted = Counted()
        return cls(
            most,
            n_clusters,
            seed,
            counted,
            0.0,
            0,
            draws=empty,
            bounds=empty,
            weights=empty,
            numbers=numbers,
            values=np.empty((0, 0)),
        )

    @classmethod
    def combine(cls, parts: Sequence[Summary]) -> Summary:
        known = [p for p in parts if len(p.draws)] or parts[:1]
        joined = replace(
            known[0],
            seed=min(p.seed for p in parts),
            counted=Counted.combine([p.counted for p in parts]),
            total=total_of(p.total for p in parts),
            length=sum(p.length for p in parts),
            frozen=Frozen.combine([p.frozen for p in parts]),
        )
        if len(known) > 1:
            joined = replace(joined, **_joined(known))
        if len(joined.draws) > 2 * joined.most:
            joined = joined.remembered()
        return joined.reduced() if len(joined.draws) > 2 * joined.most else joined

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Summary:
        """Return the summary of the arrays and numbers of `stored`."""
        counted = Counted(rows=stored["rows"], weighted=stored["weighted"])
        own = {f.name: stored[f.name] for f in fields(cls) if f.name in stored}
        forgetting = Forgetting(stored.get("half_life"), stored.get("window"))
        own |= {"counted": counted, "seed": int(stored["seed"]), "forgetting": forgetting}
        own["frozen"] = Frozen(**stored.get("frozen", {}))
        return cls(**own)

    @property
    def stored(self) -> dict[str, Any]:
        """The arrays and numbers of the summary; JSON has no integers of 64 bits."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        counted, forgetting, frozen = (own.pop(n) for n in ("counted", "forgetting", "frozen"))
        return own | {
            **vars(forgetting),
            "frozen": vars(frozen) if frozen.is_active else {},
            "rows": counted.rows,
            "weighted": counted.weighted,
            "seed": str(self.seed),
        }

    @property
    def estimates(self) -> Float64Array:
        """Present weight of each row divided by the probability that it is in the summary, (m,)."""
        return self._present_weights / -np.expm1(-self.bounds)

    @property
    def _present_weights(self) -> Float64Array:
        return self.weights * self._shares if self.forgetting.is_active else self.weights

    @property
    def _shares(self) -> Float64Array:
        """Share of its weight that each row has at the end of the stream, (m,)."""
        # In a part of a stream, positions are larger than its length.
        last = max(self.length - 1, int(self.numbers.max(initial=-1)))
        return self.forgetting.shares(self.numbers, last)

    def remembered(self) -> Summary:
        """Return the summary without the rows that have no weight any more."""
        if not self.forgetting.is_active:
            return self
        return self._rows(np.flatnonzero(self._shares))

    @property
    def n_new(self) -> int:
        """Number of clusters that are searched beside the frozen ones, at most."""
        return self.n_clusters - len(self.frozen.centroids)

    @property
    def has_model(self) -> bool:
        """Whether there are rows of weight from which centroids follow."""
        if self.frozen.is_active:
            return self.counted.weighted > 0
        return len(self.remembered().draws) > 0

    @property
    def least_rows(self) -> int:
        """Number of rows that a model of all clusters needs."""
        return 1 if self.frozen.is_active else self.n_clusters

    @property
    def is_complete(self) -> bool:
        """Whether every row of positive weight is in the summary."""
        return bool(np.isinf(self.bounds).all())

    def reduced(self) -> Summary:
        """Return the summary with `most` rows, those of the smallest draws for their rates."""
        estimates = self.estimates
        rates = rates_about(self._rough_centroids(estimates), self.values, estimates)
        labels, d2 = nearest_rows(self.values, rates.centroids)
        rate = self._present_weights * (rates.scale * d2 + rates.base[labels])
        scores = self.draws / rate
        order = np.lexsort((self.draws, scores))
        threshold, kept = scores[order[self.most]], np.sort(order[: self.most])
        bounds = np.minimum(self.bounds, rate * threshold)
        return replace(self, bounds=bounds)._rows(kept)

    def with_features(self, order: Sequence[int]) -> Summary:
        """Return the summary with the features in another order."""
        values, frozen = self.values[:, list(order)], self.frozen.with_features(order)
        return replace(self, values=values, frozen=frozen)

    def _rows(self, which: npt.NDArray[np.intp]) -> Summary:
        """Return the summary with only some of its rows."""
        return replace(
            self,
            draws=self.draws[which],
            bounds=self.bounds[which],
            weights=self.weights[which],
            numbers=self.numbers[which],
            values=self.values[which],
        )

    def _rough_centroids(self, estimates: Float64Array) -> Float64Array:
        """Return a rough solution of a uniform subset, whose draws are not those of the rows.

        Rows of the summary have similar shares in the loss, so a uniform subset represents them.
        """
        keys = exponentials(self.numbers, self.seed, PILOT_STREAM)
        some = np.sort(np.lexsort((self.draws, keys))[: least_sample(self.n_clusters)])
        return rough_centroids(
            sample_of(self.values[some], estimates[some], keys[some]), self.n_clusters
        )


def _joined(parts: Sequence[Summary]) -> dict[str, Any]:
    """Return the columns of summaries together, sorted by draw.

    Rows of equal draws, as of two summaries of the same data, are ordered by all that is known of
    them, so that the order of the parts does not matter.
    """

    def column(name: str) -> AnyArray:
        return np.concatenate([getattr(p, name) for p in parts])

    draws = column("draws")
    order = np.argsort(draws, kind="stable")  # sorted parts are merged in linear time
    if (draws[order[1:]] == draws[order[:-1]]).any():
        values, *others = map(column, _COLUMNS)
        order = np.lexsort((*values.T, *others))
    # One column after the other, so that only one is in memory twice.
    return {name: column(name)[order] for name in _COLUMNS}


def sample_of(values: AnyArray, weights: Float64Array, keys: Float64Array) -> Sampled:
    """Return weighted rows as a sample that contains each of them with certainty."""
    n = len(values)
    return Sampled(n, np.inf, keys, np.ones(n), weights, np.arange(n), values)
