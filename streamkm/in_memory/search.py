"""Search for the best centroids of points in memory.

A start by splitting and several k-means++ starts, alternately greedy and plain, are followed by
breathing on the best ones: centroids are added where the error is largest and removed where they
are needed least, which leaves local minima that restarts run into (Fritzke, "The breathing k-means
algorithm", arXiv:2006.15666).

All work is bounded by a number of multiplications, not by time, so that the same points give the
same centroids: about as many as `_STEPS` Lloyd steps of the points take, beside the steps that have
begun by then and the last ones. Only a deadline ends a search earlier, between two steps: missing
centroids are then drawn at once, Lloyd's steps and breathing end, and the best centroids so far are
the result.
"""

from __future__ import annotations

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.in_memory.lloyd import lloyd_steps
from streamkm.in_memory.points import Points
from streamkm.kernels import split
from streamkm.passes import Assigned

_STREAM = 2**63  # stream of draws in memory, apart from those of rows
_BREATH = 5  # centroids that are added and removed at once
_CYCLES = 40
_ITERATIONS = 100
_FEW_CLUSTERS = 32  # up to this k, starts differ much from each other
_MANY_STARTS, _SOME_STARTS = 32, 4  # for few clusters, and for more
_STEPS = 100  # Lloyd steps of the points whose work bounds the starts and the breathing
_LEAST, _MOST = 5e8, 4e11  # multiplications of a search: 0.1 and about ten seconds on two cores
_ROUGH, _FINE, _FINEST = 1e-3, 1e-4, 1e-6  # relative decreases of the loss at which steps end


def start(points: Points, k: int, seed: int) -> Float64Array:
    """Return a rough solution (k, d) after a greedy k-means++ start and a few Lloyd steps."""
    points.step = "rough solution"
    rough, _ = lloyd(points, plusplus(points, k, _generator(seed)), _ROUGH)
    return points.unscaled(rough)


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
    rng = _generator(seed)
    first = few or points
    most = min(max(_STEPS * points.values.size * k, _LEAST), _MOST)
    many = _MANY_STARTS if k <= _FEW_CLUSTERS else _SOME_STARTS
    starts: list[tuple[Float64Array, float]] = []
    first.expect(most / 2)
    while len(starts) < many and (first.multiplications < most / 2 or not starts):
        first.step = f"start {len(starts) + 1} of at most {many}"
        starts.append(lloyd(first, _start(first, k, rng, len(starts)), _ROUGH))
        if first.out_of_time():
            break
    spent = first.multiplications if first is not points else 0.0
    starts.sort(key=lambda result: result[1])
    best, lowest = np.empty((0, 0)), np.inf
    points.expect(most - spent - points.multiplications)
    for place, (centroids, _) in enumerate(starts[: 3 if k <= _FEW_CLUSTERS else 2]):
        if place and (points.out_of_time() or points.multiplications > most - spent):
            break
        points.step = f"breathing on start {place + 1}"
        scaled = points.scaled(first.unscaled(centroids))
        improved, loss = _breathe(points, scaled, rng, most - spent)
        if loss < lowest or not len(best):
            best, lowest = improved, loss
    points.step = "last steps"
    points.expect(_all_steps(points, k))
    return points.unscaled(lloyd(points, best, _FINEST)[0])


def _start(points: Points, k: int, rng: np.random.Generator, number: int) -> Float64Array:
    """Return the start (k, d) of a number: the first by splitting, then greedy and plain ones."""
    if number == 0:
        divided = split(points.values, points.weights, k)
        if len(divided) == k:
            return divided
    return plusplus(points, k, rng, greedy=number % 2 == 1)


def settle(
    points: Points, centroids: Float64Array, drop: float = 1e-5, most: float = np.inf
) -> Float64Array:
    """Return centroids (k, d) after Lloyd steps, of about `most` multiplications."""
    points.step = "Lloyd steps"
    points.expect(min(most, _all_steps(points, len(centroids))))
    return points.unscaled(lloyd(points, points.scaled(centroids), drop, most)[0])


def _all_steps(points: Points, k: int) -> float:
    """Return the multiplications of the maximum number of Lloyd steps."""
    return float(_ITERATIONS * points.values.size * k)


def split_start(points: Points, k: int) -> Float64Array:
    """Return a rough solution (k, d) without draws; fewer rows if fewer points are distinct."""
    return points.unscaled(split(points.values, points.weights, k))


