"""Farthest-first traversal, merged (Malkomes et al., NIPS 2015). One read."""

from __future__ import annotations

from dataclasses import dataclass

from streamkm.arrays import Float64Array
from streamkm.passes import FarthestFirst, Picked
from streamkm.seeding.base import Seeding, exactly_k


@dataclass(frozen=True)
class FarthestParallel(Seeding):
    """The k farthest-first rows of each block, and of all those the k farthest-first."""

    def ask(self) -> FarthestFirst:
        return FarthestFirst(self.k, self.seed, 0)

    def tell(self, statistic: Picked) -> Float64Array:
        return exactly_k(statistic.values, self.k)
