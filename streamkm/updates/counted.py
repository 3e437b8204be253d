"""Lloyd's iterations whose states tell the sizes of the clusters, to be shown one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.passes import Assigned, TopRows
from streamkm.updates.accelerated import AcceleratedState, AcceleratedUpdate


@dataclass(frozen=True)
class CountedState(AcceleratedState):
    """State of Lloyd's iterations with the sizes of the clusters.

    Parameters
    ----------
    counts : ndarray of shape (k,), float64, weight of the rows of each cluster before the last
        move, or None before the first one
    """

    counts: Float64Array | None = None


@dataclass(frozen=True)
class CountedUpdate(AcceleratedUpdate):
    """The iterations of `AcceleratedUpdate`, with the same bits."""

    def init(self, centroids: Float64Array) -> CountedState:
        return CountedState(centroids)

    def _move(
        self, state: Any, assigned: Assigned, read: bool, far: TopRows | None = None
    ) -> CountedState:
        moved: Any = super()._move(state, assigned, read, far)
        counted: CountedState = replace(moved, counts=assigned.counts.astype(np.float64))
        return counted
