"""Seeding by random rows (Forgy). One read."""

from __future__ import annotations

from dataclasses import dataclass

from streamkm.arrays import Float64Array
from streamkm.passes import DrawUniform, TopRows
from streamkm.seeding.base import Seeding, exactly_k
from streamkm.seeding.registry import register


@register("random", summary="k distinct rows, drawn by weight", reads=lambda k: 1)
@dataclass(frozen=True)
class RandomRows(Seeding):
    """Draw rows by weight without replacement; equal rows count once."""

    def ask(self) -> DrawUniform:
        return DrawUniform(self.k, self.seed, 0)

    def tell(self, statistic: TopRows) -> Float64Array:
        return exactly_k(statistic.values, self.k)
