"""Centroids that stay as they are, beside which a stream finds new clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.kernels import Prepared
from streamkm.passes import Statistic
from streamkm.rows import Block
from streamkm.streaming.totals import total_of


def _no_centroids() -> Float64Array:
    return np.empty((0, 0))


@dataclass(frozen=True)
class Frozen(Statistic):
    """Frozen centroids, and the rows that are near them: no farther than `radius` from one.

    Parameters
    ----------
    centroids : ndarray of shape (f, d), float64; none if a stream has no frozen centroids
    radius : float, distance in units of the data
    counts : ndarray of shape (f,), float64, weight of the near rows of each centroid
    inertia : float, loss of the near rows
    """

    centroids: Float64Array = field(default_factory=_no_centroids)
    radius: float = 0.0
    counts: Float64Array = field(default_factory=lambda: np.empty(0))
    inertia: float = 0.0

    @classmethod
    def beginning(cls, centroids: Float64Array, radius: float) -> Frozen:
        """Return the centroids (f, d) without any rows."""
        return cls(centroids, radius, np.zeros(len(centroids)))

    @classmethod
    def combine(cls, parts: Sequence[Frozen]) -> Frozen:
        return replace(
            parts[0],
            counts=np.array(
                [total_of(own) for own in zip(*(p.counts for p in parts), strict=True)]
            ),
            inertia=total_of(p.inertia for p in parts),
        )

    @property
    def is_active(self) -> bool:
        """Whether there are frozen centroids."""
        return len(self.centroids) > 0

    @property
    def identity(self) -> Frozen:
        """The same centroids without any rows."""
        return self.beginning(self.centroids, self.radius)

    def is_same(self, other: Frozen) -> bool:
        """Return whether the centroids and the radius are those of another stream."""
        return self.radius == other.radius and np.array_equal(self.centroids, other.centroids)

    def with_features(self, order: Sequence[int]) -> Frozen:
        """Return the centroids with their features in another order."""
        return replace(self, centroids=self.centroids[:, list(order)]) if self.is_active else self

    def divided(self, block: Block, prepared: Prepared) -> tuple[Frozen, Block]:
        """Return the near rows of a block, counted, and the block of its other rows.

        `prepared` are the centroids, which are prepared once for all blocks.
        """
        k, centroids = len(self.centroids), prepared(block.dtype)
        counts, losses, far = np.zeros(k), np.zeros(k), np.empty(block.n_rows, bool)
        for tile in block.tiles():
            labels, d2 = centroids.nearest(tile.x)
            away = d2 > self.radius**2
            weights = np.where(away, 0.0, tile.weights)
            counts += np.bincount(labels, weights, minlength=k)
            losses += np.bincount(labels, weights * np.where(away, 0.0, d2), minlength=k)
            far[tile.start : tile.start + len(away)] = away
        return replace(self, counts=counts, inertia=float(losses.sum())), block.where(far)
