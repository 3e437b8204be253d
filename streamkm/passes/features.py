"""Passes over some of the features, and rows as residuals and codes of a product quantizer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray, Float64Array
from streamkm.checkpointable import Checkpointable
from streamkm.kernels import Prepared
from streamkm.passes.base import Pass, S
from streamkm.passes.census import Counted
from streamkm.passes.lloyd import refuse_bad
from streamkm.passes.per_row import PerRow
from streamkm.rows import Block, read_only


@dataclass(frozen=True)
class OfFeatures(Pass[S]):
    """Ask a question of some features of every row.

    Parameters
    ----------
    question : Pass, for rows of `stop - start` features
    start, stop : int, the first feature and the end of the features
    """

    question: Pass[S]
    start: int
    stop: int

    def identity(self) -> S:
        return self.question.identity()

    def __call__(self, block: Block) -> S:
        values = block.rows(slice(None))[:, self.start : self.stop]
        return self.question(replace(block, values=values, scaling=None))

    def statistic_nbytes(self, n_features: int) -> int:
        return self.question.statistic_nbytes(self.stop - self.start)


@dataclass(frozen=True)
class Residuals(Checkpointable):
    """Replace the rows of a block by their differences from the nearest centroid.

    Parameters
    ----------
    centroids : ndarray of shape (k, d), float64, in the units of scaled rows
    """

    centroids: Float64Array

    def __call__(self, block: Block) -> Block:
        left = np.empty(block.values.shape, block.dtype)
        centroids, prepared = self.centroids.astype(block.dtype), self._prepared(block.dtype)
        for tile in block.tiles():
            labels, _ = prepared.nearest(tile.x)
            own = left[tile.start : tile.start + len(tile.x)]
            np.subtract(tile.x, centroids.take(labels, axis=0), out=own)
        return replace(block, values=left, scaling=None)

    @cached_property
    def _prepared(self) -> Prepared:
        return Prepared(self.centroids)

    def __reduce__(self) -> tuple[Any, ...]:
        return Residuals, (self.centroids,)


@dataclass(frozen=True)
class Codes(PerRow[Counted]):
    """Find the nearest codeword of every part of a row, or of its residual.

    Parameters
    ----------
    codebooks : ndarray of shape (m, k, d / m), float32
    dtype : unsigned dtype of the codes
    residuals : Residuals or None
    """

    codebooks: AnyArray
    dtype: np.dtype[Any]
    residuals: Residuals | None = None

    @property
    def width(self) -> int:
        return len(self.codebooks)

    @property
    def fill(self) -> int:
        return 0  # every row has a code

    def identity(self) -> Counted:
        return Counted()

    def __call__(self, block: Block) -> tuple[AnyArray, Counted]:
        block = block if self.residuals is None else self.residuals(block)
        out = np.empty((block.n_rows, self.width), self.dtype)
        size = self.codebooks.shape[2]
        for tile in block.tiles():
            squares = np.zeros(len(tile.x))
            own = out[tile.start : tile.start + len(tile.x)]
            for part, codewords in enumerate(self._prepared):
                x = tile.x[:, part * size : (part + 1) * size]
                codes, d2 = codewords(x.dtype).nearest(read_only(np.ascontiguousarray(x)))
                own[:, part] = codes
                squares += d2
            refuse_bad(block, tile.start, squares)
        return out, Counted(rows=block.n_rows)

    @cached_property
    def _prepared(self) -> tuple[Prepared, ...]:
        return tuple(Prepared(codewords) for codewords in self.codebooks.astype(np.float64))

    def __reduce__(self) -> tuple[Any, ...]:
        return Codes, (self.codebooks, self.dtype, self.residuals)
