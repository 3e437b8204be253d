"""Lloyd's iterations that cache the rows near a boundary, so that many need no read.

docs/reads.md explains how the rows are chosen and why J cannot rise, and gives measurements.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from streamkm.arrays import LARGE_NBYTES, Float64Array
from streamkm.checkpointable import Checkpointable
from streamkm.engine import map_reduce
from streamkm.in_memory.descent import cost_of_step
from streamkm.passes import Assigned, Boundary, KeepBoundary, Lloyd, Pass
from streamkm.rows import Room, Rows, rows_in_memory
from streamkm.updates.lloyd import LloydState, LloydSteps
from streamkm.updates.step import Step

ALGORITHMS = ("auto", "lloyd")  # values of the parameter of `KMeans`; only the first one settles
# Caching a smaller share of the rows than this saves few reads [docs/reads.md].
_LEAST_SHARE = 0.01
# Gain of settling, relative to the previous step, above which the next read caches rows again: at
# least the first number, and the work of caching rows, as a share of the arithmetic of a read.
_USEFUL, _CACHING = 0.02, 0.2
_DIGITS = 1e-3  # a loss reduced to this share of that of the read keeps 12 of its 15 digits
SETTLING_STEPS = 32  # after a read, at most


@dataclass(frozen=True)
class BoundaryRows(Checkpointable):
    """The rows near a boundary, and the sums of all other rows, from one read.

    Parameters
    ----------
    anchor : ndarray of shape (k, d), the centroids of that read
    boundary : Boundary
    """

    anchor: Float64Array
    boundary: Boundary

    @classmethod
    def from_read(cls, anchor: Float64Array, boundary: Boundary) -> BoundaryRows:
        """Create the cache from a read, without the margins, distances and labels."""
        none = np.empty(0)
        labels = np.empty(0, np.int32)
        return cls(anchor, replace(boundary, margins=none, d2=none, labels=labels))

    def holds(self, centroids: Float64Array) -> bool:
        """Whether no other row can have changed its cluster."""
        return self.boundary.holds(self.anchor, centroids)

    def statistic(self, centroids: Float64Array) -> Assigned:
        """Lloyd's statistic, if the other rows stay in the clusters of the read."""
        rest = self.boundary.rest.about(self.anchor, centroids)
        if len(self.boundary.values) == 0:
            return rest
        rows = rows_in_memory(self.boundary.values, self.boundary.weights)
        return Assigned.combine([rest, map_reduce(Lloyd(centroids), rows)])

    def cost(self, weight: float) -> float:
        """Cost of a step on the cached rows, as a share of that of a read of rows of a weight."""
        share = max(0.0, 1 - float(self.boundary.rest.counts.sum()) / weight)
        return cost_of_step(share, len(self.anchor))


@dataclass(frozen=True)
class Settling(Checkpointable):
    """Further steps on the cached rows, although these no longer determine Lloyd's step.

    The steps minimise the loss that results if the other rows stay in the clusters of the read.
    This loss is an upper bound of the true loss, so neither rises.

    Parameters
    ----------
    centroids : ndarray of shape (k, d), of the next step
    steps : finished steps
    first, loss : the bound before the first and before the last step
    done : whether the centroids hardly moved, or the steps are `SETTLING_STEPS`
    """

    centroids: Float64Array
    steps: int = 0
    first: float = np.inf
    loss: float = np.inf
    done: bool = False

    def step(self, cached: BoundaryRows, shift: float, read: float, cost: float) -> Settling:
        """Return the state after a step.

        The last one has a sum of squared moves up to `shift`, or the step before gained less for
        its `cost`, in reads, than the read, whose loss was `read`.
        """
        gathered = cached.statistic(self.centroids)
        after = gathered.means(otherwise=self.centroids)
        loss, steps = gathered.inertia(self.centroids), self.steps + 1
        moved = float(np.square(after - self.centroids).sum())
        first = self.first if self.steps else loss
        worth = self.loss - loss >= cost * (read - first)
        done = steps == SETTLING_STEPS or moved <= shift or not worth
        return Settling(after, steps, first, loss, done)


@dataclass(frozen=True)
class AcceleratedState(LloydState):
    """State of accelerated iterations.

    Parameters
    ----------
    cached : BoundaryRows of the last read while they are useful, or None
    read_at : number of iterations before that read
    plain_reads : number of further reads without caching, because caching was not useful
    last_plain_reads : number of such reads in the last series
    settling : Settling on the cached rows, or None
    """

    cached: BoundaryRows | None = None
    read_at: int = 0
    plain_reads: int = 0
    last_plain_reads: int = 0
    settling: Settling | None = None

    @property
    def working(self) -> str:
        if self.settling is None or not self.settling.steps or self.cached is None:
            return ""
        step = f"step {self.settling.steps} of at most {SETTLING_STEPS}"
        return f"settling, {step}, inertia {self.settling.loss:.6g} or less"


