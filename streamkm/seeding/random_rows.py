"""Forgy's seeding: k distinct rows at random. One read."""

from __future__ import annotations

from dataclasses import dataclass

from streamkm.arrays import Float64Array
from streamkm.passes import DrawUniform, TopRows
from streamkm.seeding.base import Seeding, exactly_k


@dataclass(frozen=True)
class RandomRows(Seeding):
    """Rows drawn by weight without replacement, equal rows counted once."""

    def ask(self) -> DrawUniform:
        return DrawUniform(self.k, self.seed, 0)

    def tell(self, statistic: TopRows) -> Float64Array:
        return exactly_k(statistic.values, self.k)
