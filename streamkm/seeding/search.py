"""The best centroids of points in memory: what remains of a seeding when the reads are done.

Several k-means++ starts, greedy and plain in turn, then breathing on the best: centroids are added
where the error is largest and removed where they are needed least, which gets out of the local
minima that restarts fall into (Fritzke, "The breathing k-means algorithm", arXiv:2006.15666).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from streamkm.passes import Assigned, Lloyd
from streamkm.rows import Block
from streamkm.seeding.base import Array

T = TypeVar("T")
_STREAM = 2**63  # of the in-memory draws, apart from those of any row
_PIECE = 8192  # points of a task; fixed, so that the sums do not hang on the cores
_BREATH = 5
_CYCLES = 40
_ITERATIONS = 100
_FEW_CLUSTERS = 32  # with few, starts differ much from each other; with many, hardly
_MANY, _SOME = 32, 8
_STARTS = 1.2e9  # multiplications of a step of Lloyd's for all starts together
_ROUGH, _FINE, _FINEST = 1e-3, 1e-4, 1e-6  # relative drops in loss at which Lloyd's steps end


class Points:
    """Weighted points in memory, and the passes of a search over them.

    Parameters
    ----------
    values : ndarray of shape (m, d), float32 or float64
    weights : ndarray of shape (m,), positive
    pool : for the pieces
    """

    def __init__(self, values: npt.NDArray[Any], weights: Array, pool: ThreadPoolExecutor) -> None:
        self.values = values
        self.weights = weights
        self._pool = pool
        self._pieces = [slice(at, at + _PIECE) for at in range(0, len(values), _PIECE)]
        self._mean = np.average(values, axis=0, weights=weights).astype(values.dtype)

    def assign(self, centroids: Array) -> Assigned:
        """The statistic of Lloyd's step."""
        step = Lloyd(centroids)
        return Assigned.combine(
            self._map(lambda piece: step(Block.of(self.values[piece], self.weights[piece])))
        )

    def distances(self, centroids: Array) -> Array:
        """Squared distances (m, k) for few centroids, good to the data's precision."""
        return np.concatenate(self._map(lambda piece: self._distances(piece, centroids)))

    def two_nearest(self, centroids: Array) -> tuple[npt.NDArray[np.intp], Array, Array]:
        """Labels (m,), and squared distances to the nearest and the second nearest centroid."""
        parts = self._map(lambda piece: _two_nearest(self._distances(piece, centroids)))
        labels, nearest, second = (np.concatenate(c) for c in zip(*parts, strict=True))
        return labels, nearest, second

    def _distances(self, piece: slice, centroids: Array) -> Array:
        x = self.values[piece] - self._mean
        c = centroids.astype(x.dtype) - self._mean
        scores = np.einsum("kd,kd->k", c, c) - 2 * (x @ c.T) + np.einsum("nd,nd->n", x, x)[:, None]
        squared: Array = np.maximum(scores, 0).astype(np.float64)
        return squared

    def _map(self, call: Callable[[slice], T]) -> list[T]:
        return list(self._pool.map(call, self._pieces))


def _two_nearest(distances: Array) -> tuple[npt.NDArray[np.intp], Array, Array]:
    every = np.arange(len(distances))
    labels = distances.argmin(axis=1)
    nearest = distances[every, labels]
    distances[every, labels] = np.inf
    return labels, nearest, distances.min(axis=1)


@contextmanager
def in_memory(values: npt.NDArray[Any], weights: Array) -> Iterator[Points]:
    """Points with the threads of this process, each with a BLAS of one."""
    with ThreadPoolExecutor(_cores()) as pool, threadpool_limits(1, user_api="blas"):
        yield Points(values, weights, pool)


def _cores() -> int:
    return int(os.environ.get("SLURM_CPUS_PER_TASK") or len(os.sched_getaffinity(0)))


def start(points: Points, k: int, seed: int) -> Array:
    """A rough solution (k, d): one greedy k-means++ start and a few of Lloyd's steps."""
    return lloyd(points, plusplus(points, k, _generator(seed)), _ROUGH)[0]


