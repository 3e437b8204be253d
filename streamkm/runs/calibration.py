"""The time of a read, measured on some blocks of the data."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.engine import WAVE, caching, folding, last, same_processes
from streamkm.engine.cached import CachedRows
from streamkm.fitting import FitState, Trajectory
from streamkm.passes import Census, DrawUniform, Pass, Product, TopRows
from streamkm.rows import Block, Rows

_SECONDS = 2.0  # no further round of blocks begins after this time
_ROUNDS = 32
_WORK = 1e10  # multiplications of a block; of a larger one, only a part of the rows is computed
_DRAWN = 4  # rows of which each centroid is drawn
_WARMING = 4096  # rows of a block on which kernels are compiled or loaded, and processes started


@dataclass(frozen=True)
class Calibration:
    """Times of a read of all data, estimated from a measurement on some blocks.

    Parameters
    ----------
    reading : float
        Seconds of a read that only checks the rows.
    step : float
        Seconds of a read that computes an iteration.
    in_memory : float
        Seconds of an iteration on cached blocks; infinite if blocks are not cached.
    seconds : float
        Seconds of the measurement.
    nbytes : int
        Bytes of the blocks that were read.
    """

    reading: float
    step: float
    in_memory: float
    seconds: float
    nbytes: int


def calibrate(rows: Rows, state: FitState, threads: int) -> Calibration:
    """Measure reads of blocks at random places for some seconds.

    The passes are those of the fit, with random rows of these blocks as centroids. The first blocks
    are not counted, because they start threads and load or compile kernels. Files that are in the
    page cache of the machine are read faster than others.

    Parameters
    ----------
    rows : Rows
    state : FitState, the first state of the fit
    threads : int, number of blocks that are computed at once
    """
    began, n_blocks = time.perf_counter(), rows.plan.n_blocks
    at_once = min(threads, n_blocks)
    most = min(n_blocks, (1 + 2 * _ROUNDS) * at_once)
    numbers = np.random.default_rng(0).choice(n_blocks, most, replace=False).tolist()
    warming, rest = numbers[:at_once], numbers[at_once:] or numbers
    # A block that was read before is in the page cache, so each measurement has its own.
    some, others = rest[::2], rest[1::2] or rest
    ks = [_n_clusters(trajectory) for trajectory in state.trajectories]
    with same_processes(), caching(rows) as held:
        enough = max(_DRAWN * max(ks), _WARMING) / rows.plan.largest
        drawing = _Part(DrawUniform(max(ks), 0, 0), min(1.0, enough))
        drawn = last(folding(drawing, held, WAVE, blocks=warming)).total()
        centroids = _filled(drawn, max(ks), rows.layout.n_features)
        reading = _timed(Census(), held, (warming, some))
        questions = tuple(
            trajectory.update.ask(trajectory.update.init(centroids[:k]))
            for trajectory, k in zip(state.trajectories, ks, strict=True)
        )
        work = rows.plan.largest * rows.layout.n_features * sum(ks)
        share = min(1.0, _WORK / work)
        question = _Part(Product(questions), share)
        stepping = _timed(question, held, (warming, others))
        again = math.inf
        if isinstance(held, CachedRows):
            again = _timed(question, held, (warming, stepping.numbers)).seconds / share
    computing = max(stepping.seconds - reading.seconds, 0.0) / share
    n_read = _n_rows(rows, {*warming, *reading.numbers, *stepping.numbers})
    return Calibration(
        reading.seconds,
        reading.seconds + computing,
        again,
        time.perf_counter() - began,
        n_read * rows.layout.nbytes // rows.layout.n_rows,
    )


@dataclass(frozen=True)
class _Part:
    """Apply a pass to the first rows of a block, a share of them."""

    question: Pass[Any] | _Part
    share: float

    def identity(self) -> Any:
        return self.question.identity()

    def statistic_nbytes(self, n_features: int) -> int:
        return self.question.statistic_nbytes(n_features)

    def __call__(self, block: Block) -> Any:
        if self.share == 1:
            return self.question(block)
        return self.question(block.where(np.arange(block.n_rows) < self.share * block.n_rows))


@dataclass(frozen=True)
class _Timing:
    """Seconds of a read of all rows, and the numbers of the blocks that were read for it."""

    seconds: float
    numbers: list[int]


def _timed(
    question: Pass[Any] | _Part, rows: Rows, numbers: tuple[Sequence[int], Sequence[int]]
) -> _Timing:
    """Read blocks for some seconds, and estimate the time of all rows.

    `numbers` are those of the blocks of the first round, which is not counted, and of the others.
    """
    warming, counted = numbers
    first = _Part(question, min(1.0, _WARMING / rows.plan.largest))
    last(folding(first, rows, WAVE, blocks=warming))
    began, read = time.perf_counter(), 0
    while read < len(counted) and (not read or time.perf_counter() - began < _SECONDS):
        blocks = counted[read : read + len(warming)]
        last(folding(question, rows, WAVE, blocks=blocks))
        read += len(blocks)
    seconds, done = time.perf_counter() - began, list(counted[:read])
    return _Timing(seconds / _n_rows(rows, done) * rows.layout.n_rows, done)


def _n_clusters(trajectory: Trajectory) -> int:
    if trajectory.seeding is not None:
        return trajectory.seeding.k
    assert trajectory.centroids is not None
    return len(trajectory.centroids)


def _n_rows(rows: Rows, numbers: Sequence[int] | set[int]) -> int:
    regions = (rows.plan.region(number) for number in numbers)
    return sum(math.prod(part.stop - part.start for part in region) for region in regions)


def _filled(drawn: TopRows, k: int, n_features: int) -> Float64Array:
    """Return k centroids: the drawn rows, and rows beside them if there are too few.

    Equal centroids would take longer than others, because their distances are compared exactly.
    """
    rng = np.random.default_rng(0)
    found = drawn.values if len(drawn.keys) else np.zeros((1, n_features))
    missing = k - len(found)
    if missing <= 0:
        return found[:k]
    beside = found[rng.integers(len(found), size=missing)]
    spread = found.std(axis=0) if len(found) > 1 else np.ones(n_features)
    beside += 0.1 * spread * rng.standard_normal(beside.shape)
    filled: Float64Array = np.concatenate([found, beside])
    return filled
