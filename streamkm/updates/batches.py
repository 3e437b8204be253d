"""Blocks of mini-batches, and a seeding method that reads some of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.checkpointable import Checkpointable
from streamkm.kernels import exponentials
from streamkm.passes import Census, Product, Products
from streamkm.seeding import Seeding, Task, method_of

# Random streams of block orders and of reassignments, distinct from those of seedings.
ORDERS, DRAWS = 2**62, 2**62 + 2**61


@dataclass(frozen=True)
class Batches(Checkpointable):
    """The blocks of the mini-batches; every epoch visits each block once in random order.

    Parameters
    ----------
    size : requested number of rows of a batch, or None for all rows
    seed : unsigned 64-bit key of the orders
    n_blocks, n_rows, block_rows : blocks and rows of the data, and rows of the largest block
    """

    size: int | None
    seed: int = 0
    n_blocks: int = 1
    n_rows: int = 1
    block_rows: int = 1

    @property
    def blocks_each(self) -> int:
        """Blocks of a batch; the last batch of an epoch may have fewer."""
        if self.size is None or self.size >= self.n_rows:
            return self.n_blocks
        return min(self.n_blocks, max(1, self.size // self.block_rows))

    @property
    def rows_each(self) -> int:
        """Rows of a batch; a batch with a block at an edge of the data has fewer."""
        return min(self.n_rows, self.blocks_each * self.block_rows)

    @property
    def per_epoch(self) -> int:
        """Batches of an epoch."""
        return math.ceil(self.n_blocks / self.blocks_each)

    def blocks(self, step: int) -> tuple[int, ...]:
        """Numbers of the blocks of a batch, ascending."""
        epoch, place = divmod(step, self.per_epoch)
        first = place * self.blocks_each
        order = _order(self.n_blocks, self.seed, epoch)
        return tuple(sorted(order[first : first + self.blocks_each]))


@lru_cache(maxsize=4)
def _order(n_blocks: int, seed: int, epoch: int) -> list[int]:
    keys = exponentials(np.arange(n_blocks), seed, ORDERS + epoch)
    order: list[int] = np.argsort(keys, kind="stable").tolist()
    return order


@dataclass(frozen=True)
class PartialSeeding(Seeding):
    """A seeding method that reads only some blocks of the data.

    If masks leave too few rows in these blocks, it starts again with twice as many blocks.

    Parameters
    ----------
    method : name of the method
    sample : maximum number of rows of a sample in memory
    n_rows : requested number of rows
    batches : Batches; their first blocks are read
    n_blocks : number of blocks that are read
    inner : state of the method
    """

    method: str
    sample: int
    n_rows: int
    batches: Batches
    n_blocks: int
    inner: Seeding

    @classmethod
    def on_blocks(cls, method: str, task: Task, n_rows: int, batches: Batches, n: int) -> Self:
        """Return the state before the first read of n blocks, for `n_rows` rows."""
        n = min(n, batches.n_blocks)
        n_rows_read = min(batches.n_rows, n * batches.block_rows)
        inner = method_of(method).start(replace(task, n_rows=n_rows_read))
        return cls(task.k, task.seed, method, task.sample, n_rows, batches, n, inner)

    @property
    def blocks(self) -> tuple[int, ...]:
        order = _order(self.batches.n_blocks, self.batches.seed, -1)
        return tuple(sorted(order[: self.n_blocks]))

    @property
    def working(self) -> str:
        return self.inner.working

    def advance(self) -> Seeding | Float64Array | None:
        then = self.inner.advance()
        return replace(self, inner=then) if isinstance(then, Seeding) else then

    def ask(self) -> Product:
        return Product((Census(), self.inner.ask()))

    def tell(self, statistic: Products) -> Seeding | Float64Array:
        census, answer = statistic.parts
        census.check_values()
        whole = self.n_blocks == self.batches.n_blocks
        if whole:
            census.check()
        if not whole and census.weighted < max(self.k, self.n_rows // 2):
            task = Task(self.k, self.seed, self.batches.n_rows, self.sample)
            return self.on_blocks(self.method, task, self.n_rows, self.batches, 2 * self.n_blocks)
        then = self.inner.tell(answer)
        return replace(self, inner=then) if isinstance(then, Seeding) else then
