"""Base class of rows of an array, with its layout, block plan, weights and mask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streamkm.rows.block import Block
from streamkm.rows.layout import Layout
from streamkm.rows.plan import BlockPlan
from streamkm.rows.variables import Variables


@dataclass(frozen=True)
class ArrayRows:
    """Rows of an array; the subclasses document the parameters."""

    array: Any
    layout: Layout
    plan: BlockPlan
    weights: Any = None
    mask: Any = None
    opening_reads: int = 0

    @property
    def n_blocks(self) -> int:
        return self.plan.n_blocks

    @property
    def block_map(self) -> Callable[[Block], Block] | None:
        """The function applied to every block once it is read, or None."""
        return self.layout.block_map

    def uncached(self, numbers: tuple[int, ...] | None) -> tuple[int, ...] | None:
        """Of blocks of these numbers those that are not in memory; None for all blocks."""
        return numbers

    @property
    def sources(self) -> tuple[Any, ...]:
        """Every array that is read: those of the features, the weights, and the mask."""
        several = isinstance(self.array, Variables)
        return (*(self.array.arrays if several else (self.array,)), *self.beside)

    @property
    def beside(self) -> tuple[Any, ...]:
        """The weights and the mask, if given."""
        return tuple(a for a in (self.weights, self.mask) if a is not None)
