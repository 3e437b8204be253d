"""k-means++ (Arthur and Vassilvitskii, SODA 2007), exact. One read a centroid."""

from __future__ import annotations

from dataclasses import dataclass

from streamkm.passes import DrawSquaredDistance, DrawUniform
from streamkm.seeding.one_by_one import OneByOne


@dataclass(frozen=True)
class KMeansPlusPlus(OneByOne):
    """Rows drawn one by one in proportion to their squared distance to those drawn before."""

    def ask(self) -> DrawUniform | DrawSquaredDistance:
        stream = len(self.chosen)
        if stream == 0:
            return DrawUniform(1, self.seed, stream)
        return DrawSquaredDistance(1, self.seed, stream, self.chosen)
