"""Per-row answers: lazy, or written where they belong while the same read is folded."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from dask.base import tokenize

from streamkm.engine.fold import WAVE, Folded, folding, last, unbox
from streamkm.errors import DataError
from streamkm.passes import PerRow, Statistic
from streamkm.passes.base import S
from streamkm.rows import Block, DaskRows, Rows

if TYPE_CHECKING:
    import dask.array as da


def map_rows(question: PerRow[S], rows: Rows) -> da.Array:
    """Per-row answers as a lazy array in the shape and blocks of the rows; a read when computed.

    Parameters
    ----------
    question : PerRow
    rows : Rows

    Returns
    -------
    dask.array.Array of the row shape, and (width,) last where the pass gives several a row.
    """
    import dask.array as da  # half a second, which nothing but a lazy answer needs

    rows = replace(rows, weights=None)
    if isinstance(rows, DaskRows):
        name = f"streamkm-{tokenize(question, rows.array.name, rows.layout, rows.mask)}"
        return rows.answers(_Answers(question), name, question.dtype, question.width)
    name = f"streamkm-{uuid.uuid4().hex}"
    extra = () if question.width is None else ((question.width,),)
    graph, boxes = rows.graph(_Answers(question), name, 0, rows.plan.n_blocks)
    for number, box in enumerate(boxes):
        place = (*rows.plan.index(number), *(0 for _ in extra))
        graph[(name, *place)] = (unbox, box)
    return da.Array(graph, name, (*rows.plan.chunks, *extra), dtype=question.dtype)


def write_rows(question: PerRow[S], rows: Rows, out: Any) -> S:
    """Per-row answers into `out`, and the statistic of the same rows: one read for both.

    Parameters
    ----------
    question : PerRow
    rows : Rows
    out : zarr.Array or ndarray of the row shape (and width)
        Each task writes its own region of a Zarr array, whose chunks must lie within the blocks;
        an ndarray is filled here.
    """
    return cast(S, last(writing(question, rows, out, WAVE)).total())


def writing(
    question: PerRow[Any], rows: Rows, out: Any, wave: int, folded: Folded | None = None
) -> Iterator[Folded]:
    """The same, wave by wave: the statistic folded so far, whose rows' answers are in `out`.

    Parameters
    ----------
    question, rows, out : as for `write_rows`
    wave : blocks of one graph
    folded : an earlier one of the same read, to go on from
    """
    if isinstance(out, np.ndarray):
        gathered = last(folding(_Gather(question), rows, wave)).total()
        for region, values in gathered.pieces:
            out[region] = values
        yield Folded(rows.plan.n_blocks, ((gathered.statistic,),))
        return
    steps = (out.shards or out.chunks)[: len(rows.plan.edges)]
    if not rows.plan.is_aligned(steps):
        raise DataError(
            f"the output's chunks or shards ({steps}) do not lie within the blocks that are read "
            f"(of {tuple(c[0] for c in rows.plan.chunks)}), so two tasks would write one of them; "
            "let streamkm create the array, or give one whose chunks divide the blocks."
        )
    yield from folding(_Write(question, out), rows, wave, folded)


@dataclass(frozen=True)
class _Answers:
    """A pass's per-row answers in the block's shape, without the statistic."""

    question: PerRow[Any]

    def __call__(self, block: Block) -> Any:
        return block.filled(self.question(block)[0], self.question.fill)


@dataclass(frozen=True)
class _Write:
    """Write the answers of a block to its own region of a store; keep the statistic."""

    question: PerRow[Any]
    out: Any

    def __call__(self, block: Block) -> Any:
        values, statistic = self.question(block)
        self.out[_region(block)] = block.filled(values, self.question.fill)
        return statistic


@dataclass(frozen=True)
class _Gathered(Statistic):
    """Answers of several blocks, for results that lie in memory like their data."""

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

    def __call__(self, block: Block) -> _Gathered:
        values, statistic = self.question(block)
        return _Gathered(((_region(block), block.filled(values, self.question.fill)),), statistic)


def _region(block: Block) -> tuple[slice, ...]:
    return tuple(slice(o, o + n) for o, n in zip(block.origin, block.shape, strict=True))