def search(points: Points, k: int, seed: int, few: Points | None = None) -> Array:
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
    starts = [
        lloyd(first, plusplus(first, k, rng, greedy=number % 2 == 0), _ROUGH)
        for number in range(min(many, max(_SOME // 2, affordable)))
    ]
    starts.sort(key=lambda found: found[1])
    breathed = starts[: 3 if k <= _FEW_CLUSTERS else 2]
    found = [_breathe(points, start, rng) for start, _ in breathed]
    best = min(found, key=lambda found: found[1])[0]
    return lloyd(points, best, _FINEST)[0]


def _breathe(points: Points, start: Array, rng: np.random.Generator) -> tuple[Array, float]:
    best, loss = lloyd(points, start, _FINE)
    breath = min(_BREATH, len(start))
    for _ in range(_CYCLES):
        wider, _ = lloyd(points, _breathe_in(points, best, breath, rng), _FINE)
        found, lower = lloyd(points, _breathe_out(points, wider, breath), _FINE)
        if lower < loss * (1 - _FINE):
            best, loss = found, lower
            continue
        breath -= 1
        if breath == 0:
            break
    return best, loss


def lloyd(points: Points, centroids: Array, drop: float) -> tuple[Array, float]:
    """Lloyd's steps until the loss falls by less than a share `drop`; centroids and their loss."""
    last, before = np.inf, centroids
    for _ in range(_ITERATIONS):
        assigned = points.assign(centroids)
        if not assigned.loss < last * (1 - drop):
            break
        last, before = assigned.loss, centroids
        centroids = assigned.means(otherwise=centroids)
        empty = np.flatnonzero(assigned.counts == 0)
        if empty.size:
            _, d2, _ = points.two_nearest(before)
            far = np.argsort(-d2 * points.weights, kind="stable")[: empty.size]
            centroids[empty] = points.values[far]
    return (centroids, assigned.loss) if assigned.loss <= last else (before, last)


def plusplus(points: Points, k: int, rng: np.random.Generator, greedy: bool = True) -> Array:
    """k-means++; greedy, it keeps the best of 2 + log k draws at every step, as scikit-learn's."""
    values, weights = points.values, points.weights
    trials = 2 + int(np.log(k)) if greedy else 1
    chosen = [int(rng.choice(len(values), p=weights / weights.sum()))]
    d2 = points.distances(_rows(values, chosen))[:, 0]
    while len(chosen) < k:
        d2[chosen[-1]] = 0
        potential = np.cumsum(weights * d2)
        if not potential[-1] > 0:
            rest = np.setdiff1d(np.arange(len(values)), chosen)
            chosen.extend(rest[: k - len(chosen)].tolist())
            break
        drawn = np.searchsorted(potential, rng.random(trials) * potential[-1])
        drawn = np.minimum(drawn, len(values) - 1)
        closer = np.minimum(d2, points.distances(_rows(values, drawn)).T)
        winner = int(np.argmin(closer @ weights))
        chosen.append(int(drawn[winner]))
        d2 = closer[winner]
    return _rows(values, chosen)


def _breathe_in(points: Points, centroids: Array, breath: int, rng: np.random.Generator) -> Array:
    """Add a centroid beside each of the `breath` of the largest error."""
    k, d = centroids.shape
    labels, d2, _ = points.two_nearest(centroids)
    errors = np.bincount(labels, points.weights * d2, minlength=k)
    counts = np.bincount(labels, points.weights, minlength=k)
    worst = np.argsort(-errors, kind="stable")[:breath]
    width = np.sqrt(errors[worst] / np.maximum(counts[worst], np.finfo(float).tiny) / d)
    beside = centroids[worst] + 0.01 * width[:, None] * rng.standard_normal((breath, d))
    return np.concatenate([centroids, beside])


def _breathe_out(points: Points, centroids: Array, breath: int) -> Array:
    """Take away the `breath` centroids whose rows lose least, none of them beside another."""
    k = len(centroids)
    labels, nearest, second = points.two_nearest(centroids)
    utility = np.bincount(labels, points.weights * (second - nearest), minlength=k)
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


def _rows(values: npt.NDArray[Any], places: Any) -> Array:
    rows: Array = values[places].astype(np.float64)
    return rows


def _generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed, _STREAM]))