@dataclass(frozen=True)
class AcceleratedUpdate(LloydSteps[AcceleratedState]):
    """Lloyd's iterations, several for each read.

    Parameters
    ----------
    rules, costs_reads, relocate : as for `LloydUpdate`
    most : maximum number of rows that a read caches, set by `on_rows`; with 0 every iteration is
        a read
    settles : whether the cached rows are also used for steps that are not exactly Lloyd's
    """

    most: int = 0
    settles: bool = True

    def init(self, centroids: Float64Array) -> AcceleratedState:
        return AcceleratedState(centroids)

    def on_rows(self, rows: Rows, room: Room, seed: int) -> Self:
        """Return the update for these rows; it caches if reads cost time and enough rows fit."""
        useful = not rows.in_memory and room.sample >= _LEAST_SHARE * rows.layout.n_rows
        return replace(self, most=room.sample if useful else 0)

    def on_table(self) -> Self:
        return replace(super().on_table(), most=0)

    def ask(self, state: AcceleratedState) -> Pass[Any]:
        if self._caches(state):
            return KeepBoundary(state.centroids, self.most)
        return super().ask(state)

    def tell(self, state: AcceleratedState, statistic: Any) -> AcceleratedState:
        if self._caches(state):
            cached = BoundaryRows.from_read(state.centroids, statistic)
            state = replace(state, cached=cached, read_at=len(state.history))
            statistic = cached.statistic(state.centroids)
        after = super().tell(state, statistic)
        if state.cached is None and state.pending is None:
            after = replace(after, plain_reads=max(0, state.plain_reads - 1))
        return self._while_valid(after)

    def advance(self, state: AcceleratedState) -> AcceleratedState | None:
        if state.cached is None or state.pending is not None or self.done(state):
            return None
        if state.settling is not None:
            return self._settle(state, state.settling, state.cached)
        statistic = state.cached.statistic(state.centroids)
        # The loss is the difference of that of the read and the moves, and has no more digits.
        least = _DIGITS * state.history[state.read_at].inertia
        if statistic.sums.dtype.kind == "f" and self.loss(statistic, state.centroids) <= least:
            return replace(state, cached=None)
        return self._while_valid(self._iterate(state, statistic, read=False))

    def stop(self, state: AcceleratedState, reason: str) -> AcceleratedState:
        # A pending step has not used its read yet, and the rows of a settling do not hold any more.
        valid = state.pending is None and state.settling is None
        cached = state.cached if valid else None
        return replace(super().stop(state, reason), cached=cached, settling=None)

    def restart(self, state: AcceleratedState) -> AcceleratedState:
        return replace(super().restart(state), cached=None, settling=None)

    def _caches(self, state: AcceleratedState) -> bool:
        """Whether the next read caches rows."""
        wanted = state.pending is None and not state.evaluating and len(state.centroids) > 1
        small = state.centroids.nbytes < LARGE_NBYTES  # the cache holds two copies of them
        return wanted and small and self.most > 0 and state.plain_reads == 0

    def _while_valid(self, state: AcceleratedState) -> AcceleratedState:
        """Drop the cached rows if they no longer determine Lloyd's next step.

        With `settles`, the centroids first settle on these rows.
        """
        if self.done(state):
            return replace(state, cached=None)
        if state.cached is None or state.pending is not None:
            return state
        if state.cached.holds(state.centroids):
            return state
        if self.settles and state.stop_reason is None and not state.history[-1].relocated:
            return replace(state, settling=Settling(state.centroids))
        return self._without_cached(state, useful=False)

    def _settle(
        self, state: AcceleratedState, settling: Settling, cached: BoundaryRows
    ) -> AcceleratedState:
        """Return the state after a step of settling, without the cached rows after the last."""
        read, cost = state.history[state.read_at].inertia, cached.cost(state.weight)
        settling = settling.step(cached, self.rules.tol * state.variance, read, cost)
        if not settling.done:
            return replace(state, settling=settling)
        gain = state.history[-1].inertia - settling.first
        enough = max(_USEFUL, cost_of_step(_CACHING, len(state.centroids)))
        useful = settling.first - settling.loss > enough * gain
        settled = replace(state, centroids=settling.centroids, settling=None)
        return self._without_cached(settled, useful)

    def _without_cached(self, state: AcceleratedState, useful: bool) -> AcceleratedState:
        """Return the state without cached rows, and decide whether the next read caches some."""
        useful |= len(state.history) - state.read_at > 1
        plain = 0 if useful else 2 * state.last_plain_reads + 1
        return replace(state, cached=None, plain_reads=plain, last_plain_reads=plain)

    def _compared(self, history: tuple[Step, ...]) -> Step | None:
        """Return the previous step; with `settles`, the step of the previous read, or None.

        Without `settles`, every step counts as a read, so the cache does not change the result.
        """
        if not self.settles:
            return super()._compared(history)
        if not self.costs_reads or not history[-1].read:
            return None
        return next((step for step in reversed(history[:-1]) if step.read), None)