def breathe(
    points: Points, centroids: Float64Array, seed: int, most: float
) -> tuple[Float64Array, float]:
    """Return centroids (k, d) after breathing for `most` multiplications, and their loss."""
    until = points.multiplications + most
    points.expect(most)
    best, loss = _breathe(points, points.scaled(centroids), _generator(seed), until)
    return points.unscaled(best), loss


def _breathe(
    points: Points, centroids: Float64Array, rng: np.random.Generator, until: float
) -> tuple[Float64Array, float]:
    best, loss = lloyd(points, centroids, _FINE)
    breath = min(_BREATH, len(centroids))
    for _ in range(_CYCLES):
        if breath == 0 or points.multiplications > until or points.out_of_time():
            break
        wider, _ = lloyd(points, _breathe_in(points, best, breath, rng), _FINE)
        narrower, lower = lloyd(points, _breathe_out(points, wider, breath), _FINE)
        if lower < loss * (1 - _FINE):
            best, loss = narrower, lower
        else:
            breath -= 1
    return best, loss


def lloyd(
    points: Points, centroids: Float64Array, drop: float, most: float = np.inf
) -> tuple[Float64Array, float]:
    """Return scaled centroids (k, d) after Lloyd steps, and their loss.

    Steps end when the loss falls by a smaller share than `drop`. After `most` multiplications, or
    past the deadline, no further step begins; the loss is then that before the last step.
    """
    if points.out_of_time():
        return centroids, np.inf
    best, loss, after = centroids, np.inf, centroids
    until = points.multiplications + most
    for before, assigned, after in lloyd_steps(points.assign, centroids, _ITERATIONS):
        if not assigned.loss < loss * (1 - drop):
            return (before, assigned.loss) if assigned.loss <= loss else (best, loss)
        best, loss = before, assigned.loss
        _relocate_empty(points, assigned, before, after)
        if points.multiplications > until or points.out_of_time():
            break
    return after, loss


def _relocate_empty(
    points: Points, assigned: Assigned, before: Float64Array, after: Float64Array
) -> None:
    """Move the centroids of empty clusters, in place, to the points of the largest error."""
    empty = np.flatnonzero(assigned.counts == 0)
    if empty.size:
        _, d2, _ = points.nearest(before)
        farthest = np.argsort(-d2 * points.weights, kind="stable")[: empty.size]
        after[empty] = points.values[farthest]


def plusplus(points: Points, k: int, rng: np.random.Generator, greedy: bool = True) -> Float64Array:
    """Return a k-means++ start (k, d), scaled.

    A greedy start keeps the best of 2 + log k draws at every step, as scikit-learn does.
    """
    weights, step = points.weights, points.step
    trials = 2 + int(np.log(k)) if greedy else 1
    chosen = [int(rng.choice(len(weights), p=weights / weights.sum()))]
    d2 = points.distances(_rows(points, chosen))[:, 0]
    while len(chosen) < k:
        potential = np.cumsum(weights * d2)
        if not potential[-1] > 0:
            break
        if points.out_of_time():
            chosen.extend(_draw_at_once(weights * d2, k - len(chosen), rng))
            break
        points.step = f"{step}, centroid {len(chosen) + 1:,} of {k:,}"
        drawn = np.searchsorted(potential, rng.random(trials) * potential[-1])
        drawn = np.minimum(drawn, len(weights) - 1)
        closer = np.minimum(d2, points.distances(_rows(points, drawn.tolist())).T)
        winner = int(np.argmin(closer @ weights))
        chosen.append(int(drawn[winner]))
        d2 = closer[winner]
    points.step = step
    if len(chosen) < k:  # all points coincide with chosen ones
        rest = np.setdiff1d(np.arange(len(weights)), chosen)
        chosen.extend(rest[: k - len(chosen)].tolist())
    return _rows(points, chosen)


def _draw_at_once(rates: Float64Array, n: int, rng: np.random.Generator) -> list[int]:
    """Draw n points of positive rate, or all of them, without replacement in proportion to rate."""
    positive = np.flatnonzero(rates > 0)
    keys = rng.exponential(size=len(positive)) / rates[positive]
    drawn: list[int] = positive[np.argsort(keys, kind="stable")[:n]].tolist()
    return drawn


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


def _rows(points: Points, places: list[int]) -> Float64Array:
    rows: Float64Array = points.values[places].astype(np.float64)
    return rows


def _generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, _STREAM]))
