"""Farthest-first traversal of each block, merged (Malkomes et al., NIPS 2015). One read."""

from __future__ import annotations

from dataclasses import dataclass

from streamkm.arrays import Float64Array
from streamkm.passes import FarthestFirst, Picked
from streamkm.seeding.base import Seeding, exactly_k
from streamkm.seeding.registry import register


@register(
    "farthest||",
    summary="farthest-first within each block, and again among the rows that the blocks chose; the "
    "one method whose result depends on the blocks",
    reads=lambda k: 1,
)
@dataclass(frozen=True)
class FarthestParallel(Seeding):
    """Choose k rows of each block by farthest-first traversal, then k of all those."""

    def ask(self) -> FarthestFirst:
        return FarthestFirst(self.k, self.seed, 0)

    def tell(self, statistic: Picked) -> Float64Array:
        return exactly_k(statistic.values, self.k)
