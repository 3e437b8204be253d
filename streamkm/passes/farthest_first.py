"""Farthest-first traversal in one read: k rows of every block, and of theirs k again in the tree.

Every row is then within 2 (l + 1) times the best possible radius of a chosen one, l the levels of
the tree (Malkomes et al., NIPS 2015, for one level; in sequence, Gonzalez 1985, within twice). Seen
here: within twice what the sequence finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamkm.kernels import exponentials, squared_distances
from streamkm.passes.base import Pass, Statistic
from streamkm.rows import Block

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Picked(Statistic):
    """Rows far from each other, the first of them the one of the smallest key.

    Merging picks again, so the tree decides which rows are left: the same plan gives the same rows,
    another plan may give others.

    Parameters
    ----------
    most : int
    key : float, of the first row
    values : ndarray of shape (m, d), float64
    """

    most: int
    key: float
    values: Array

    @classmethod
    def combine(cls, parts: Sequence[Picked]) -> Picked:
        parts = sorted((p for p in parts if len(p.values)), key=lambda p: p.key)
        if len(parts) < 2:
            return parts[0] if parts else cls(0, np.inf, np.empty((0, 0)))
        values = np.concatenate([p.values for p in parts])
        far = _traverse([values], parts[0].most)
        return cls(parts[0].most, parts[0].key, far)


@dataclass(frozen=True)
class FarthestFirst(Pass[Picked]):
    """Pick up to `most` rows of positive weight, each the farthest from those before.

    The first is a random one by weight, keyed by the row number.
    """

    most: int
    seed: int
    stream: int

    def identity(self) -> Picked:
        return Picked(0, np.inf, np.empty((0, 0)))

    def __call__(self, block: Block) -> Picked:
        tiles, first, key = [], None, np.inf
        for tile in block.tiles():
            weighted = np.flatnonzero(tile.weights > 0)
            if not weighted.size:
                continue
            numbers = block.row_numbers(tile.start, tile.start + len(tile.x))[weighted]
            keys = exponentials(numbers, self.seed, self.stream) / tile.weights[weighted]
            x = tile.x[weighted] if len(weighted) < len(tile.x) else tile.x
            at = int(keys.argmin())
            if keys[at] < key:
                first, key = x[at : at + 1].astype(np.float64), float(keys[at])
            tiles.append(x)
        if first is None:
            return self.identity()
        return Picked(self.most, key, _traverse(tiles, self.most, first))


def _traverse(
    tiles: Sequence[npt.NDArray[np.floating]], most: int, first: Array | None = None
) -> Array:
    """Gonzalez's traversal of the tiles' rows from `first`, or from their first row."""
    chosen = tiles[0][:1].astype(np.float64) if first is None else first
    apart = [np.full(len(x), np.inf) for x in tiles]
    while True:
        best, where = 0.0, None
        for number, x in enumerate(tiles):
            np.minimum(apart[number], squared_distances(x, chosen[-1:])[:, 0], out=apart[number])
            at = int(apart[number].argmax())
            if apart[number][at] > best:
                best, where = float(apart[number][at]), x[at : at + 1]
        if where is None or len(chosen) == most:
            return chosen
        chosen = np.concatenate([chosen, where.astype(np.float64)])
