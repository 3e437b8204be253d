"""The blocks of a read, and the part of a read that is folded so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from streamkm.checkpointable import Checkpointable
from streamkm.passes import Statistic

FAN_IN = 8


class Blocks(Protocol):
    """The numbered blocks of a read: rows of an array, or items of a list."""

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""

    @property
    def block_map(self) -> Callable[[Any], Any] | None:
        """The function applied to every block once it is read, or None."""

    @property
    def ahead(self) -> int:
        """Number of blocks that threads may read while the cores compute others."""

    @property
    def cached(self) -> bool:
        """Whether every block is in memory."""

    def graph(
        self, call: Callable[[Any], Any], name: str, numbers: Sequence[int]
    ) -> tuple[dict[Any, Any], list[Any]]:
        """Return tasks that call `call` on the blocks of these numbers, and their keys."""


@dataclass(frozen=True)
class Folded(Checkpointable):
    """Partial result of a read: the nodes of the tree that are not combined yet.

    Parameters
    ----------
    n_blocks : number of folded blocks, from the start of the plan or of the requested sequence
    levels : nodes of each level of the tree, at most seven, each of 8**level blocks
    """

    n_blocks: int = 0
    levels: tuple[tuple[Any, ...], ...] = ()

    def plus(self, node: Statistic, level: int, n_blocks: int) -> Folded:
        """Return the result with one more node of a level, after which it has `n_blocks`."""
        levels = [list(nodes) for nodes in self.levels]
        levels += [[] for _ in range(level + 1 - len(levels))]
        levels[level].append(node)
        while len(levels[level]) == FAN_IN:
            full, levels[level] = levels[level], []
            level += 1
            if level == len(levels):
                levels.append([])
            levels[level].append(type(node).combine(full))
        return Folded(n_blocks, tuple(map(tuple, levels)))

    def then(self, statistic: Statistic, n_blocks: int) -> Folded:
        """Return the result with the next blocks added in order, after which it has `n_blocks`."""
        total = type(statistic).combine([self.total(), statistic])
        return Folded(n_blocks, ((total,),))

    def total(self) -> Any:
        """The statistic of all blocks so far."""
        rest: list[Any] = []
        for level in self.levels:
            waiting = [*level, *rest]
            rest = [type(waiting[0]).combine(waiting)] if len(waiting) > 1 else waiting
        return rest[0]


def combined(parts: list[Any]) -> Any:
    """Return the statistic of all parts."""
    statistics = [unbox(part) for part in parts]
    return type(statistics[0]).combine(statistics)


def unbox(value: Any) -> Any:
    """Return the content of a 0-d object array, in which a Dask array holds a statistic."""
    return value.flat[0] if isinstance(value, np.ndarray) and value.dtype == object else value
