"""Training of codebooks on any number of patches, one stage after the other.

A stage starts with a read that measures the distortion left by the earlier stages, finds the
distinct patches if they are few, and draws a sample. The sample is divided (Var-Part) or searched,
Lloyd's algorithm converges on it in memory, and further steps use all rows. The first read of the
next stage also measures the distortion of this one, so training can stop at a given quality, and
the quality is known without another read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.engine import caching, same_processes, work_budget
from streamkm.fitting import FitState, StateCallback, first_state, iterate
from streamkm.images.codebook.codebook import Codebook
from streamkm.images.codebook.stage import FirstRead, first_read, residual_rows
from streamkm.in_memory.points import in_memory
from streamkm.in_memory.search import search
from streamkm.kernels import split
from streamkm.numbers import real_number, whole_number
from streamkm.passes import Sampled
from streamkm.rows import Budget, Room, Rows, open_rows, rows_in_memory
from streamkm.runs.options import CheckpointOptions
from streamkm.runs.running import ProgressCallbacks, Start, running
from streamkm.sizes import parse_bytes
from streamkm.updates import LloydUpdate, StopRules

MOST_CODEWORDS = 2**16  # a code is two bytes at most
# A search for more codewords takes minutes; its gain over dividing, 0.15 dB at 256, falls with k.
_SEARCHED = 256
_LEAST_SAMPLE = 65_536
_SAMPLED_A_CODEWORD = 8  # minimum; there are more if memory allows
# A step on the sample that gains less than this overfits the sample.
_SAMPLE_RULES = StopRules(loss_tol=1e-2)
# A smaller relative gain, 0.02 dB, is not worth a read.
_WORTH_A_READ = 5e-3
_MAX_ITER = 10
_NO_ROOM = Room(0, 0)


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
    watch: Sequence[StateCallback] = (),
    saved: Path | None = None,
) -> Codebook:
    """Fit a codebook of patches, or of the pixels of a raster of many bands.

    A stage takes at most `max_iter` + 1 reads, and the last stage one more for its distortion. Data
    that fit in memory are read once. The codebook is the same for any chunking.

    Parameters
    ----------
    data : array of shape (n, d), uint8 or uint16, or str or path-like
        Patches in memory, of Zarr or Dask, or the path of a store.
    k : int
        Codewords of a stage, at most 65,536; fewer if fewer rows are distinct.
    sample_weight : array of shape (n,), or None
        Weights of the patches, of any of these kinds.
    stages : int
        Maximum number of stages.
    until_psnr : float or None
        PSNR in decibels at which no further stage is added.
    max_iter : int
        Maximum number of Lloyd iterations of a stage; a stage ends earlier when an iteration
        reduces the loss by less than 0.5 %.
    memory_limit : int or None
        Bytes of this process.
    seed : int
        Seed of the samples.
    watch : sequence of callable
        Each is called with every state of every stage's fit.
    saved : Path or None
        Folder of checkpoints, one for each stage. A resumed run reads the data once for each
        finished stage, and repeats at most a minute of work of an unfinished one.

    Returns
    -------
    Codebook
        With the distortion of the data after each stage. If the data have at most k distinct rows,
        these are the codewords, and the codes are lossless.

    Raises
    ------
    DataError
        If the data are not pixels.
    MemoryLimitError
        If the memory limit is too low.

    Notes
    -----
    A read costs a search among k codewords for every row, and one more for each stage before. On
    two cores, with rows of 48 values, that took 2.5 s for a million rows and 4,096 codewords, and
    70 s for 65,536; a stage took 3 to 7 iterations. With `max_iter=2` the PSNR was 0.1 dB lower.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm.images import fit_codebook
    >>> patches = np.array([[0, 0, 0, 0], [200, 200, 200, 200]] * 5, dtype="u1")
    >>> book = fit_codebook(patches, 2)
    >>> book.n_stages, book.psnr
    (1, inf)
    """
    k = whole_number("k", k, 1, MOST_CODEWORDS)
    stages = whole_number("stages", stages, 1)
    max_iter = whole_number("max_iter", max_iter, 1)
    seed = whole_number("seed", seed)
    if until_psnr is not None:
        until_psnr = real_number("until_psnr", until_psnr, above=True)
    if memory_limit is not None:
        memory_limit = parse_bytes(memory_limit)
    sampled = max(_LEAST_SAMPLE, _SAMPLED_A_CODEWORD * k)
    budget = work_budget(
        memory_limit,
        k,
        fits=True,
        summaries=1,
        summary_rows=sampled,
        summary_enough=sampled,  # in bytes of float64, so of narrower pixels there may be more
        # Residuals are twice as wide as pixels, and the projection counts a block five times.
        answer_share=0.5 if stages > 1 else 0.0,
    )
    rows = open_rows(data, sample_weight=sample_weight, budget=budget)
    codebook = Codebook.empty(rows.layout.dtype, rows.layout.n_features)
    room = budget.room(rows.layout)
    rules = StopRules(max_iter, loss_tol=_WORTH_A_READ)
    training = _Training(k, stages, until_psnr, rules, room, budget, seed, tuple(watch), saved)
    with same_processes(), caching(rows) as cached:
        return training.train(cached, codebook)


@dataclass(frozen=True)
class _Training:
    """The training of a codebook.

    Parameters
    ----------
    k, stages, until_psnr, seed, watch, saved : as in `fit_codebook`
    rules : StopRules
        Of Lloyd's steps on all rows.
    room : Room
        Memory for the statistics of the first read of a stage.
    budget : Budget
    """

    k: int
    stages: int
    until_psnr: float | None
    rules: StopRules
    room: Room
    budget: Budget
    seed: int
    watch: tuple[StateCallback, ...]
    saved: Path | None

    def train(self, rows: Rows, codebook: Codebook) -> Codebook:
        """Add stages to an empty codebook until the requested number or quality is reached."""
        first = first_read(rows, self.room, self.seed, 0)
        if first.table.complete:  # no further read is needed
            rows = rows_in_memory(first.table.values, first.table.weights)
        while True:
            stage = codebook.n_stages
            residuals = rows if stage == 0 else residual_rows(rows, codebook)
            codebook = codebook.with_stage(self._codewords(residuals, first, stage))
            del first  # the memory projection counts one sample
            stage = codebook.n_stages
            room = self.room if stage < self.stages else _NO_ROOM
            first = first_read(residual_rows(rows, codebook), room, self.seed, stage)
            codebook = codebook.with_distortion(first.distortion)
            good = self.until_psnr is not None and codebook.psnr >= self.until_psnr
            if stage == self.stages or first.distortion == 0 or good:
                return codebook

    def _codewords(self, rows: Rows, first: FirstRead, stage: int) -> Float64Array:
        """The codewords (k, d) of a stage, or all distinct rows if there are at most k."""
        table = first.table
        if table.complete and len(table.weights) <= self.k:
            return table.values.astype(np.float64)
        # Dask arrays have no fingerprint of their values, so the distortion identifies the rows.
        options = {
            "codewords": self.k,
            "stage": stage,
            "seed": self.seed,
            "distortion": first.distortion,
        }
        stage_state = partial(self._first_state, rows, first.sample)
        start = Start(rows, self.budget, [self.rules], stage_state, options, "codebook")
        checkpoint = None
        if self.saved is not None and not table.complete:
            self.saved.mkdir(parents=True, exist_ok=True)
            checkpoint = CheckpointOptions(self.saved / f"stage-{stage}")
        with running(start, checkpoint, ProgressCallbacks(self._show), skip_evaluation=True) as run:
            if run.checkpoint is not None:
                run.checkpoint.save(run.state)
        return _centroids(run.state)

    def _show(self, state: FitState) -> None:
        for watch in self.watch:
            watch(state)

    def _first_state(self, rows: Rows, sample: Sampled) -> FitState:
        """The state before Lloyd's steps on all rows."""
        if self.k <= _SEARCHED:
            few = sample.lowest(_LEAST_SAMPLE)
            with in_memory(few.values, few.estimates) as points:
                centroids = search(points, self.k, self.seed)
            return _lloyd_state(rows, centroids, False, self.rules)
        values, weights = sample.values, sample.estimates
        divided = split(values, weights, self.k)
        # If the sample has fewer than k distinct rows, surplus centroids move to far rows of the
        # data. Otherwise a few empty clusters among many do not justify further reads.
        centroids, relocate = np.resize(divided, (self.k, divided.shape[1])), len(divided) < self.k
        if np.isfinite(sample.threshold):  # the sample does not contain all rows
            sampled_rows = rows_in_memory(values, weights)
            state = _lloyd_state(sampled_rows, centroids, False, _SAMPLE_RULES)
            centroids = _centroids(iterate(sampled_rows, state, skip_evaluation=True))
        return _lloyd_state(rows, centroids, relocate, self.rules)


def _lloyd_state(rows: Rows, centroids: Float64Array, relocate: bool, rules: StopRules) -> FitState:
    """The state before Lloyd's steps from given centroids."""
    k = len(centroids)
    update = LloydUpdate(rules, relocate=relocate)
    return first_state(rows, k, centroids, [0], update, _NO_ROOM)


def _centroids(state: FitState) -> Float64Array:
    centroids = state.best.centroids
    assert centroids is not None
    return centroids
