"""Breathing k-means (Fritzke, "The breathing k-means algorithm", arXiv:2006.15666).

Centroids are added where the error is largest and removed where they are needed least, which
leaves local minima that restarts run into.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.checkpointable import Checkpointable
from streamkm.in_memory.descent import Descent, Solution
from streamkm.in_memory.draws import Draws, generator_at, state_of
from streamkm.in_memory.points import Points

_BREATH = 5  # centroids that are added and removed at once
_CYCLES = 40
_FINE = 1e-4  # relative decrease of the loss at which steps end


@dataclass(frozen=True)
class Breathing(Checkpointable):
    """Breathing from one start; every state but the last is within Lloyd's steps.

    Parameters
    ----------
    draws : ndarray of shape (13,), uint64
        State of the random generator.
    descent : Descent
    wide : bool
        Whether the centroids include those that the current cycle added.
    best : Solution, optional
        None until the first steps are done.
    breath : int
        Centroids of the next cycle.
    cycles : int
        Finished cycles.
    done : bool
    """

    draws: Draws
    descent: Descent
    wide: bool = False
    best: Solution | None = None
    breath: int = _BREATH
    cycles: int = 0
    done: bool = False

    @classmethod
    def begin(cls, draws: Draws, centroids: Float64Array) -> Breathing:
        """Return the first state, from scaled centroids (k, d)."""
        breath = min(_BREATH, len(centroids))
        return cls(draws, Descent(centroids, _FINE), breath=breath)

    def step(self, points: Points, until: float) -> Breathing:
        """Return the state after one of Lloyd's steps.

        Parameters
        ----------
        points : Points
        until : float
            Number of `Points.multiplications` after which no cycle begins.
        """
        descent = self.descent.step(points)
        if not descent.done:
            return replace(self, descent=descent)
        if self.wide:
            narrower = _breathe_out(points, descent.centroids, self.breath)
            return replace(self, descent=Descent(narrower, _FINE), wide=False)
        return self._compared(descent)._next_cycle(points, until)

    def _compared(self, descent: Descent) -> Breathing:
        """Return the state with the better of the best solution and a new one."""
        found = Solution(descent.centroids, descent.loss)
        if self.best is None:
            return replace(self, best=found)
        cycles = self.cycles + 1
        if found.loss < self.best.loss * (1 - _FINE):
            return replace(self, best=found, cycles=cycles)
        return replace(self, breath=self.breath - 1, cycles=cycles)

    def _next_cycle(self, points: Points, until: float) -> Breathing:
        over = self.breath == 0 or self.cycles == _CYCLES or points.multiplications > until
        if over or points.out_of_time():
            return replace(self, done=True)
        assert self.best is not None
        rng = generator_at(self.draws)
        wider = _breathe_in(points, self.best.centroids, self.breath, rng)
        return replace(self, draws=state_of(rng), descent=Descent(wider, _FINE), wide=True)


def _breathe_in(
    points: Points, centroids: Float64Array, breath: int, rng: np.random.Generator
) -> Float64Array:
    """Add a centroid beside each of the `breath` centroids of the largest error."""
    k, d = centroids.shape
    labels, d2, _ = points.nearest(centroids)
    errors = np.bincount(labels, points.weights * d2, minlength=k)
    counts = np.bincount(labels, points.weights, minlength=k)
    worst = np.argsort(-errors, kind="stable")[:breath]
    width = np.sqrt(errors[worst] / np.maximum(counts[worst], np.finfo(float).tiny) / d)
    added = centroids[worst] + 0.01 * width[:, None] * rng.standard_normal((breath, d))
    return np.concatenate([centroids, added])


def _breathe_out(points: Points, centroids: Float64Array, breath: int) -> Float64Array:
    """Remove the `breath` centroids that reduce the error least, no two of them neighbours."""
    k = len(centroids)
    labels, _, gaps = points.nearest(centroids)
    utility = np.bincount(labels, points.weights * gaps, minlength=k)
    frozen: set[int] = set()
    removed: list[int] = []
    for cluster in np.argsort(utility, kind="stable").tolist():
        if cluster in frozen:
            continue
        removed.append(cluster)
        if len(removed) == breath:
            break
        if len(frozen) + breath < k - breath:
            d2 = np.square(centroids - centroids[cluster]).sum(axis=1)
            d2[removed] = np.inf
            frozen.add(int(d2.argmin()))
    return np.delete(centroids, removed, axis=0)
