"""Lloyd's steps on points in memory, as immutable states between which a run can be saved."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.checkpointable import Checkpointable
from streamkm.in_memory.points import Points
from streamkm.kernels import one_blas_thread
from streamkm.passes import Assigned

ITERATIONS = 100  # of a descent, at most
_WHILE = 1.0  # seconds of the steps between two states of a fit
# Reading and decoding a row takes as long as comparing it with this number of centroids, about, if
# a store delivers 300 MB/s to a core.
_READING = 500


class Steps(Protocol):
    """An immutable state that is done or has a next one."""

    @property
    def done(self) -> bool:
        """Whether there is no further step."""


S = TypeVar("S", bound=Steps)


def for_a_while(state: S, step: Callable[[S], S]) -> S:
    """Return the state after the steps of about a second, or the last one.

    The number of steps does not affect the states, so the clock does not affect a result.
    """
    until = time.monotonic() + _WHILE
    with one_blas_thread():
        while not state.done:
            state = step(state)
            if time.monotonic() > until:
                break
    return state


@dataclass(frozen=True)
class Solution(Checkpointable):
    """Centroids and their loss.

    Parameters
    ----------
    centroids : ndarray of shape (k, d), float64
        In the scale of the points.
    loss : float
    """

    centroids: Float64Array
    loss: float


@dataclass(frozen=True)
class Descent(Checkpointable):
    """Lloyd's steps until the loss falls by a smaller share than `drop`.

    After `most` multiplications, or past the deadline, no further step begins; the loss is then
    that before the last step.

    Parameters
    ----------
    centroids : ndarray of shape (k, d), float64
        Centroids of the next step, in the scale of the points.
    drop : float
    most : float
    before : ndarray of shape (k, d), float64, optional
        Centroids of the last step.
    loss : float
        Loss of `before`; once done, of `centroids`, unless the steps ended early.
    steps : int
    spent : float
        Multiplications so far.
    done : bool
    """

    centroids: Float64Array
    drop: float
    most: float = np.inf
    before: Float64Array | None = None
    loss: float = np.inf
    steps: int = 0
    spent: float = 0.0
    done: bool = False

    def step(self, points: Points) -> Descent:
        """Return the state after one step."""
        if not self.steps and points.out_of_time():
            return replace(self, done=True)
        began = points.multiplications
        assigned = points.assign(self.centroids)
        if not assigned.loss < self.loss * (1 - self.drop):
            if assigned.loss <= self.loss or self.before is None:
                return replace(self, loss=assigned.loss, done=True)
            return replace(self, centroids=self.before, done=True)
        after = assigned.means(otherwise=self.centroids)
        _relocate_empty(points, assigned, self.centroids, after)
        steps, spent = self.steps + 1, self.spent + points.multiplications - began
        done = steps == ITERATIONS or spent > self.most or points.out_of_time()
        return replace(
            self,
            centroids=after,
            before=self.centroids,
            loss=assigned.loss,
            steps=steps,
            spent=spent,
            done=done,
        )

    def to_end(self, points: Points) -> Descent:
        """Return the last state."""
        descent = self
        while not descent.done:
            descent = descent.step(points)
        return descent


def cost_of_step(share: float, k: int) -> float:
    """Return the cost of a step on a share of the rows in memory, relative to one by a read."""
    return share / (1 + _READING / k)


def _relocate_empty(
    points: Points, assigned: Assigned, before: Float64Array, after: Float64Array
) -> None:
    """Move the centroids of empty clusters, in place, to the points of the largest error."""
    empty = np.flatnonzero(assigned.counts == 0)
    if empty.size:
        _, d2, _ = points.nearest(before)
        farthest = np.argsort(-d2 * points.weights, kind="stable")[: empty.size]
        after[empty] = points.values[farthest]
