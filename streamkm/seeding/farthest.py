"""Farthest-first traversal (Gonzalez, Theor. Comput. Sci. 38, 1985), exact. One read a centroid."""

from __future__ import annotations

from dataclasses import dataclass

from streamkm.passes import DrawFarthest, DrawUniform
from streamkm.seeding.one_by_one import OneByOne


@dataclass(frozen=True)
class Farthest(OneByOne):
    """A random row, then again and again the row farthest from all chosen."""

    def ask(self) -> DrawUniform | DrawFarthest:
        if not len(self.chosen):
            return DrawUniform(1, self.seed, 0)
        return DrawFarthest(1, self.chosen)
