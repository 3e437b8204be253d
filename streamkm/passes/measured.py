"""A number for each cluster beside what Lloyd's step gathers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.passes.lloyd import Assigned


@dataclass(frozen=True)
class Measured(Assigned):
    """Rows gathered by their nearest centroid, with a sum over the rows of each cluster.

    Parameters
    ----------
    measured : ndarray of shape (k,); a subclass says of what
    """

    measured: Float64Array = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def of(cls, gathered: Assigned, measured: Float64Array) -> Self:
        return cls(gathered.sums, gathered.counts, gathered.loss, gathered.squares, measured)

    @classmethod
    def combine(cls, parts: Sequence[Assigned]) -> Self:
        measured = [p.measured for p in parts if isinstance(p, Measured)]
        return cls.of(Assigned.combine(parts), np.sum(measured, axis=0))
