"""Weighted points in memory, and the sums and distances that a search needs.

A search computes thousands of statistics of a few thousand points. The points are divided into
pieces of fixed size, and the statistics of the pieces are added in order. The fold of
`streamkm.engine` adds those of blocks in a tree of fan-in eight. The two orders round differently,
so neither can replace the other without changing results; they share only the threads
(`engine.in_threads`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from streamkm.arrays import AnyArray, Float64Array, Int32Array
from streamkm.checkpointable import Checkpointable
from streamkm.engine import in_threads
from streamkm.in_memory.monitor import current_monitor
from streamkm.kernels import Centroids, one_blas_thread, squared_distances
from streamkm.passes import Assigned, Lloyd
from streamkm.rows import Block, read_only

T = TypeVar("T")
_PIECE = 8192  # points of a task; fixed, so that sums do not depend on the number of cores
_MEDIAN = 4096  # points of which the median is computed
_COLUMNS = 512  # features whose medians are computed at once
_DIRECT = 4  # cost of a direct distance, in those of a matrix product
_RANGE = 1e6  # largest distance over the median one, above which float32 is too coarse


@dataclass(frozen=True)
class Frame:
    """An origin and a scale of rows.

    Parameters
    ----------
    origin : ndarray of shape (d,), float64
    scale : float
    """

    origin: Float64Array
    scale: float

    def scaled(self, rows: AnyArray) -> Float64Array:
        """Convert rows (m, d) from data units."""
        scaled: Float64Array = (rows - self.origin) / self.scale
        return scaled

    def unscaled(self, rows: Float64Array) -> Float64Array:
        """Convert rows (m, d) to data units."""
        unscaled: Float64Array = rows * self.scale + self.origin
        return unscaled


class Points:
    """Points relative to their median, scaled to at most one, with weights of at most one.

    Fill values and units therefore do not reduce the precision. The median is that of at most 4,096
    points. Centroids are in the same scale; `scaled` and `unscaled` convert them.

    Parameters
    ----------
    values : ndarray of shape (m, d), float32 or float64
        Points, in data units.
    weights : ndarray of shape (m,), float64
        Positive weights.

    Attributes
    ----------
    values : ndarray of shape (m, d), float32 or float64
        Scaled points.
    weights : ndarray of shape (m,), float64
        Scaled weights.
    frame : Frame
        Median and scale.
    multiplications : float
        Multiplications of matrix products that take as long as all steps so far: a clock that runs
        alike on every machine.
    step : str
        Description of the current step, for the monitor.
    """

    def __init__(self, values: AnyArray, weights: Float64Array) -> None:
        self._n_points = len(values)
        some = values[:: -(-len(values) // _MEDIAN)]
        origin = _medians(some)
        sizes = np.concatenate(self._map(lambda piece: np.abs(values[piece] - origin).max(axis=1)))
        largest = float(sizes.max())
        self.frame = Frame(origin, largest if largest > 0 else 1.0)
        narrow = values.dtype == np.float32 and largest <= _RANGE * float(np.median(sizes))
        scaled = np.empty(values.shape, np.float32 if narrow else np.float64)

        def fill(piece: slice) -> None:
            scaled[piece] = self.frame.scaled(values[piece])

        self._map(fill)
        self.values = read_only(scaled)
        self.weights = weights / weights.max()
        self.multiplications = 0.0
        self.step = ""
        self._began, self._most = 0.0, np.inf
        self._stage = ""

    def expect(self, most: float) -> None:
        """Set the multiplications of the steps that follow, at most, to report the time left."""
        self._began, self._most = self.multiplications, max(most, 1.0)
        current_monitor().begin()

    def stage(self, name: str, most: float) -> None:
        """Begin a stage of steps that take `most` multiplications, unless it has begun."""
        if name != self._stage:
            self._stage = name
            self.expect(most)

    def scaled(self, centroids: Float64Array) -> Float64Array:
        """Convert centroids (k, d) from data units."""
        return self.frame.scaled(centroids)

    def unscaled(self, centroids: Float64Array) -> Float64Array:
        """Convert centroids (k, d) to data units."""
        return self.frame.unscaled(centroids)

    def assign(self, centroids: Float64Array) -> Assigned:
        """Return the statistic of Lloyd's step."""
        question = Lloyd(centroids)
        self._count(len(centroids))
        parts = self._map(
            lambda piece: question(Block.from_values(self.values[piece], self.weights[piece]))
        )
        return parts[0] if len(parts) == 1 else Assigned.combine(parts)

    def distances(self, centroids: Float64Array) -> Float64Array:
        """Return the squared distances (m, k) to a few centroids."""
        self._count(_DIRECT * len(centroids))
        parts = self._map(lambda piece: squared_distances(self.values[piece], centroids))
        return np.concatenate(parts)

    def nearest(self, centroids: Float64Array) -> tuple[Int32Array, Float64Array, Float64Array]:
        """Return labels, squared distances and gaps, each (m,).

        A gap is the squared distance to the second nearest centroid minus that to the nearest.
        """
        self._count(len(centroids))
        ready = Centroids(centroids, self.values.dtype)
        parts = self._map(lambda piece: ready.nearest_and_gaps(self.values[piece]))
        labels, d2, gaps = (np.concatenate(column) for column in zip(*parts, strict=True))
        return labels, d2, gaps

    def out_of_time(self) -> bool:
        """Return whether the deadline has passed, so that the search must end."""
        return current_monitor().out_of_time()

    def _count(self, k: int) -> None:
        self.multiplications += float(self.values.size) * k
        share = (self.multiplications - self._began) / self._most
        current_monitor().report(self.step, share)

    def _map(self, call: Callable[[slice], T]) -> list[T]:
        return in_pieces(call, self._n_points)


def _medians(values: AnyArray) -> Float64Array:
    """Return the medians (d,) of the columns, of which some are copied at once."""
    columns = (values[:, at : at + _COLUMNS].T for at in range(0, values.shape[1], _COLUMNS))
    return np.concatenate([np.median(np.ascontiguousarray(c), axis=1) for c in columns]).astype(
        np.float64
    )


def in_pieces(call: Callable[[slice], T], n_rows: int) -> list[T]:
    """Return the results of a function for pieces of rows, which threads compute, in order."""
    pieces = [slice(at, at + _PIECE) for at in range(0, n_rows, _PIECE)]
    return list(in_threads(lambda number: call(pieces[number]), len(pieces)))


@dataclass(frozen=True)
class Weighted(Checkpointable):
    """Weighted rows of which `Points` are made when a search needs them.

    Parameters
    ----------
    values : ndarray of shape (m, d), float32 or float64
    weights : ndarray of shape (m,), float64
    """

    values: AnyArray
    weights: Float64Array

    @cached_property
    def points(self) -> Points:
        return Points(self.values, self.weights)

    def __getstate__(self) -> dict[str, Any]:  # without the points, which can be made again
        return {"values": self.values, "weights": self.weights}


@contextmanager
def in_memory(values: AnyArray, weights: Float64Array) -> Iterator[Points]:
    """Create `Points`, with BLAS limited to one thread for each thread of this process."""
    with one_blas_thread():
        yield Points(values, weights)
