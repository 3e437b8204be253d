"""Mini-batch k-means (Sculley, WWW 2010): the centroids move after every few blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.checkpointable import Checkpointable
from streamkm.kernels import exponentials
from streamkm.passes import Assigned, Census, DrawUniform, Lloyd, Pass, Product, Products
from streamkm.reasons import DROPPED, MAX_ITER, NO_IMPROVEMENT, SHIFT, TIME_LIMIT
from streamkm.rows import Room, Rows
from streamkm.seeding import Seeding, Task, method_of
from streamkm.updates.base import Update, UpdateState

_REASSIGN_EACH = 10  # rows per cluster between two reassignments, as in scikit-learn
# Random streams of block orders and reassignments, distinct from those of seedings.
_ORDERS, _DRAWS = 2**62, 2**62 + 2**61


@dataclass(frozen=True)
class Batches(Checkpointable):
    """The blocks of the mini-batches; every epoch visits each block once in random order.

    Parameters
    ----------
    size : requested number of rows of a batch, or None for all rows
    seed : unsigned 64-bit key of the orders
    n_blocks, n_rows, block_rows : blocks and rows of the data, and rows of the largest block
    """

    size: int | None
    seed: int = 0
    n_blocks: int = 1
    n_rows: int = 1
    block_rows: int = 1

    @property
    def blocks_each(self) -> int:
        """Blocks of a batch; the last batch of an epoch may have fewer."""
        if self.size is None or self.size >= self.n_rows:
            return self.n_blocks
        return min(self.n_blocks, max(1, self.size // self.block_rows))

    @property
    def rows_each(self) -> int:
        """Rows of a batch; a batch with a block at an edge of the data has fewer."""
        return min(self.n_rows, self.blocks_each * self.block_rows)

    @property
    def per_epoch(self) -> int:
        """Batches of an epoch."""
        return math.ceil(self.n_blocks / self.blocks_each)

    def blocks(self, step: int) -> tuple[int, ...]:
        """Numbers of the blocks of a batch, ascending."""
        epoch, place = divmod(step, self.per_epoch)
        first = place * self.blocks_each
        order = _order(self.n_blocks, self.seed, epoch)
        return tuple(sorted(order[first : first + self.blocks_each]))


@lru_cache(maxsize=4)
def _order(n_blocks: int, seed: int, epoch: int) -> list[int]:
    keys = exponentials(np.arange(n_blocks), seed, _ORDERS + epoch)
    order: list[int] = np.argsort(keys, kind="stable").tolist()
    return order


@dataclass(frozen=True)
class PartialSeeding(Seeding):
    """A seeding method that reads only some blocks of the data.

    If masks leave too few rows in these blocks, it starts again with twice as many blocks.

    Parameters
    ----------
    method : name of the method
    sample : maximum number of rows of a sample in memory
    n_rows : requested number of rows
    batches : Batches; their first blocks are read
    n_blocks : number of blocks that are read
    inner : state of the method
    """

    method: str
    sample: int
    n_rows: int
    batches: Batches
    n_blocks: int
    inner: Seeding

    @classmethod
    def on_blocks(cls, method: str, task: Task, n_rows: int, batches: Batches, n: int) -> Self:
        """Return the state before the first read of n blocks, for `n_rows` rows."""
        n = min(n, batches.n_blocks)
        n_rows_read = min(batches.n_rows, n * batches.block_rows)
        inner = method_of(method).start(replace(task, n_rows=n_rows_read))
        return cls(task.k, task.seed, method, task.sample, n_rows, batches, n, inner)

    @property
    def blocks(self) -> tuple[int, ...]:
        order = _order(self.batches.n_blocks, self.batches.seed, -1)
        return tuple(sorted(order[: self.n_blocks]))

    @property
    def working(self) -> str:
        return self.inner.working

    def advance(self) -> Seeding | Float64Array | None:
        then = self.inner.advance()
        return replace(self, inner=then) if isinstance(then, Seeding) else then

    def ask(self) -> Product:
        return Product((Census(), self.inner.ask()))

    def tell(self, statistic: Products) -> Seeding | Float64Array:
        census, answer = statistic.parts
        census.check_values()
        whole = self.n_blocks == self.batches.n_blocks
        if whole:
            census.check()
        if not whole and census.weighted < max(self.k, self.n_rows // 2):
            task = Task(self.k, self.seed, self.batches.n_rows, self.sample)
            return self.on_blocks(self.method, task, self.n_rows, self.batches, 2 * self.n_blocks)
        then = self.inner.tell(answer)
        return replace(self, inner=then) if isinstance(then, Seeding) else then


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

    batches: Batches = Batches(1024)
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
            passes.append(DrawUniform(most, self.batches.seed, _DRAWS + state.n_steps))
        return Product(tuple(passes))

    def blocks(self, state: MiniBatchState) -> tuple[int, ...] | None:
        return None if state.evaluating else self.batches.blocks(state.n_steps)

    def tell(self, state: MiniBatchState, statistic: Products | Assigned) -> MiniBatchState:
        if isinstance(
            statistic, Assigned
        ):  # the statistic of labelling, which checks the values itself
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
        if (
            not state.counts.any()
        ):  # the loss of the seeding is not comparable with that of the iterations
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
