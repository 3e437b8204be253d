"""Mean and standard deviation of every feature, in one read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.passes.base import Pass, Statistic
from streamkm.rows import Block, Tile


@dataclass(frozen=True)
class Moments(Statistic):
    """Weight, means and squared deviations of the features.

    Parts are combined by the rule of Chan, Golub and LeVeque (COMPSTAT 1982), which does not lose
    digits where the mean is far from zero.

    Parameters
    ----------
    weight : float, sum of the weights of all rows; ndarray of shape (d,), of the rows that have a
        value of each feature, for rows with gaps
    means : ndarray of shape (d,)
    deviations : ndarray of shape (d,), weighted sums of squared deviations from the means
    """

    weight: float | Float64Array
    means: Float64Array
    deviations: Float64Array

    @classmethod
    def combine(cls, parts: Sequence[Moments]) -> Moments:
        some = [part for part in parts if np.any(part.weight > 0)]
        return reduce(cls._joined, some) if some else parts[0]

    def _joined(self, other: Moments) -> Moments:
        weight = self.weight + other.weight
        apart, share = other.means - self.means, other.weight / _divisor(weight)
        between = apart * apart * self.weight * share
        return Moments(
            weight, self.means + apart * share, self.deviations + other.deviations + between
        )

    @property
    def scale(self) -> Float64Array:
        """Standard deviations (d,) with divisor n; 1 for constant features."""
        deviation = np.sqrt(self.deviations / _divisor(self.weight))
        constant = deviation <= 8 * np.finfo(np.float64).eps * np.abs(self.means)
        return np.where(constant, 1.0, deviation)


def _divisor(weight: float | Float64Array) -> float | Float64Array:
    """Return a weight, with 1 for features without values."""
    return np.where(weight > 0, weight, 1.0) if isinstance(weight, np.ndarray) else weight


@dataclass(frozen=True)
class FeatureMoments(Pass[Moments]):
    """Gather the moments of the features, of observed values if rows have gaps."""

    def identity(self) -> Moments:
        return Moments(0.0, np.zeros(0), np.zeros(0))

    def __call__(self, block: Block) -> Moments:
        parts = [self.identity()]
        for tile in block.tiles():
            if block.gaps:
                parts.append(_of_observed(tile))
                continue
            weight = float(tile.weights.sum())
            if weight > 0:
                x = tile.x.astype(np.float64)
                means = tile.weights @ x / weight
                x -= means
                parts.append(Moments(weight, means, tile.weights @ np.square(x, out=x)))
        return Moments.combine(parts)


def _of_observed(tile: Tile) -> Moments:
    """The moments of the observed values of a tile."""
    seen = ~np.isnan(tile.x)
    weight = tile.weights @ seen
    x = np.where(seen, tile.x, 0).astype(np.float64)
    means = tile.weights @ x / _divisor(weight)
    apart = np.where(seen, x - means, 0)
    return Moments(weight, means, tile.weights @ np.square(apart, out=apart))
