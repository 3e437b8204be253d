"""k-means with clusters of bounded size on rows in memory, as states between which it is saved.

Each quarter of many rows is clustered before the whole, and its quarters before it. The quarters
lead to different minima, and take together as long as one of all rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from streamkm.arrays import AnyArray, Float64Array, Int32Array
from streamkm.checkpointable import Checkpointable
from streamkm.in_memory.prices import exchanged, labels_of, least_prices, loss_of
from streamkm.in_memory.size_bounds import SizeBounds
from streamkm.kernels import distances_to
from streamkm.passes import Assigned
from streamkm.passes.priced import Totals
from streamkm.rows import Block, read_only

COARSE = 4  # one row of so many finds first prices and centroids, which saves work
LEAST = 64  # rows for each cluster of such a part
Means = Callable[[Assigned, Float64Array], Float64Array]
_STEPS = 40  # of k-means on the same rows with other candidates, at most
_SAME = 8  # iterations with the same candidates, at most
_GAIN = 2e-5  # least relative gain of such a step


@dataclass(frozen=True)
class BoundedSolution(Checkpointable):
    """Centroids with their prices.

    Parameters
    ----------
    centroids : ndarray of shape (k, d), float64
    prices : ndarray of shape (k,), float64
    loss : float
        Loss of the rows within bounds; infinity if it is not known.
    """

    centroids: Float64Array
    prices: Float64Array
    loss: float = np.inf


@dataclass(frozen=True)
class BoundedDescent(Checkpointable):
    """Steps of k-means with bounded clusters on the same rows.

    Parameters
    ----------
    at : int
        Number of the quarter, of the rows that contain it.
    starts : tuple of BoundedSolution
        Those of the quarters of these rows.
    current : BoundedSolution, optional
        Centroids, and prices of the step that led to them; None before the first step.
    steps : int
    """

    at: int = 0
    starts: tuple[BoundedSolution, ...] = ()
    current: BoundedSolution | None = None
    steps: int = 0


@dataclass(frozen=True)
class BoundedSteps(Checkpointable):
    """State of k-means with bounded clusters on rows in memory.

    Parameters
    ----------
    start : ndarray of shape (k, d), float64
        First centroids, of the rows and of all parts of them.
    descents : tuple of BoundedDescent
        That of all rows, of a quarter of them, of a quarter of these, and so on.
    done : bool
    """

    start: Float64Array
    descents: tuple[BoundedDescent, ...] = (BoundedDescent(),)
    done: bool = False

    @property
    def working(self) -> str:
        """Description of the next step; empty before the first."""
        if (
            len(self.descents) == 1
            and self.descents[0].current is None
            and not self.descents[0].starts
        ):
            return ""
        share = COARSE ** (len(self.descents) - 1)
        part = "the sample" if share == 1 else f"1/{share} of the sample"
        return f"step {self.descents[-1].steps + 1} of bounded k-means on {part}"

    @property
    def solution(self) -> BoundedSolution:
        """The centroids and prices of the current rows so far; of all rows once done."""
        descent = self.descents[-1]
        if descent.current is not None:
            return descent.current
        if descent.starts:
            return min(descent.starts, key=lambda start: start.loss)
        return BoundedSolution(self.start, np.zeros(len(self.start)))

    def step(
        self, values: AnyArray, bounds: SizeBounds, shift: float, means: Means, most: int
    ) -> BoundedSteps:
        """Return the state after a step, or before the first one on a quarter of the rows.

        Parameters
        ----------
        values : ndarray of shape (m, d), float32 or float64
        bounds : SizeBounds of these rows
        shift : float
            The steps on the same rows end when the sum of squared moves is at most this, or the
            loss hardly falls.
        means : callable
            Returns centroids from the statistic of a step and its centroids.
        most : int
            For how many rows there is memory, with the usual number of candidates.
        """
        *outer, descent = self.descents
        for inner in self.descents[1:]:
            part = values[inner.at :: COARSE]
            outside = values, bounds
            values, bounds = part, bounds.scaled(len(part), len(values))
        n_starts = len(descent.starts)
        large = len(values) // COARSE >= LEAST * len(self.start)
        if large and n_starts < COARSE:
            return replace(self, descents=(*self.descents, BoundedDescent(at=n_starts)))
        before = descent.current or replace(self.solution, loss=np.inf)  # no step before
        after, done = _step(values, before, bounds, shift, means, most)
        descent = replace(descent, current=after, steps=descent.steps + 1)
        if not done and descent.steps < _STEPS:
            return replace(self, descents=(*outer, descent))
        if not outer:
            return replace(self, descents=(descent,), done=True)
        whole, within = outside
        loss = loss_of(*least_prices(whole, after.centroids, after.prices, within, most))
        starts = (*outer[-1].starts, replace(after, loss=loss))
        return replace(self, descents=(*outer[:-1], replace(outer[-1], starts=starts)))


def _step(
    values: AnyArray,
    before: BoundedSolution,
    bounds: SizeBounds,
    shift: float,
    means: Means,
    most: int,
) -> tuple[BoundedSolution, bool]:
    """Return the centroids after steps with the same candidates, and whether they have converged.

    Finding candidates takes longer than a step. Only a step with new candidates shows convergence.
    """
    found, solved = least_prices(values, before.centroids, before.prices, bounds, most)
    x = read_only(values[found.numbers])
    block = Block.from_values(x)
    converged = False
    for number in range(_SAME):
        if number:
            costs = distances_to(x, before.centroids, found.clusters)
            found = replace(found, costs=costs)
            solved = exchanged(found, bounds, before.prices)
            if solved.missing:
                break
        after = means(_totals(block, before.centroids, labels_of(found, solved)), before.centroids)
        moved = float(np.square(after - before.centroids).sum())
        loss = loss_of(found, solved)
        small = moved <= shift or before.loss - loss < _GAIN * loss
        before = BoundedSolution(after, solved.prices, loss)
        if small:
            converged = number == 0
            break
    return before, converged


def _totals(block: Block, centroids: Float64Array, labels: Int32Array) -> Assigned:
    """Return the statistic of a step with these labels, without its loss."""
    totals = Totals(block, centroids.shape)
    for tile in block.tiles():
        own = labels[tile.start : tile.start + len(tile.x)]
        totals.add(tile, own, np.zeros(len(own)))
    return totals.result()
