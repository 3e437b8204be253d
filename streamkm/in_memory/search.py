"""Search for the best centroids of points in memory.

A start by splitting and several k-means++ starts, alternately greedy and plain, are followed by
breathing on the best ones (`streamkm.in_memory.breathing`). A search is a sequence of immutable
states: each follows from the one before by a start or one of Lloyd's steps, so that a fit can be
saved between any two of them.

All work is bounded by a number of multiplications, not by time, so that the same points give the
same centroids: about as many as `_STEPS` Lloyd steps of the points take, beside the steps that have
begun by then and the last ones. Only a deadline ends a search earlier, between two steps: missing
centroids are then drawn at once, Lloyd's steps and breathing end, and the best centroids so far are
the result.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.checkpointable import Checkpointable
from streamkm.in_memory.breathing import Breathing
from streamkm.in_memory.descent import ITERATIONS, Descent, Solution
from streamkm.in_memory.draws import Draws, generator, generator_at, plusplus, state_of
from streamkm.in_memory.points import Points
from streamkm.kernels import split

_FEW_CLUSTERS = 32  # up to this k, starts differ much from each other
_MANY_STARTS, _SOME_STARTS = 32, 4  # for few clusters, and for more
_STEPS = 100  # Lloyd steps of the points whose work bounds the starts and the breathing
_LEAST, _MOST = 5e8, 4e11  # multiplications of a search: 0.1 and about ten seconds on two cores
_ROUGH, _FINEST = 1e-3, 1e-6  # relative decreases of the loss at which steps end


@dataclass(frozen=True)
class Search(Checkpointable):
    """State of a search: starts, then breathing on the best of them, then the last steps.

    Parameters
    ----------
    k : int
    most : float
        Multiplications of the starts and the breathing.
    draws : ndarray of shape (13,), uint64
        State of the random generator.
    spent : float
        Multiplications so far.
    starts : tuple of Solution
        Finished starts; once breathing has begun, those to breathe on, best first.
    descent : Descent, optional
        Lloyd's steps of the current start, or the last steps.
    breathing : Breathing, optional
    breathed : int
        Number of starts that have breathed.
    best : Solution, optional
        The best of them.
    done : bool
    """

    k: int
    most: float
    draws: Draws
    spent: float = 0.0
    starts: tuple[Solution, ...] = ()
    descent: Descent | None = None
    breathing: Breathing | None = None
    breathed: int = 0
    best: Solution | None = None
    done: bool = False

    @classmethod
    def begin(cls, points: Points, k: int, seed: int) -> Search:
        """Return the first state."""
        most = min(max(_STEPS * points.values.size * k, _LEAST), _MOST)
        return cls(k, most, state_of(generator(seed)))

    @property
    def step_name(self) -> str:
        """Description of the next step."""
        if self.breathing is not None:
            return f"breathing on start {self.breathed + 1}"
        if self.best is not None:
            return "last steps"
        return f"start {len(self.starts) + 1} of at most {self._n_starts}"

    def step(self, few: Points, points: Points) -> Search:
        """Return the state after one step.

        Parameters
        ----------
        few : Points
            The points, or a sample of them that is large enough to compare starts.
        points : Points
        """
        current = few if self._starting else points
        current.step = self.step_name
        began = current.multiplications
        if self.breathing is not None:
            current.stage("breathing", self.most - self.spent)
            until = began + self.most - self.spent
            after = replace(self, breathing=self.breathing.step(points, until))
        elif self.descent is not None:
            spent = self.descent.spent
            name, most = ("starts", self.most / 2 - self.spent)
            if not self._starting:
                name, most = ("last", all_steps(points, self.k) - spent)
            current.stage(name, most)
            after = replace(self, descent=self.descent.step(current))
        else:
            current.stage("starts", self.most / 2 - self.spent)
            after = self._start(current)
        after = replace(after, spent=self.spent + current.multiplications - began)
        return after._next(few, points)

    @property
    def _starting(self) -> bool:
        return self.breathing is None and self.best is None

    @property
    def _n_starts(self) -> int:
        return _MANY_STARTS if self.k <= _FEW_CLUSTERS else _SOME_STARTS

    def _start(self, points: Points) -> Search:
        """Draw a start: the first by splitting, then greedy and plain ones in turn."""
        number = len(self.starts)
        if number == 0:
            divided = split(points.values, points.weights, self.k)
            if len(divided) == self.k:
                return replace(self, descent=Descent(divided, _ROUGH))
        rng = generator_at(self.draws)
        drawn = plusplus(points, self.k, rng, greedy=number % 2 == 1)
        return replace(self, draws=state_of(rng), descent=Descent(drawn, _ROUGH))

    def _next(self, few: Points, points: Points) -> Search:
        """Return the state at the next part if one has ended."""
        if self.breathing is not None:
            return self._breathed(points) if self.breathing.done else self
        if self.descent is None or not self.descent.done:
            return self
        if self.best is not None:
            return replace(self, done=True)
        found = Solution(self.descent.centroids, self.descent.loss)
        starts = (*self.starts, found)
        after = replace(self, starts=starts, descent=None)
        if len(starts) < self._n_starts and self.spent < self.most / 2 and not few.out_of_time():
            return after
        best = sorted(starts, key=lambda start: start.loss)[: 3 if self.k <= _FEW_CLUSTERS else 2]
        scaled = tuple(
            replace(start, centroids=points.scaled(few.unscaled(start.centroids))) for start in best
        )
        breathing = Breathing.begin(self.draws, scaled[0].centroids)
        return replace(after, starts=scaled, breathing=breathing)

    def _breathed(self, points: Points) -> Search:
        """Return the state at breathing on the next start, or at the last steps."""
        assert self.breathing is not None
        assert self.breathing.best is not None
        draws, found = self.breathing.draws, self.breathing.best
        best = found if self.best is None or found.loss < self.best.loss else self.best
        breathed = self.breathed + 1
        after = replace(self, draws=draws, breathed=breathed, best=best)
        if breathed == len(self.starts) or points.out_of_time() or self.spent > self.most:
            descent = Descent(best.centroids, _FINEST)
            return replace(after, breathing=None, starts=(), descent=descent)
        return replace(after, breathing=Breathing.begin(draws, self.starts[breathed].centroids))

    def centroids(self, points: Points) -> Float64Array:
        """Return the centroids (k, d) of the lowest loss found, in data units, once done."""
        assert self.descent is not None
        return points.unscaled(self.descent.centroids)


def search(points: Points, k: int, seed: int, few: Points | None = None) -> Float64Array:
    """Return the centroids (k, d) of the lowest loss found.

    Parameters
    ----------
    points : Points
        More than k points.
    k : int
        Number of centroids.
    seed : int
        Unsigned 64-bit key of the draws.
    few : Points, optional
        A sample of the points, large enough to compare starts.
    """
    state = Search.begin(points, k, seed)
    while not state.done:
        state = state.step(few or points, points)
    return state.centroids(points)


def start(points: Points, k: int, seed: int) -> Float64Array:
    """Return a rough solution (k, d) after a greedy k-means++ start and a few Lloyd steps."""
    points.step = "rough solution"
    drawn = Descent(plusplus(points, k, generator(seed)), _ROUGH)
    return points.unscaled(drawn.to_end(points).centroids)


def settle(
    points: Points, centroids: Float64Array, drop: float = 1e-5, most: float = np.inf
) -> Float64Array:
    """Return centroids (k, d) after Lloyd steps, of about `most` multiplications."""
    points.step = "Lloyd steps"
    points.expect(min(most, all_steps(points, len(centroids))))
    return points.unscaled(Descent(points.scaled(centroids), drop, most).to_end(points).centroids)


def all_steps(points: Points, k: int) -> float:
    """Return the multiplications of the maximum number of Lloyd steps."""
    return float(ITERATIONS * points.values.size * k)


def split_start(points: Points, k: int) -> Float64Array:
    """Return a rough solution (k, d) without draws; fewer rows if fewer points are distinct."""
    return points.unscaled(split(points.values, points.weights, k))


def breathe(
    points: Points, centroids: Float64Array, seed: int, most: float
) -> tuple[Float64Array, float]:
    """Return centroids (k, d) after breathing for `most` multiplications, and their loss."""
    until = points.multiplications + most
    points.expect(most)
    state = Breathing.begin(state_of(generator(seed)), points.scaled(centroids))
    while not state.done:
        state = state.step(points, until)
    assert state.best is not None
    return points.unscaled(state.best.centroids), state.best.loss
