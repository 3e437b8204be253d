"""Farthest-first traversal in one read: k rows of every tile, then k of these rows up the tree.

Every row is within 2 (l + 1) times the optimal radius of a chosen row, where l is the number of
merging levels (Malkomes et al., NIPS 2015, for one level; Gonzalez 1985 proves 2 times for the
sequential traversal). Measured radii are within twice those of the sequential traversal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamkm.arrays import Float64Array, FloatArray
from streamkm.kernels import exponentials, squared_distances
from streamkm.passes.base import Pass, Statistic
from streamkm.rows import Block, read_only


@dataclass(frozen=True)
class Picked(Statistic):
    """Rows far from each other; the first row has the smallest key.

    Merging selects among the rows of the parts, so the result depends on the tree: the same block
    plan gives the same rows, another plan may give others.

    Parameters
    ----------
    most : int, maximum number of rows
    key : float, of the first row
    values : ndarray of shape (m, d), float64
    """

    most: int
    key: float
    values: Float64Array

    @classmethod
    def combine(cls, parts: Sequence[Picked]) -> Picked:
        parts = sorted((p for p in parts if len(p.values)), key=lambda p: p.key)
        if len(parts) < 2:
            return parts[0] if parts else cls(0, np.inf, np.empty((0, 0)))
        values = np.concatenate([p.values for p in parts])
        return cls(parts[0].most, parts[0].key, _traverse(values, parts[0].most, 0))


@dataclass(frozen=True)
class FarthestFirst(Pass[Picked]):
    """Select up to `most` rows of positive weight, each the farthest from the rows before it.

    The first row is random, drawn by weight, keyed by the row number.
    """

    most: int
    seed: int
    stream: int

    def identity(self) -> Picked:
        return Picked(0, np.inf, np.empty((0, 0)))

    def __call__(self, block: Block) -> Picked:
        picked = [self.identity()]
        for tile in block.tiles():
            weighted = np.flatnonzero(tile.weights > 0)
            if not weighted.size:
                continue
            numbers = block.row_numbers(tile.start, tile.start + len(tile.x))[weighted]
            keys = exponentials(numbers, self.seed, self.stream) / tile.weights[weighted]
            first = int(keys.argmin())
            x = read_only(tile.x[weighted]) if len(weighted) < len(tile.x) else tile.x
            picked.append(Picked(self.most, float(keys[first]), _traverse(x, self.most, first)))
        return Picked.combine(picked)


def _traverse(x: FloatArray, most: int, first: int) -> Float64Array:
    """Traverse rows (n, d) from one of them by Gonzalez's algorithm."""
    chosen = [first]
    apart = np.full(len(x), np.inf)
    while len(chosen) < most:
        last = x[chosen[-1:]].astype(np.float64)
        np.minimum(apart, squared_distances(x, last)[:, 0], out=apart)
        chosen.append(int(apart.argmax()))
        if not apart[chosen[-1]] > 0:
            return x[chosen[:-1]].astype(np.float64)
    return x[chosen].astype(np.float64)
