"""Weighted points in memory, and what a search asks of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from streamkm.arrays import AnyArray, Float64Array, Int32Array
from streamkm.engine import threads
from streamkm.in_memory.monitor import current_monitor
from streamkm.kernels import Centroids, squared_distances
from streamkm.passes import Assigned, Lloyd
from streamkm.rows import Block, read_only

T = TypeVar("T")
_PIECE = 8192  # points of a task; fixed, so that the sums do not hang on the cores
_RANGE = 1e6  # of the values, over which float32 is not enough


class Points:
    """Points about their median, scaled to lie within one, with weights of at most one.

    So neither a fill value among them nor their unit spoils the precision. Centroids are in this
    scale; `placed` and `restored` take them there and back.

    Parameters
    ----------
    values : ndarray of shape (m, d), float32 or float64
    weights : ndarray of shape (m,), positive
    pool : for the pieces
    """

    def __init__(self, values: AnyArray, weights: Float64Array, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._pieces = [slice(at, at + _PIECE) for at in range(0, len(values), _PIECE)]
        self._origin = np.array([np.median(column) for column in values.T], np.float64)
        sizes = np.concatenate(
            self._map(lambda piece: np.abs(values[piece] - self._origin).max(axis=1))
        )
        largest = float(sizes.max())
        self._scale = largest if largest > 0 else 1.0
        narrow = values.dtype == np.float32 and largest <= _RANGE * float(np.median(sizes))
        self.values = np.empty(values.shape, np.float32 if narrow else np.float64)
        self._map(lambda piece: self._place(values, piece))
        self.values = read_only(self.values)
        self.weights = weights / weights.max()
        self.spent = 0.0  # multiplications so far: a clock that runs alike on every machine
        self.doing = ""  # in words, for whoever watches
        self._monitor = current_monitor()

    def _place(self, values: AnyArray, piece: slice) -> None:
        self.values[piece] = (values[piece] - self._origin) / self._scale

    def placed(self, centroids: Float64Array) -> Float64Array:
        placed: Float64Array = (centroids - self._origin) / self._scale
        return placed

    def restored(self, centroids: Float64Array) -> Float64Array:
        restored: Float64Array = centroids * self._scale + self._origin
        return restored

    def assign(self, centroids: Float64Array) -> Assigned:
        """The statistic of Lloyd's step."""
        step = Lloyd(centroids)
        self._pay(len(centroids))
        return Assigned.combine(
            self._map(lambda piece: step(Block.of(self.values[piece], self.weights[piece])))
        )

    def distances(self, centroids: Float64Array) -> Float64Array:
        """Squared distances (m, k) to a few centroids."""
        self._pay(len(centroids))
        parts = self._map(lambda piece: squared_distances(self.values[piece], centroids))
        return np.concatenate(parts)

    def nearest(self, centroids: Float64Array) -> tuple[Int32Array, Float64Array, Float64Array]:
        """Labels (m,), squared distances, and how much larger those to the second best are."""
        self._pay(len(centroids))
        ready = Centroids(centroids, self.values.dtype)
        parts = self._map(lambda piece: ready.nearest_and_gaps(self.values[piece]))
        labels, d2, gaps = (np.concatenate(column) for column in zip(*parts, strict=True))
        return labels, d2, gaps

    @property
    def late(self) -> bool:
        """Whether the search must end, for its time has run out."""
        return self._monitor.out_of_time()

    def _pay(self, k: int) -> None:
        self.spent += float(self.values.size) * k
        self._monitor.report(self.doing)

    def _map(self, call: Callable[[slice], T]) -> list[T]:
        return list(self._pool.map(call, self._pieces))


@contextmanager
def in_memory(values: AnyArray, weights: Float64Array) -> Iterator[Points]:
    """Points with the threads of this process, each with a BLAS of one."""
    with ThreadPoolExecutor(threads()) as pool, threadpool_limits(1, user_api="blas"):
        yield Points(values, weights, pool)
