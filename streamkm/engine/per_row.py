"""Per-row results: lazy, or written while the statistic of the same read is reduced."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from dask.base import tokenize

from streamkm.engine.fold import WAVE, folding, last
from streamkm.engine.folded import Folded, unbox
from streamkm.errors import DataError
from streamkm.passes import PerRow, Statistic
from streamkm.passes.base import S
from streamkm.rows import Block, DaskRows, Rows

if TYPE_CHECKING:
    import dask.array as da


def map_rows(question: PerRow[S], rows: Rows) -> da.Array:
    """Return per-row results as a lazy array with the shape and blocks of the rows.

    Parameters
    ----------
    question : PerRow
    rows : Rows

    Returns
    -------
    dask.array.Array of the row shape, with a last axis of length `width` for several results a row.
    """
    import dask.array as da  # takes half a second; needed for lazy results only

    rows = replace(rows.for_answers, weights=None)
    if isinstance(rows, DaskRows):
        name = f"streamkm-{tokenize(question, rows.array.name, rows.layout, rows.mask)}"
        return rows.answers(_Answers(question), name, question.dtype, question.width)
    name = f"streamkm-{uuid.uuid4().hex}"
    extra = () if question.width is None else ((question.width,),)
    graph, boxes = rows.graph(_Answers(question), name, range(rows.plan.n_blocks))
    for number, box in enumerate(boxes):
        place = (*rows.plan.index(number), *(0 for _ in extra))
        graph[(name, *place)] = (unbox, box)
    return da.Array(graph, name, (*rows.plan.chunks, *extra), dtype=question.dtype)


def write_rows(question: PerRow[S], rows: Rows, out: Any) -> S:
    """Write per-row results to `out` and return the statistic of the same rows, in one read.

    Parameters
    ----------
    question : PerRow
    rows : Rows
    out : zarr.Array or ndarray of the row shape (and width)
        Each task writes its own region of a Zarr array, whose chunks must lie within the blocks;
        an ndarray is filled in this process.
    """
    return cast(S, last(writing(question, rows, out, WAVE)).total())


def writing(
    question: PerRow[Any], rows: Rows, out: Any, wave: int, folded: Folded | None = None
) -> Iterator[Folded]:
    """Write per-row results wave by wave; yield the statistic of the rows written so far.

    Parameters
    ----------
    question, rows, out : as for `write_rows`
    wave : number of blocks of one graph
    folded : an earlier value of the same read, from which to resume
    """
    rows = rows.for_answers
    if isinstance(out, np.ndarray):
        gathered = last(folding(_Gather(question), rows, wave)).total()
        for region, values in gathered.pieces:
            out[region] = values
        yield Folded(rows.plan.n_blocks, ((gathered.statistic,),))
        return
    steps = (out.shards or out.chunks)[: len(rows.plan.edges)]
    if not rows.plan.is_aligned(steps):
        raise DataError(
            f"the chunks or shards of the output ({steps}) do not divide the blocks that are read "
            f"({tuple(c[0] for c in rows.plan.chunks)}), so two tasks would write the same chunk. "
            "Let streamkm create the array, or give one whose chunks divide the blocks."
        )
    yield from folding(_Write(question, out), rows, wave, folded)


@dataclass(frozen=True)
class _Answers:
    """Compute a pass's per-row results in the block's shape, without the statistic."""

    question: PerRow[Any]

    def __call__(self, block: Block) -> Any:
        return block.filled(self.question(block)[0], self.question.fill)


@dataclass(frozen=True)
class _Write:
    """Write the results of a block to its region of a store; return the statistic."""

    question: PerRow[Any]
    out: Any

    def identity(self) -> Any:
        return self.question.identity()

    def statistic_nbytes(self, n_features: int) -> int:
        return self.question.statistic_nbytes(n_features)

    def __call__(self, block: Block) -> Any:
        values, statistic = self.question(block)
        self.out[_region(block)] = block.filled(values, self.question.fill)
        return statistic


@dataclass(frozen=True)
class _Gathered(Statistic):
    """Results of several blocks, for results in memory."""

    pieces: tuple[tuple[tuple[slice, ...], Any], ...]
    statistic: Statistic

    @classmethod
    def combine(cls, parts: Sequence[_Gathered]) -> _Gathered:
        kind = type(parts[0].statistic)
        pieces = tuple(piece for part in parts for piece in part.pieces)
        return cls(pieces, kind.combine([part.statistic for part in parts]))


@dataclass(frozen=True)
class _Gather:
    question: PerRow[Any]

    def identity(self) -> _Gathered:
        return _Gathered((), self.question.identity())

    def statistic_nbytes(self, n_features: int) -> int:
        return self.question.statistic_nbytes(n_features)

    def __call__(self, block: Block) -> _Gathered:
        values, statistic = self.question(block)
        return _Gathered(((_region(block), block.filled(values, self.question.fill)),), statistic)


def _region(block: Block) -> tuple[slice, ...]:
    return tuple(slice(o, o + n) for o, n in zip(block.origin, block.shape, strict=True))
