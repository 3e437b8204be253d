"""The pass that summarises blocks."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from streamkm.kernels import Prepared, exponentials, one_blas_thread
from streamkm.passes import (
    Census,
    Pass,
    Sampled,
    SampleSensitive,
    SampleUniform,
    threshold_of,
)
from streamkm.rows import Block
from streamkm.seeding.coreset import corrected_scale, least_sample, solve_pilot
from streamkm.streaming.forgetting import Forgetting
from streamkm.streaming.frozen import Frozen
from streamkm.streaming.summary import PILOT_STREAM, Summary
from streamkm.streaming.totals import total_of

_OVERFULL, _DRAWS = 4, 3  # as for the coreset of a seeding
_PART = 65536  # rows whose positions are computed at once
_TOLD_BY = 256  # rows of a block, at most, that tell its data from others


@dataclass(frozen=True)
class Summarise(Pass[Summary]):
    """Summarise the rows of a block.

    A block of more than 2 * `most` rows is sampled by sensitivity about a rough solution of its
    own; other blocks are kept. A block with invalid rows is only counted, and so are rows that are
    near frozen centroids.

    Parameters
    ----------
    most, n_clusters, seed, forgetting : as for `Summary`
    frozen : Frozen without rows
    first : int
        Position of the first row of the data in the stream.
    """

    most: int
    n_clusters: int
    seed: int
    first: int = 0
    forgetting: Forgetting = field(default_factory=Forgetting)
    frozen: Frozen = field(default_factory=Frozen)

    @classmethod
    def after(cls, summary: Summary) -> Summarise:
        """Return the pass over the rows that follow those of a summary."""
        most, k, seed = summary.most, summary.n_clusters, summary.seed
        own = summary.forgetting, summary.frozen.identity
        return cls(most, k, seed, summary.length, *own)

    @cached_property
    def _prepared(self) -> Prepared:
        return Prepared(self.frozen.centroids)

    def identity(self) -> Summary:
        none = Summary.none(self.most, self.n_clusters, self.seed)
        return replace(none, forgetting=self.forgetting, frozen=self.frozen)

    def __call__(self, block: Block) -> Summary:
        counted, length = Census()(block), math.prod(block.shape)
        none = replace(self.identity(), counted=counted, length=length)
        if counted.bad or counted.negative or not counted.weighted:
            return none
        with one_blas_thread():
            if self.frozen.is_active:
                near, block = self.frozen.divided(block, self._prepared)
                none = replace(none, frozen=near)
            n = block.n_rows if block.weights is None else int(np.count_nonzero(block.weights))
            if not n:
                return none
            stream = _stream_of(block, self.first)
            if n > 2 * self.most and self.forgetting.is_active:
                sample = self._present_sample(block, stream)
            else:
                sample = self._sample(block, n, stream)
        draws = exponentials(sample.numbers, self.seed, stream)
        order = np.lexsort((sample.numbers, draws))
        weights = block.weights
        return replace(
            none,
            total=float(block.n_rows) if weights is None else total_of(weights.tolist()),
            draws=draws[order],
            bounds=(sample.rates * sample.threshold)[order],
            weights=sample.weights[order],
            numbers=sample.numbers[order] + self.first,
            values=sample.values[order],
        )

    def _present_sample(self, block: Block, stream: int) -> Sampled:
        """Sample a block with the weights that its rows have at its end, but return their own."""
        last = int(block.row_numbers(block.n_rows - 1, block.n_rows)[0])
        weights = np.empty(block.n_rows)
        for start in range(0, block.n_rows, _PART):
            own = slice(start, min(start + _PART, block.n_rows))
            numbers = block.row_numbers(own.start, own.stop)
            weights[own] = self.forgetting.shares(numbers, last)
        if block.weights is not None:
            weights *= block.weights
        present = replace(block, weights=weights)
        sample = self._sample(present, int(np.count_nonzero(weights)), stream)
        shares = self.forgetting.shares(sample.numbers, last)
        return replace(sample, weights=sample.weights / shares)

    def _sample(self, block: Block, n: int, stream: int) -> Sampled:
        """Return all n rows of positive weight, or at most `most` of many."""
        most = self.most
        if n <= 2 * most:
            return SampleUniform(n, np.inf, self.seed, stream)(block)
        pilots = least_sample(self.n_clusters)
        pilot = SampleUniform(2 * pilots, threshold_of(pilots / n), self.seed, PILOT_STREAM)
        solution = solve_pilot(pilot(block), self.n_clusters)
        for _ in range(_DRAWS):
            rates = solution.centroids, solution.scale, solution.base
            sample = SampleSensitive(most, float(most), self.seed, stream, *rates)(block)
            if sample.threshold >= most / _OVERFULL:
                break
            # The pilot missed most of the spread, so distant rows would fill the sample.
            solution = replace(solution, scale=corrected_scale(sample, solution))
        return sample


def _stream_of(block: Block, first: int) -> int:
    """Return the stream of the draws of a block, a digest of some of its rows and of `first`.

    Rows of other data with the same numbers then have other draws, also for the same seed, so that
    reads of one stream, and summaries that are made apart, are independent. The first row alone
    does not tell data apart: it is the same in many scenes whose corner has no data.
    """
    step = -(-block.n_rows // _TOLD_BY)
    digest = hashlib.blake2b(first.to_bytes(8, "little"), digest_size=8)
    weights = () if block.weights is None else (block.weights[::step],)
    for some in (block.values[::step], *weights):
        digest.update(np.ascontiguousarray(some, np.float64).tobytes())
    return int.from_bytes(digest.digest(), "little")
