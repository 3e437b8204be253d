"""Exact k-means++ (Arthur and Vassilvitskii, SODA 2007). It takes k reads."""

from __future__ import annotations

from dataclasses import dataclass

from streamkm.passes import DrawSquaredDistance, DrawUniform
from streamkm.seeding.one_by_one import OneByOne
from streamkm.seeding.registry import register


@register(
    "k-means++", summary="exact D² sampling, one row a read; plain, not greedy", reads=lambda k: k
)
@dataclass(frozen=True)
class KMeansPlusPlus(OneByOne):
    """Draw each row in proportion to its squared distance to the rows drawn before."""

    def ask(self) -> DrawUniform | DrawSquaredDistance:
        stream = len(self.chosen)
        if stream == 0:
            return DrawUniform(1, self.seed, stream)
        return DrawSquaredDistance(1, self.seed, stream, self.chosen)
