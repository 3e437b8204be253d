"""k-means whose clusters have bounded sizes [docs/very-large-k.md, "Clusters of bounded size"]."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.in_memory.bounded_steps import BoundedSteps
from streamkm.in_memory.descent import for_a_while
from streamkm.in_memory.prices import (
    WIDTH,
    corrected_prices,
    exchanged,
    labels_of,
    least_prices,
    loss_of,
    nearby_prices,
)
from streamkm.in_memory.size_bounds import SizeBounds
from streamkm.passes import (
    Assigned,
    Candidates,
    KeepCandidates,
    Pass,
    PerRow,
    PricedLabels,
    PricedLloyd,
    Product,
    Products,
    SampleUniform,
    threshold_of,
)
from streamkm.rows import Room, Rows
from streamkm.updates.base import Update
from streamkm.updates.bounded_state import BoundedState, check_sizes, not_bounded
from streamkm.updates.spherical import directions
from streamkm.updates.step import Step

_STREAM = 2**62 + 2**60  # of the random sample, distinct from those of seedings and mini-batches
# The sample has so many rows for each cluster, if the work in memory allows.
_EACH, _LEAST, _MULTIPLICATIONS = 256, 2**14, 2**33
_WHOLE = 2**29  # multiplications of an iteration below which all rows are the sample
_TOO_FEW = 4  # a sample of less than 1/4 of the rows is drawn again
# Bytes of a row of a rounding read, which an exchange copies and links by candidate.
_ROW = 2 * (12 * WIDTH + 40) + 8 * WIDTH
_PAIR = 32  # bytes of each pair of clusters in a Newton step, which takes more than an exchange
_FEW = 64  # rows of a rounding read for each cluster, at least
_ENOUGH, _ROUNDINGS = 4, 40  # rounding reads until any assignment is accepted, and at most
_TIED = 1e-6  # margin of rows whose label is stored, relative to the sums
_GAP = 1e-4  # by which the loss may exceed the least one before that


@dataclass(frozen=True)
class BoundedUpdate(Update[BoundedState]):
    """Lloyd's iterations with clusters of bounded size.

    The first read draws a sample, on which bounded k-means converges in memory. Each iteration is
    then a read with prices; the sizes that it measures correct the prices. After the last
    iteration, rounding reads correct the prices of the final centroids until the rows near a
    boundary, which are in memory, can be assigned such that the bounds hold exactly.

    Parameters
    ----------
    rules, costs_reads : as for `Update`
    min_size, max_size : int or None, least and most rows of a cluster
    unit_length : whether centroids are divided by their length, as in spherical k-means
    seed : unsigned 64-bit key of the sample
    n_rows : number of rows, also of those that are left out
    n_sample : maximum number of rows of the sample
    most : maximum number of rows in memory in a rounding read
    """

    min_size: int | None = None
    max_size: int | None = None
    unit_length: bool = False
    seed: int = 0
    n_rows: int = 1
    n_sample: int = 1
    most: int = 1

    uses_table: ClassVar[bool] = False  # rows of a table have weights

    def on_rows(self, rows: Rows, room: Room, seed: int) -> Self:
        layout = rows.layout
        itemsize = np.result_type(layout.dtype, np.float32).itemsize
        nbytes = room.sample * (layout.n_features * itemsize + 36)
        most = max(1, nbytes // _ROW)
        return replace(self, seed=seed, n_rows=layout.n_rows, n_sample=room.sample, most=most)

    def init(self, centroids: Float64Array) -> BoundedState:
        if self.unit_length:
            centroids = directions(centroids, centroids)
        return BoundedState(centroids, prices=np.zeros(len(centroids)))

    def ask(self, state: BoundedState) -> Pass[Any]:
        if state.sample is None:
            return Product((PricedLloyd(state.centroids, state.prices), self._sampling(state)))
        if state.stop_reason is None:
            return PricedLloyd(state.centroids, state.prices)
        prices = state.prices if state.trial is None else state.trial
        return KeepCandidates(state.centroids, prices, self._kept(state), self._width(state))

    def tell(self, state: BoundedState, statistic: Any) -> BoundedState:
        if isinstance(statistic, Products):
            return self._begun(state, *statistic.parts)
        if isinstance(statistic, Candidates):
            return self._rounded(state, statistic)
        return self._iterated(state, statistic)

    def advance(self, state: BoundedState) -> BoundedState | None:
        steps, sample = state.steps, state.sample
        if steps is None:
            return None
        bounds, shift = self._bounds_of_sample(state), self.rules.tol * state.variance
        most = self._kept(state)
        steps = for_a_while(steps, lambda each: each.step(sample, bounds, shift, self._means, most))
        if not steps.done:
            return replace(state, steps=steps)
        found = steps.solution
        return replace(
            state, centroids=found.centroids, prices=found.prices, steps=None, began=True
        )

    def stop(self, state: BoundedState, reason: str) -> BoundedState:
        if state.steps is not None:  # the prices of a step are those of the centroids before it
            found = state.steps.solution
            start = (found.centroids, found.prices)
            within = self._bounds_of_sample(state)
            prices = least_prices(state.sample, *start, within, self._kept(state))[1].prices
            state = replace(state, centroids=found.centroids, prices=prices, steps=None)
        return super().stop(state, reason)

    def _bounds_of_sample(self, state: BoundedState) -> SizeBounds:
        n_rows = round(state.weight)
        return self._bounds(len(state.centroids), n_rows).scaled(len(state.sample), n_rows)

    def reason(self, state: BoundedState) -> str | None:
        before = state.history[-2] if self.costs_reads and len(state.history) > 1 else None
        return self.rules.reason(state.history, state.variance, state.weight, before)

    def restart(self, state: BoundedState) -> BoundedState:
        state = super().restart(state)
        none = (np.empty(0, np.int64), np.empty(0, np.int32))
        state = replace(state, trial=None, n_roundings=0, growth=0.5, surplus=0)
        state = replace(state, numbers=none[0], labels=none[1])
        if state.began:
            return state
        # It was stopped before a sample moved the centroids.
        return replace(state, prices=np.zeros(len(state.prices)), sample=None)

    def labels(self, state: BoundedState, dtype: np.dtype[Any]) -> PerRow[Any]:
        prices = state.prices if state.trial is None else state.trial
        return PricedLabels(state.centroids, prices, state.numbers, state.labels, dtype)

    def _kept(self, state: BoundedState) -> int:
        """The maximum number of rows of a rounding read that are kept."""
        return max(self.most, _FEW * len(state.prices))

    def _width(self, state: BoundedState) -> int:
        """The number of candidates of each row of the next rounding read."""
        # Rows that are all in memory get more candidates each time, until they can be assigned.
        allowed = WIDTH * self._kept(state) // max(1, round(state.weight))
        return min(len(state.prices), max(WIDTH, min(WIDTH << state.n_roundings, allowed)))

    def _sampling(self, state: BoundedState) -> SampleUniform:
        """The pass that draws the sample, or all rows if they are few."""
        n = state.n_rows or self.n_rows
        m = self._most_sampled(state, n)
        return SampleUniform(m, threshold_of(1.1 * m / n if m < n else 1.0), self.seed, _STREAM)

    def _most_sampled(self, state: BoundedState, n: int) -> int:
        """The maximum number of rows of a sample of n rows."""
        k, each = len(state.centroids), state.centroids.size
        few = max(_LEAST, min(_EACH * k, _MULTIPLICATIONS // each))
        wanted = n if n * each <= _WHOLE else few
        return max(k, min(wanted, n, self.n_sample, self.most))

    def _bounds(self, k: int, n_rows: int) -> SizeBounds:
        low = 0 if self.min_size is None else self.min_size
        high = n_rows if self.max_size is None else min(self.max_size, n_rows)
        check_sizes(k, n_rows, self.min_size, self.max_size)
        return SizeBounds(np.full(k, low), np.full(k, high))

    def _means(self, assigned: Assigned, otherwise: Float64Array) -> Float64Array:
        means = assigned.means(otherwise)
        return directions(means, otherwise) if self.unit_length else means

    def _begun(self, state: BoundedState, assigned: Assigned, sampled: Any) -> BoundedState:
        """The state after the first read, with the sample."""
        n, sample = round(assigned.weight), sampled.values
        if state.n_rows is None and _TOO_FEW * len(sample) < min(n, self._most_sampled(state, n)):
            return replace(state, n_rows=n)  # most rows are left out: draw with another threshold
        variance = assigned.variance(state.centroids)
        state = replace(state, variance=variance, weight=assigned.weight, sample=sample)
        bounds = self._bounds_of_sample(state)
        if state.stop_reason is not None:
            start = (state.centroids, state.prices)
            found = least_prices(sample, *start, bounds, self._kept(state))[1]
            return replace(state, prices=found.prices)
        return replace(state, steps=BoundedSteps(state.centroids))

    def _iterated(self, state: BoundedState, assigned: Assigned) -> BoundedState:
        """The state after an iteration."""
        sizes = np.rint(assigned.counts).astype(np.int64)
        bounds = self._bounds(len(sizes), int(sizes.sum()))
        # The dual value: a lower bound of the loss within bounds, which exact prices reach.
        loss = self.loss(assigned, state.centroids)
        inertia = bounds.dual_value(loss, sizes, state.prices)
        centroids = self._means(assigned, state.centroids)
        shift = float(np.square(centroids - state.centroids).sum())
        step = Step(inertia, shift, int(np.count_nonzero(sizes == 0)))
        before = (state.centroids, state.prices)
        prices = corrected_prices(state.sample, before, centroids, sizes, bounds, self._kept(state))
        history = (*state.history, step)
        state = replace(state, centroids=centroids, prices=prices, history=history)
        return replace(state, stop_reason=self.reason(state))

    def _rounded(self, state: BoundedState, found: Candidates) -> BoundedState:
        """The state after a rounding read; done if the bounds hold."""
        prices = state.prices if state.trial is None else state.trial
        bounds = self._bounds(len(prices), int(found.sizes.sum()))
        solved = exchanged(found, bounds.without(found.counts), prices)
        labels = labels_of(found, solved)
        sizes = found.counts + np.bincount(labels, minlength=len(prices))
        inertia = loss_of(found, solved)
        least = bounds.dual_value(found.loss + float(found.costs[:, 0].sum()), found.sizes, prices)
        state = replace(state, n_roundings=state.n_roundings + 1)
        holds = solved.missing == 0 and bounds.hold(sizes)
        if holds and (inertia - least <= _GAP * inertia or state.n_roundings >= _ENOUGH):
            # Rows at the same sum of two clusters, too: another order of the clusters decides them.
            tied = found.margins <= _TIED * (np.ptp(prices) + found.costs[:, 0])
            moved = np.flatnonzero(tied | (labels != found.clusters[:, 0]))
            moved = moved[np.argsort(found.numbers[moved])]
            return replace(
                state,
                trial=prices,
                numbers=found.numbers[moved],
                labels=labels[moved],
                inertia=inertia,
                unbounded_inertia=found.nearest_loss,
                statistic=Assigned(np.zeros((len(sizes), 0)), sizes.astype(np.float64), inertia),
            )
        width = found.clusters.shape[1]
        # All rows are in memory, but their candidates do not suffice.
        narrow = solved.missing > 0 and not np.isfinite(found.reach)
        stuck = not found.reach > 0 or (narrow and self._width(state) == width)
        if stuck or state.n_roundings >= _ROUNDINGS:
            raise not_bounded(state.n_roundings, len(labels), width, found.reach)
        if narrow:  # the prices of an exchange with missing rows are no better
            return replace(state, trial=prices)
        surplus = bounds.surplus(found.sizes)
        if surplus > len(labels) // 4 and state.n_roundings <= _ENOUGH:
            before = (state.centroids, prices)
            trial = corrected_prices(
                state.sample, before, before[0], found.sizes, bounds, self._kept(state)
            )
        else:
            growth = state.growth * 2 if surplus < state.surplus else max(1.0, state.growth / 4)
            trial = nearby_prices(found, solved, prices, bounds, growth)
            state = replace(state, growth=growth, surplus=surplus)
        return replace(state, trial=trial)


def bounding_nbytes(k: int) -> int:
    """Return the bytes that bounded sizes of k clusters need at least, beside the sample."""
    return _PAIR * k * k + _ROW * _FEW * k
