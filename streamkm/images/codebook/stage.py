"""The first read of a stage of a codebook, and rows as residuals of the earlier stages."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from streamkm.engine import map_reduce
from streamkm.images.codebook.codebook import Codebook
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
from streamkm.rows import Block, Room, Rows


@dataclass(frozen=True)
class FirstRead:
    """Result of the first read of a stage.

    Parameters
    ----------
    table : Table
        The distinct rows, complete if they are few.
    sample : Sampled
    distortion : float
        Mean square of the values that the earlier stages leave, in squared pixel units.
    """

    table: Table
    sample: Sampled
    distortion: float


@dataclass(frozen=True)
class _Residual:
    """Replaces the rows of a block by their residuals: integers, whose sums are exact."""

    codebook: Codebook

    def __call__(self, block: Block) -> Block:
        return replace(block, values=self.codebook.residuals(block.values))


def residual_rows(rows: Rows, codebook: Codebook) -> Rows:
    """Rows whose blocks are replaced by their residuals."""
    return replace(rows, layout=replace(rows.layout, block_map=_Residual(codebook)))


def first_read(rows: Rows, room: Room, seed: int, stage: int) -> FirstRead:
    """Read the rows once before a stage."""
    n, d = rows.layout.n_rows, rows.layout.n_features
    origin = np.zeros((1, d))
    sample = SampleUniform(room.sample, threshold_of(room.sample / n), seed, stage)
    question = Product((Census(), Distinct(room.table), sample, Lloyd(origin)))
    census, table, sampled_rows, about_origin = map_reduce(question, rows).parts
    census.check()
    distortion = about_origin.inertia(origin) / (about_origin.weight * d)
    return FirstRead(table, sampled_rows, distortion)
