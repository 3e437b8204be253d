"""Mini-batch k-means (Sculley, WWW 2010): the centroids move after every few blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.passes import Assigned, Census, DrawUniform, Lloyd, Pass, Product, Products
from streamkm.reasons import DROPPED, MAX_ITER, NO_IMPROVEMENT, SHIFT, TIME_LIMIT
from streamkm.rows import Room, Rows
from streamkm.seeding import Task
from streamkm.updates.base import Update, UpdateState
from streamkm.updates.batches import DRAWS, Batches, PartialSeeding

_REASSIGN_EACH = 10  # rows per cluster between two reassignments, as in scikit-learn


@dataclass(frozen=True)
class MiniBatchState(UpdateState):
    """State of mini-batch k-means between two batches. Its `history` stays empty.

    Parameters
    ----------
    counts : ndarray of shape (k,), float64, weight of the rows assigned to each centroid so far
    n_steps : number of batches so far
    rows_since : number of rows since clusters of low counts were last reassigned
    shift : sum of squared moves of the centroids in the last step
    mean_loss : mean loss of the last batch under the centroids before it
    average : exponentially weighted average of the mean losses, or None before the second batch
    lowest : lowest of the averages
    no_improvement : number of batches since then
    """

    counts: Float64Array = field(default_factory=lambda: np.empty(0))
    n_steps: int = 0
    rows_since: int = 0
    shift: float = math.inf
    mean_loss: float = math.nan
    average: float | None = None
    lowest: float = math.inf
    no_improvement: int = 0

    @property
    def note(self) -> str:
        if self.n_steps == 0:
            return ""
        average = "" if self.average is None else f", average {self.average:.6g}"
        return f"batch {self.n_steps:,}, mean loss {self.mean_loss:.6g}{average}"


@dataclass(frozen=True)
class MiniBatchUpdate(Update[MiniBatchState]):
    """Streaming means of the rows of every cluster, with the rules of scikit-learn.

    Parameters
    ----------
    rules, costs_reads : as for `Update`; of the rules only `max_iter`, in epochs, `tol`,
        `max_no_improvement` and `evaluates`
    batches : Batches; `on_rows` completes it
    reassignment_ratio : clusters whose count is below this share of the largest are moved to rows
        of the batch, drawn by weight
    init_size : number of rows that the seeding reads, or None for all rows
    """

    batches: Batches = field(default=Batches(1024))
    reassignment_ratio: float = 0.01
    init_size: int | None = 3072

    uses_table: ClassVar[bool] = False  # mini-batches are blocks of the data

    def on_rows(self, rows: Rows, room: Room, seed: int) -> Self:
        sizes = (rows.plan.n_blocks, rows.layout.n_rows, rows.plan.largest)
        return replace(self, batches=Batches(self.batches.size, seed, *sizes))

    def seeding(self, method: str, task: Task) -> PartialSeeding:
        n_rows, n_blocks = self.batches.n_rows, self.batches.n_blocks
        if self.init_size is not None:
            n_rows, n_blocks = self.init_size, math.ceil(self.init_size / self.batches.block_rows)
        return PartialSeeding.on_blocks(method, task, n_rows, self.batches, n_blocks)

    def init(self, centroids: Float64Array) -> MiniBatchState:
        return MiniBatchState(centroids, counts=np.zeros(len(centroids)))

    def ask(self, state: MiniBatchState) -> Product:
        passes: list[Pass[Any]] = [Census(), Lloyd(state.centroids)]
        if not state.evaluating and self._reassigns(state) and self.reassignment_ratio > 0:
            most = min(len(state.centroids), max(1, self.batches.rows_each // 2))
            passes.append(DrawUniform(most, self.batches.seed, DRAWS + state.n_steps))
        return Product(tuple(passes))

    def blocks(self, state: MiniBatchState) -> tuple[int, ...] | None:
        return None if state.evaluating else self.batches.blocks(state.n_steps)

    def tell(self, state: MiniBatchState, statistic: Products | Assigned) -> MiniBatchState:
        if isinstance(statistic, Assigned):  # of labelling, which checks the values itself
            return self._evaluated(state, statistic)
        census, assigned, *drawn = statistic.parts
        census.check_values()
        if state.evaluating:
            return self._evaluated(state, assigned)
        n_rows = self.batches.rows_each
        rows_since = 0 if self._reassigns(state) else state.rows_since + n_rows
        n_steps = state.n_steps + 1
        weight = state.weight + (assigned.weight * self.batches.per_epoch - state.weight) / n_steps
        after = replace(state, n_steps=n_steps, rows_since=rows_since, weight=weight)
        if assigned.weight > 0:
            after = self._averaged(after, assigned)
            for rows in drawn:
                after = self._reassigned(after, rows.values, census.rows)
            moves = after.centroids - state.centroids
            after = replace(after, shift=float(np.einsum("kd,kd->", moves, moves)))
        return self._stopped(after, self.reason(after))

    def reason(self, state: MiniBatchState) -> str | None:
        if state.average is not None:
            if self.rules.tol > 0 and state.shift <= self.rules.tol * state.variance:
                return SHIFT
            limit = self.rules.max_no_improvement
            if limit is not None and state.no_improvement >= limit:
                return NO_IMPROVEMENT
        most = self.rules.max_iter * self.batches.per_epoch
        return MAX_ITER if state.n_steps >= most else None

    def stop(self, state: MiniBatchState, reason: str) -> MiniBatchState:
        return self._stopped(state, reason)

    def resume(self, state: MiniBatchState) -> MiniBatchState:
        if state.n_steps == 0 or state.stop_reason == DROPPED:
            return self.restart(state) if state.stop_reason == TIME_LIMIT else state
        reason = self.reason(state)
        if reason is None:
            return self.restart(state)
        estimated = not self.rules.evaluates and state.inertia is not None
        if state.stop_reason == reason and (state.statistic is not None or estimated):
            return state
        return self._stopped(replace(state, inertia=None, statistic=None), reason)

    def _reassigns(self, state: MiniBatchState) -> bool:
        """Whether clusters of low counts are reassigned after the next batch."""
        n_rows = state.rows_since + self.batches.rows_each
        return not state.counts.all() or n_rows >= _REASSIGN_EACH * len(state.counts)

    def _averaged(self, state: MiniBatchState, assigned: Assigned) -> MiniBatchState:
        """Return the state with the rows of a batch in the means and its loss in the average."""
        counts, met = state.counts + assigned.counts, assigned.counts > 0
        centroids = state.centroids.copy()
        sums = state.counts[met, None] * centroids[met] + assigned.sums[met]
        centroids[met] = sums / counts[met, None]
        mean = assigned.inertia(state.centroids) / assigned.weight
        after = replace(state, centroids=centroids, counts=counts, mean_loss=mean)
        if not state.counts.any():  # the loss of the seeding is not part of the average
            return replace(after, variance=assigned.variance(state.centroids))
        share = 2 * self.batches.rows_each / (self.batches.n_rows + 1)
        old = mean if state.average is None else state.average
        average = old + (mean - old) * min(1.0, share)
        if average < state.lowest:
            return replace(after, average=average, lowest=average, no_improvement=0)
        return replace(after, average=average, no_improvement=state.no_improvement + 1)

    def _reassigned(self, state: MiniBatchState, rows: Float64Array, n_rows: int) -> MiniBatchState:
        """Return the state with clusters of low counts moved to drawn rows (m, d) of a batch."""
        counts, largest = state.counts, state.counts.max()
        low = np.flatnonzero((counts < self.reassignment_ratio * largest) & (counts < largest))
        if len(low) > n_rows // 2:
            low = np.sort(np.argsort(counts, kind="stable")[: n_rows // 2])
        low = low[: len(rows)]
        centroids, counts = state.centroids.copy(), counts.copy()
        centroids[low] = rows[: len(low)]
        counts[low] = np.delete(counts, low).min()
        return replace(state, centroids=centroids, counts=counts)

    def _evaluated(self, state: MiniBatchState, assigned: Assigned) -> MiniBatchState:
        inertia = self.loss(assigned, state.centroids)
        return replace(state, inertia=inertia, statistic=assigned, weight=assigned.weight)

    def _stopped(self, state: MiniBatchState, reason: str | None) -> MiniBatchState:
        """Return the state with a stop reason, and the estimated loss unless a read follows."""
        if reason is None or self.rules.evaluates:
            return replace(state, stop_reason=reason)
        mean = state.mean_loss if state.average is None else state.average
        return replace(state, stop_reason=reason, inertia=mean * state.weight)
