"""Lloyd's step that also says how much each cluster contributes to the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from streamkm.passes.lloyd import Assigned, Lloyd
from streamkm.rows import Block

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Spread(Assigned):
    """Rows gathered by their nearest centroid, with the loss of each cluster.

    Parameters
    ----------
    losses : ndarray of shape (k,), sums of w * |x - c|**2
    """

    losses: Array = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def of(cls, gathered: Assigned, losses: Array) -> Spread:
        return cls(gathered.sums, gathered.counts, gathered.loss, gathered.squares, losses)

    @classmethod
    def combine(cls, parts: Sequence[Assigned]) -> Spread:
        losses = [p.losses for p in parts if isinstance(p, Spread)]
        return cls.of(Assigned.combine(parts), np.sum(losses, axis=0))


@dataclass(frozen=True)
class Losses(Lloyd):
    """Lloyd's step with the loss of each cluster."""

    def identity(self) -> Spread:
        return Spread.of(super().identity(), np.zeros(len(self.centroids)))

    def __call__(self, block: Block) -> Spread:
        losses = np.zeros(len(self.centroids))
        return Spread.of(self.assign(block, losses=losses), losses)
