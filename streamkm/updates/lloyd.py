"""Lloyd's iterations: assign rows to the nearest centroid, then move centroids to the means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from streamkm.arrays import Float64Array, in_parts
from streamkm.errors import LossRoseError
from streamkm.passes import Assigned, DrawFarthest, Lloyd, Losses, Pass, Scatter, TopRows
from streamkm.reasons import NOTHING_MOVED
from streamkm.updates.base import Update, UpdateState
from streamkm.updates.relocating import relocated
from streamkm.updates.step import Step

_RISE = 1e-9  # relative increase of a loss that rounding of the sums can cause


@dataclass(frozen=True)
class LloydState(UpdateState):
    """State of Lloyd's iterations.

    Parameters
    ----------
    pending : statistic of an iteration whose empty clusters still need far rows to move to, or None
    """

    pending: Assigned | None = None

    @property
    def note(self) -> str:
        return "" if self.pending is None else "an empty cluster needs a far row"


L = TypeVar("L", bound=LloydState)


@dataclass(frozen=True)
class LloydSteps(Update[L], Generic[L]):
    """The common part of all forms of Lloyd's iterations.

    A subclass may replace `step` by another pass, with a statistic that is an `Assigned` or a
    subclass of it, `farthest` by a pass with the same distances, and `means` by another computation
    of centroids from that statistic.

    Parameters
    ----------
    relocate : whether empty clusters move to the farthest rows, or stay where they are
    """

    relocate: bool = True

    never_rises: ClassVar[bool] = True  # whether a rise of the loss is an error

    def step(self, centroids: Float64Array) -> Pass[Any]:
        """Return the pass of an iteration."""
        return Lloyd(centroids)

    def farthest(self, most: int, centroids: Float64Array) -> Pass[Any]:
        """Return the pass that finds the rows to which empty clusters move."""
        return DrawFarthest(most, centroids)

    def means(self, statistic: Assigned, otherwise: Float64Array) -> Float64Array:
        """Return the next centroids (k, d); those of empty clusters are rows of `otherwise`."""
        return statistic.means(otherwise)

    def ask(self, state: L) -> Pass[Any]:
        if state.pending is not None:
            empty = int(np.count_nonzero(state.pending.counts == 0))
            return self.farthest(empty, state.centroids)
        return self.step(state.centroids)

    def tell(self, state: L, statistic: Any) -> L:
        if state.pending is not None:
            return self._move(state, state.pending, self.costs_reads, far=statistic)
        return self._iterate(state, statistic, self.costs_reads)

    def reason(self, state: L) -> str | None:
        return self.rules.reason(
            state.history, state.variance, state.weight, self._compared(state.history)
        )

    def stop(self, state: L, reason: str) -> L:
        return replace(super().stop(state, reason), pending=None)

    def resume(self, state: L) -> L:
        return state if state.pending is not None else super().resume(state)

    def _iterate(self, state: L, statistic: Assigned, read: bool) -> L:
        """The state after an iteration, or before its empty clusters have moved."""
        inertia = self.loss(statistic, state.centroids)
        self._check(state, inertia)
        if state.evaluating:
            return replace(state, inertia=inertia, statistic=statistic)
        if not state.history:
            variance = statistic.variance(state.centroids)
            state = replace(state, variance=variance, weight=statistic.weight)
        if self.relocate and inertia > 0 and np.any(statistic.counts == 0):
            return replace(state, pending=statistic)
        return self._move(state, statistic, read)

    def _move(self, state: L, assigned: Assigned, read: bool, far: TopRows | None = None) -> L:
        """The state with every centroid at the mean of its rows."""
        n_empty = int(np.count_nonzero(assigned.counts == 0))
        gathered, n_relocated = (assigned, 0) if far is None else relocated(assigned, far)
        centroids = self.means(gathered, state.centroids)
        inertia = self.loss(assigned, state.centroids)
        shift = 0.0
        for part in in_parts(centroids):
            moves = centroids[part] - state.centroids[part]
            shift += float(np.einsum("kd,kd->", moves, moves))
        step = Step(inertia, shift, n_empty, n_relocated, read)
        state = replace(state, centroids=centroids, history=(*state.history, step), pending=None)
        reason = self.reason(state)
        if reason == NOTHING_MOVED:
            return replace(state, stop_reason=reason, inertia=inertia, statistic=assigned)
        return replace(state, stop_reason=reason)

    def _compared(self, history: tuple[Step, ...]) -> Step | None:
        """The step that `reading_tol` compares the last step with, or None."""
        return history[-2] if self.costs_reads and len(history) > 1 else None

    def _check(self, state: L, inertia: float) -> None:
        """Refuse a loss that is not finite, or that rose by more than rounding."""
        last = state.history[-1] if state.history else None
        if not np.isfinite(inertia):
            raise LossRoseError(last.inertia if last else np.nan, inertia, state)
        if last is None or last.relocated or not self.never_rises:
            return
        if inertia > last.inertia * (1 + _RISE) + _rounding(state, last.inertia):
            raise LossRoseError(last.inertia, inertia, state)


def _rounding(state: LloydState, inertia: float) -> float:
    """Return the increase of a loss that rounding of the centroids alone can cause.

    A centroid has an error of up to u in each feature. This changes J by the square of the error,
    summed over all rows, and by its product with the distances of the rows (Cauchy-Schwarz).
    """
    largest = max(float(state.centroids.max()), -float(state.centroids.min()))
    u = 8 * np.finfo(np.float64).eps * largest
    spread = state.weight * state.centroids.shape[1]
    return float(spread * u * u + 2 * np.sqrt(inertia * spread) * u)


@dataclass(frozen=True)
class LloydUpdate(LloydSteps[LloydState]):
    """Lloyd's iterations, one read each (Lloyd 1982).

    Parameters
    ----------
    rules, costs_reads : as for `Update`
    relocate : whether empty clusters move to the farthest rows, or stay where they are
    """

    def init(self, centroids: Float64Array) -> LloydState:
        return LloydState(centroids)


@dataclass(frozen=True)
class ScatterUpdate(LloydUpdate):
    """Lloyd's iterations that also measure the distances of every cluster, for its scores."""

    def step(self, centroids: Float64Array) -> Scatter:
        return Scatter(centroids)


@dataclass(frozen=True)
class LossesUpdate(LloydUpdate):
    """Lloyd's iterations that also measure the loss of every cluster, for bisecting k-means."""

    def step(self, centroids: Float64Array) -> Losses:
        return Losses(centroids)
