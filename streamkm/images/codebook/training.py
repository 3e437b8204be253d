"""Codebooks out of patches of any number: a stage after the other, each by the engine.

A stage opens with a read that tells how much the stages before it have left, whether few patches
are distinct, and draws a sample. The sample is divided (Var-Part) or searched, settles in memory,
and the centroids then take Lloyd's steps on all rows. The read that opens the next stage is the one
that judges this, so that a codebook can stop growing at a quality, and is at no further read known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.engine import caching, map_reduce, threads
from streamkm.fitting import FitState, Watch, checkpointing, first_state, iterate
from streamkm.images.codebook.codebook import Codebook
from streamkm.in_memory.points import in_memory
from streamkm.in_memory.search import search
from streamkm.kernels import split
from streamkm.numbers import real_number, whole_number
from streamkm.passes import (
    Census,
    Distinct,
    Lloyd,
    Product,
    Sampled,
    SampleUniform,
    Table,
    threshold_of,
)
from streamkm.rows import Block, Budget, Room, Rows, open_rows, rows_in_memory
from streamkm.sizes import parse_bytes
from streamkm.updates import LloydUpdate, StopRules

MOST_CODEWORDS = 2**16  # a code is two bytes at most
# To search for more takes minutes; what it gains over dividing, 0.15 dB at 256, falls with k.
_SEARCHED = 256
_LEAST_SAMPLE = 65_536
_SAMPLED_A_CODEWORD = 8
# A step on a sample that gains less learns the sample by heart.
_SETTLED = StopRules(loss_tol=1e-2)
# A fiftieth of a decibel is not worth a read.
_WORTH_A_READ = 5e-3
_MAX_ITER = 10
_SAVE_EVERY = 60.0  # seconds
_NOTHING_KEPT = Room(0, 0)


@dataclass(frozen=True)
class _Opened:
    """What the read has told that opens a stage.

    Parameters
    ----------
    table : Table, of the distinct rows
    sample : Sampled
    distortion : mean square of a value
    """

    table: Table
    sample: Sampled
    distortion: float


@dataclass(frozen=True)
class _Residual:
    """A block as what a codebook leaves of it: whole numbers, whose sums are exact."""

    codebook: Codebook

    def __call__(self, block: Block) -> Block:
        return replace(block, values=self.codebook.residuals(block.values))


def fit_codebook(
    data: Any,
    k: int,
    *,
    sample_weight: Any = None,
    stages: int = 1,
    until_psnr: float | None = None,
    max_iter: int = _MAX_ITER,
    memory_limit: int | None = None,
    seed: int = 0,
    watch: Sequence[Watch] = (),
    saved: Path | None = None,
) -> Codebook:
    """A codebook of patches, or of the pixels of a raster of many bands.

    A stage takes at most `max_iter` + 1 reads, and one more judges the last stage. Data that fit in
    memory beside the work are read once. The codebook is the same for any chunking.

    Parameters
    ----------
    data : array of shape (n, d), uint8 or uint16, in memory, of Zarr or Dask, or path of a store
    k : codewords of a stage, at most 65,536; fewer where fewer rows are distinct
    sample_weight : array of shape (n,), of any of these kinds, or None
    stages : how many stages at most
    until_psnr : decibels at which no stage is added, or None
    max_iter : Lloyd's steps on all rows; a stage ends before when one gains less than 0.5 %
    memory_limit : bytes of this process, or None
    seed : of the samples
    watch : each is called with every state of every stage's fit
    saved : folder of checkpoints, one a stage, for a run that goes on after a kill: a stage that
        was done costs it one read, the one that was not a minute's work more at most

    Returns
    -------
    Codebook
        With the distortion of the data after each stage. Of data with k distinct rows at most, they
        are the codewords, and nothing is lost.

    Raises
    ------
    streamkm.errors.DataError
        For data that are no pixels.
    streamkm.errors.MemoryLimitError
        When the work cannot be held to the limit.

    Notes
    -----
    A read costs a search through k codewords for every row, and one more for each stage before. On
    two cores, of rows of 48 values, that was 2.5 s for a million rows of 4,096 codewords and 70 s
    of 65,536; a stage took 3 to 7 steps. `max_iter=2` has most of what they gain, 0.1 dB short.
    """
    k = whole_number("k", k, 1, MOST_CODEWORDS)
    stages = whole_number("stages", stages, 1)
    max_iter = whole_number("max_iter", max_iter, 1)
    seed = whole_number("seed", seed)
    if until_psnr is not None:
        until_psnr = real_number("until_psnr", until_psnr, above=True)
    if memory_limit is not None:
        memory_limit = parse_bytes(memory_limit)
    budget = Budget(memory_limit, threads(), k, fits=True, summaries=1, summary_rows=sampled(k))
    rows = open_rows(data, sample_weight=sample_weight, budget=budget)
    begun = Codebook.empty(rows.layout.dtype, rows.layout.n_features)
    if stages > 1:
        # What a stage leaves of a block is twice as wide; a block is reckoned five times.
        wider = 8 + rows.layout.n_features * rows.layout.dtype.itemsize // 2
        wide = replace(budget, answer_nbytes=wider)
        rows = open_rows(data, sample_weight=sample_weight, budget=wide)
    room = replace(budget, n_features=rows.layout.n_features).room(rows.layout)
    rules = StopRules(max_iter, loss_tol=_WORTH_A_READ)
    training = _Training(k, stages, until_psnr, rules, room, budget, seed, tuple(watch), saved)
    with caching(rows) as held:
        return training.of(held, begun)


def sampled(k: int) -> int:
    """Rows that a sample for a codebook of k holds at least; more where there is room."""
    return max(_LEAST_SAMPLE, _SAMPLED_A_CODEWORD * k)


@dataclass(frozen=True)
class _Training:
    """How a codebook grows.

    Parameters
    ----------
    k, stages, until_psnr, seed, watch, saved : as of `fit_codebook`
    rules : of Lloyd's steps on all rows
    room : for what an opening read keeps
    budget : of the blocks
    """

    k: int
    stages: int
    until_psnr: float | None
    rules: StopRules
    room: Room
    budget: Budget
    seed: int
    watch: tuple[Watch, ...]
    saved: Path | None

    def of(self, rows: Rows, codebook: Codebook) -> Codebook:
        """The codebook of some rows, begun without a stage."""
        opened = _opened(rows, self.room, self.seed, 0)
        if opened.table.complete:  # nothing is read any more
            rows = rows_in_memory(opened.table.values, opened.table.weights)
        while True:
            seen = rows if codebook.n_stages == 0 else _left(rows, codebook)
            codebook = codebook.with_stage(self._codewords(seen, opened, codebook.n_stages))
            del opened  # before the next: two samples are not in the projection
            wanted = self.room if codebook.n_stages < self.stages else _NOTHING_KEPT
            opened = _opened(_left(rows, codebook), wanted, self.seed, codebook.n_stages)
            codebook = codebook.with_distortion(opened.distortion)
            enough = self.until_psnr is not None and codebook.psnr >= self.until_psnr
            if codebook.n_stages == self.stages or opened.distortion == 0 or enough:
                return codebook

    def _codewords(self, rows: Rows, opened: _Opened, stage: int) -> Float64Array:
        """The codewords (k, d) of a stage, or fewer where they are all rows that there are."""
        table = opened.table
        if table.complete and len(table.weights) <= self.k:
            return table.values.astype(np.float64)
        begin = partial(self._begin, rows, opened.sample)
        if self.saved is None or table.complete:
            return _centroids(iterate(rows, begin(), watch=self.watch, keep_evaluation=True))
        # The last tells of other patches, or of other stages before, which Dask's arrays do not.
        asked = {"codewords": self.k, "stage": stage, "seed": self.seed, "left": opened.distortion}
        self.saved.mkdir(parents=True, exist_ok=True)
        where = self.saved / f"stage-{stage}"
        with checkpointing(where, rows, asked, _SAVE_EVERY, kind="codebook") as kept:
            state, rows, _ = kept.begin(begin, self.rules, self.budget)
            state = iterate(rows, state, watch=(*self.watch, kept.see), keep_evaluation=True)
            kept.save(state)
        return _centroids(state)

    def _begin(self, rows: Rows, sample: Sampled) -> FitState:
        """The state from which Lloyd's steps on all rows begin."""
        if self.k <= _SEARCHED:
            few = sample.lowest(_LEAST_SAMPLE)
            with in_memory(few.values, few.estimates) as points:
                return _stepping(rows, search(points, self.k, self.seed), False, self.rules)
        values, weights = sample.values, sample.estimates
        divided = split(values, weights, self.k)
        # Where few of the sample are distinct, the surplus moves to far rows of the data; the few
        # that else are empty among very many would not be worth the reads.
        begun, lacking = np.resize(divided, (self.k, divided.shape[1])), len(divided) < self.k
        if np.isfinite(sample.threshold):  # some rows are not in it
            drawn = rows_in_memory(values, weights)
            settling = _stepping(drawn, begun, False, _SETTLED)
            begun = _centroids(iterate(drawn, settling, keep_evaluation=True))
        return _stepping(rows, begun, lacking, self.rules)


def _left(rows: Rows, codebook: Codebook) -> Rows:
    """Rows as what the codebook leaves of them."""
    return replace(rows, layout=replace(rows.layout, block_map=_Residual(codebook)))


def _opened(rows: Rows, room: Room, seed: int, stage: int) -> _Opened:
    """What there is to know of rows before a stage: one read."""
    n, d = rows.layout.n_rows, rows.layout.n_features
    origin = np.zeros((1, d))
    sample = SampleUniform(room.sample, threshold_of(room.sample / n), seed, stage)
    question = Product((Census(), Distinct(room.table), sample, Lloyd(origin)))
    census, table, drawn, about = map_reduce(question, rows).parts
    census.check()
    return _Opened(table, drawn, about.inertia(origin) / (about.weight * d))


def _stepping(rows: Rows, begun: Float64Array, relocate: bool, rules: StopRules) -> FitState:
    """The state before Lloyd's steps; the last one's loss is for the next read to tell."""
    k = len(begun)
    return first_state(rows, k, begun, [0], LloydUpdate(rules, relocate=relocate), _NOTHING_KEPT)


def _centroids(state: FitState) -> Float64Array:
    found = state.best.centroids
    assert found is not None
    return found
