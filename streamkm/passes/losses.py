"""Lloyd's step with the loss of each cluster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.passes.lloyd import Lloyd
from streamkm.passes.measured import Measured
from streamkm.rows import Block


class Spread(Measured):
    """Sums, counts and losses of the rows of each cluster."""

    @property
    def losses(self) -> Float64Array:
        """Sum of w * |x - c|**2 of each cluster, of shape (k,)."""
        return self.measured


@dataclass(frozen=True)
class Losses(Lloyd):
    """Lloyd's step with the loss of each cluster."""

    def identity(self) -> Spread:
        return Spread.from_assigned(super().identity(), np.zeros(len(self.centroids)))

    def __call__(self, block: Block) -> Spread:
        losses = np.zeros(len(self.centroids))
        return Spread.from_assigned(self.assign(block, losses=losses), losses)
