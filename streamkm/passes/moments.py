"""Mean and standard deviation of every feature, in one read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.passes.base import Pass, Statistic
from streamkm.rows import Block


@dataclass(frozen=True)
class Moments(Statistic):
    """Weight, means and squared deviations of the features.

    Parts are combined by the rule of Chan, Golub and LeVeque (COMPSTAT 1982), which does not lose
    digits where the mean is far from zero.

    Parameters
    ----------
    weight : float, sum of the weights of all rows
    means : ndarray of shape (d,)
    deviations : ndarray of shape (d,), weighted sums of squared deviations from the means
    """

    weight: float
    means: Float64Array
    deviations: Float64Array

    @classmethod
    def combine(cls, parts: Sequence[Moments]) -> Moments:
        some = [part for part in parts if part.weight > 0]
        return reduce(cls._joined, some) if some else parts[0]

    def _joined(self, other: Moments) -> Moments:
        weight = self.weight + other.weight
        apart, share = other.means - self.means, other.weight / weight
        between = apart * apart * self.weight * share
        return Moments(
            weight, self.means + apart * share, self.deviations + other.deviations + between
        )

    @property
    def scale(self) -> Float64Array:
        """Standard deviations (d,) with divisor n; 1 for constant features."""
        deviation = np.sqrt(self.deviations / self.weight)
        constant = deviation <= 8 * np.finfo(np.float64).eps * np.abs(self.means)
        return np.where(constant, 1.0, deviation)


@dataclass(frozen=True)
class FeatureMoments(Pass[Moments]):
    """Gather the moments of the features."""

    def identity(self) -> Moments:
        return Moments(0.0, np.zeros(0), np.zeros(0))

    def __call__(self, block: Block) -> Moments:
        parts = [self.identity()]
        for tile in block.tiles():
            weight = float(tile.weights.sum())
            if weight > 0:
                x = tile.x.astype(np.float64)
                means = tile.weights @ x / weight
                x -= means
                parts.append(Moments(weight, means, tile.weights @ np.square(x, out=x)))
        return Moments.combine(parts)
