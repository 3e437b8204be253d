"""Exact farthest-first traversal (Gonzalez, Theor. Comput. Sci. 38, 1985). It takes k reads."""

from __future__ import annotations

from dataclasses import dataclass

from streamkm.passes import DrawFarthest, DrawUniform
from streamkm.seeding.one_by_one import OneByOne
from streamkm.seeding.registry import register


@register(
    "farthest",
    summary="a random row, then repeatedly the row farthest from all chosen",
    reads=lambda k: k,
)
@dataclass(frozen=True)
class Farthest(OneByOne):
    """Draw a random row, then repeatedly the row farthest from all chosen rows."""

    def ask(self) -> DrawUniform | DrawFarthest:
        if not len(self.chosen):
            return DrawUniform(1, self.seed, 0)
        return DrawFarthest(1, self.chosen)
