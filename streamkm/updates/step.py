"""The record of one iteration, and a history as an array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.checkpointable import Checkpointable


@dataclass(frozen=True)
class Step(Checkpointable):
    """One iteration.

    Parameters
    ----------
    inertia : loss of the centroids before the iteration, in squared data units
    shift : sum of the squared moves of the centroids, in squared data units
    empty : number of clusters without rows
    relocated : number of these clusters that were moved to far rows
    read : whether the iteration read all rows, from the store or from cached blocks
    """

    inertia: float
    shift: float
    empty: int = 0
    relocated: int = 0
    read: bool = True


def history_array(steps: Sequence[Step]) -> AnyArray:
    """Return steps as a structured array of shape (n,) with the fields of `Step`."""
    kinds = [("inertia", "f8"), ("shift", "f8"), ("empty", "i8"), ("relocated", "i8")]
    kinds.append(("read", "?"))
    return np.array([astuple(step) for step in steps], dtype=kinds)
