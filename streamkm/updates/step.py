"""The record of one iteration, and a history as an array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.checkpointable import Checkpointable


@dataclass(frozen=True)
class Step(Checkpointable):
    """One Lloyd iteration.

    Parameters
    ----------
    inertia : of the centroids that entered it
    shift : sum of squared centroid moves it made
    empty : clusters that had no rows
    relocated : how many of those were moved to far rows
    read : whether it went over all rows, in the store or in blocks that stay in memory
    """

    inertia: float
    shift: float
    empty: int = 0
    relocated: int = 0
    read: bool = True


def history_array(steps: Sequence[Step]) -> AnyArray:
    """Steps as a structured array with the fields of `Step`."""
    kinds = [("inertia", "f8"), ("shift", "f8"), ("empty", "i8"), ("relocated", "i8")]
    kinds.append(("read", "?"))
    return np.array([astuple(step) for step in steps], dtype=kinds)
