"""The best centroids of points in memory: what remains of a seeding when the reads are done.

Several k-means++ starts, greedy and plain in turn, then breathing on the best: centroids are added
where the error is largest and removed where they are needed least, which gets out of the local
minima that restarts fall into (Fritzke, "The breathing k-means algorithm", arXiv:2006.15666).

All is bounded in multiplications, not seconds, so that the same points give the same centroids.
A time limit alone ends a search earlier, between two steps: draws that are missing are then made at
once, Lloyd's steps and breathing end, and the best centroids so far are the result.
"""

from __future__ import annotations

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.in_memory.points import Points
from streamkm.kernels import split

_STREAM = 2**63  # of the in-memory draws, apart from those of any row
_BREATH = 5
_CYCLES = 40
_ITERATIONS = 100
_FEW_CLUSTERS = 32  # with few, starts differ much from each other; with many, hardly
_MANY, _SOME = 32, 8
_STARTS = 1.2e9  # multiplications of a step of Lloyd's for all starts together
_BREATHS = 4e11  # of all breaths: some ten seconds on two cores
_ROUGH, _FINE, _FINEST = 1e-3, 1e-4, 1e-6  # relative drops in loss at which Lloyd's steps end


def start(points: Points, k: int, seed: int) -> Float64Array:
    """A rough solution (k, d): one greedy k-means++ start and a few of Lloyd's steps."""
    points.doing = "rough solution"
    rough, _ = lloyd(points, plusplus(points, k, _generator(seed)), _ROUGH)
    return points.restored(rough)


def search(points: Points, k: int, seed: int, few: Points | None = None) -> Float64Array:
    """Centroids (k, d) of the lowest loss that was found.

    Parameters
    ----------
    points : more than k
    k, seed : int
    few : a sample of the points that is enough to tell good starts from bad
    """
    rng = _generator(seed)
    first = few or points
    many = _MANY if k <= _FEW_CLUSTERS else _SOME
    affordable = int(_STARTS / (first.values.size * k))
    many = min(many, max(1, affordable))
    starts: list[tuple[Float64Array, float]] = []
    for number in range(many):
        first.doing = f"start {number + 1} of {many}"
        starts.append(lloyd(first, plusplus(first, k, rng, greedy=number % 2 == 0), _ROUGH))
        if first.late:
            break
    starts.sort(key=lambda found: found[1])
    best, lowest = np.empty((0, 0)), np.inf
    for place, (begun, _) in enumerate(starts[: 3 if k <= _FEW_CLUSTERS else 2]):
        if place and points.late:
            break
        points.doing = f"breathing on start {place + 1}"
        found, loss = _breathe(points, points.placed(first.restored(begun)), rng, _BREATHS)
        if loss < lowest or not len(best):
            best, lowest = found, loss
    points.doing = "last steps"
    return points.restored(lloyd(points, best, _FINEST)[0])


def settle(
    points: Points, centroids: Float64Array, drop: float = 1e-5, most: float = np.inf
) -> Float64Array:
    """Centroids after Lloyd's steps on other points, of about `most` multiplications."""
    points.doing = "steps on the whole sample"
    return points.restored(lloyd(points, points.placed(centroids), drop, most)[0])


def divided(points: Points, k: int) -> Float64Array:
    """A rough solution (k, d) without draws, or of fewer where fewer points are distinct."""
    return points.restored(split(points.values, points.weights, k))


def improved(
    points: Points, begun: Float64Array, seed: int, breaths: float
) -> tuple[Float64Array, float]:
    """Centroids (k, d) after breathing for so many multiplications, and their loss."""
    rng = _generator(seed)
    found, loss = _breathe(points, points.placed(begun), rng, points.spent + breaths)
    return points.restored(found), loss


def _breathe(
    points: Points, begun: Float64Array, rng: np.random.Generator, until: float
) -> tuple[Float64Array, float]:
    best, loss = lloyd(points, begun, _FINE)
    breath = min(_BREATH, len(begun))
    for _ in range(_CYCLES):
        if breath == 0 or points.spent > until or points.late:
            break
        wider, _ = lloyd(points, _breathe_in(points, best, breath, rng), _FINE)
        found, lower = lloyd(points, _breathe_out(points, wider, breath), _FINE)
        if lower < loss * (1 - _FINE):
            best, loss = found, lower
        else:
            breath -= 1
    return best, loss


