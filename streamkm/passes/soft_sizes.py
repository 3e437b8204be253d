"""Sizes of clusters that share every row, as a smooth function of the prices of the clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.passes.base import Pass, Statistic
from streamkm.rows import Block

_ENTRIES = 2**17  # numbers of a strip of rows, which stays in the cache
_PARTS = 2.0**20  # of a row; sums of whole parts have the same bits in any order


@dataclass(frozen=True, eq=False)
class Shares(Statistic):
    """Sums of the shares of rows.

    Parameters
    ----------
    sizes : ndarray of shape (k,), float64
    """

    sizes: Float64Array

    @classmethod
    def combine(cls, parts: Sequence[Self]) -> Self:
        return cls(np.add.reduce([part.sizes for part in parts]))


@dataclass(frozen=True)
class SoftSizes(Pass[Shares]):
    """Divide every row among the clusters by exp(-(squared distance + price) / temperature).

    Parameters
    ----------
    centroids : ndarray of shape (k, d), float64
    prices : ndarray of shape (k,), float64
    temperature : float, in squared data units; at zero a row would belong to one cluster
    """

    centroids: Float64Array
    prices: Float64Array
    temperature: float

    def identity(self) -> Shares:
        return Shares(np.zeros(len(self.centroids)))

    def __call__(self, block: Block) -> Shares:
        found = self.identity().sizes
        step = max(1, _ENTRIES // max(self.centroids.shape))
        for tile in block.tiles():
            for start in range(0, len(tile.x), step):
                x = tile.x[start : start + step] - self._origin
                # The squared length of a row has no influence on its shares.
                sums = (self._constants - 2 * (x @ self._moved.T)) / -self.temperature
                shares = np.exp(sums - sums.max(axis=1, keepdims=True))
                weights = tile.weights[start : start + step] / shares.sum(axis=1)
                found += weights @ shares
        return Shares(np.rint(found * _PARTS) / _PARTS)

    @cached_property
    def _origin(self) -> Float64Array:
        origin: Float64Array = self.centroids.mean(axis=0)
        return origin

    @cached_property
    def _moved(self) -> Float64Array:
        return self.centroids - self._origin

    @cached_property
    def _constants(self) -> Float64Array:
        constants: Float64Array = np.square(self._moved).sum(axis=1) + self.prices
        return constants
