"""Blocks that are the items of a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import call as call_on
from typing import Any


@dataclass(frozen=True)
class Listed:
    """Items to read, in order; a pass is called on each item.

    Parameters
    ----------
    pieces : picklable items; not tuples, lists or dicts, which Dask would traverse
    """

    pieces: Sequence[Any]

    block_map = None
    ahead = 0
    cached = False

    @property
    def n_blocks(self) -> int:
        return len(self.pieces)

    def graph(
        self, call: Callable[[Any], Any], name: str, numbers: Sequence[int]
    ) -> tuple[dict[Any, Any], list[Any]]:
        """Return tasks that call `call` on the pieces of these numbers, and their keys."""
        question = f"{name}-pass"
        graph: dict[Any, Any] = {question: call}
        keys: list[Any] = [(f"{name}-block", number) for number in numbers]
        for key in keys:
            graph[key] = (call_on, question, self.pieces[key[1]])
        return graph, keys