def lloyd(
    points: Points, centroids: Float64Array, drop: float, most: float = np.inf
) -> tuple[Float64Array, float]:
    """Lloyd's steps until the loss falls by less than a share `drop`; centroids and their loss.

    After `most` multiplications, or when the time has run out, no further step begins; the loss is
    then that of the step before.
    """
    last, before = np.inf, centroids
    until = points.spent + most
    for _ in range(_ITERATIONS):
        if points.spent > until or points.late:
            return centroids, last
        assigned = points.assign(centroids)
        if not assigned.loss < last * (1 - drop):
            break
        last, before = assigned.loss, centroids
        centroids = assigned.means(otherwise=centroids)
        empty = np.flatnonzero(assigned.counts == 0)
        if empty.size:
            _, d2, _ = points.nearest(before)
            far = np.argsort(-d2 * points.weights, kind="stable")[: empty.size]
            centroids[empty] = points.values[far]
    return (centroids, assigned.loss) if assigned.loss <= last else (before, last)


def plusplus(points: Points, k: int, rng: np.random.Generator, greedy: bool = True) -> Float64Array:
    """k-means++; greedy, it keeps the best of 2 + log k draws at every step, as scikit-learn's."""
    weights, doing = points.weights, points.doing
    trials = 2 + int(np.log(k)) if greedy else 1
    chosen = [int(rng.choice(len(weights), p=weights / weights.sum()))]
    d2 = points.distances(_rows(points, chosen))[:, 0]
    while len(chosen) < k:
        potential = np.cumsum(weights * d2)
        if not potential[-1] > 0:
            break
        if points.late:
            chosen.extend(_drawn_at_once(weights * d2, k - len(chosen), rng))
            break
        points.doing = f"{doing}, centroid {len(chosen) + 1:,} of {k:,}"
        drawn = np.searchsorted(potential, rng.random(trials) * potential[-1])
        drawn = np.minimum(drawn, len(weights) - 1)
        closer = np.minimum(d2, points.distances(_rows(points, drawn.tolist())).T)
        winner = int(np.argmin(closer @ weights))
        chosen.append(int(drawn[winner]))
        d2 = closer[winner]
    points.doing = doing
    if len(chosen) < k:  # few points were apart from those drawn
        rest = np.setdiff1d(np.arange(len(weights)), chosen)
        chosen.extend(rest[: k - len(chosen)].tolist())
    return _rows(points, chosen)


def _drawn_at_once(rates: Float64Array, n: int, rng: np.random.Generator) -> list[int]:
    """Places of n points of positive rate, or of all of these, without replacement, by rate."""
    seen = np.flatnonzero(rates > 0)
    keys = rng.exponential(size=len(seen)) / rates[seen]
    places: list[int] = seen[np.argsort(keys, kind="stable")[:n]].tolist()
    return places


def _breathe_in(
    points: Points, centroids: Float64Array, breath: int, rng: np.random.Generator
) -> Float64Array:
    """Add a centroid beside each of the `breath` of the largest error."""
    k, d = centroids.shape
    labels, d2, _ = points.nearest(centroids)
    errors = np.bincount(labels, points.weights * d2, minlength=k)
    counts = np.bincount(labels, points.weights, minlength=k)
    worst = np.argsort(-errors, kind="stable")[:breath]
    width = np.sqrt(errors[worst] / np.maximum(counts[worst], np.finfo(float).tiny) / d)
    beside = centroids[worst] + 0.01 * width[:, None] * rng.standard_normal((breath, d))
    return np.concatenate([centroids, beside])


def _breathe_out(points: Points, centroids: Float64Array, breath: int) -> Float64Array:
    """Take away the `breath` centroids whose rows lose least, none of them beside another."""
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
            apart = np.square(centroids - centroids[cluster]).sum(axis=1)
            apart[removed] = np.inf
            frozen.add(int(apart.argmin()))
    return np.delete(centroids, removed, axis=0)


def _rows(points: Points, places: list[int]) -> Float64Array:
    rows: Float64Array = points.values[places].astype(np.float64)
    return rows


def _generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, _STREAM]))
