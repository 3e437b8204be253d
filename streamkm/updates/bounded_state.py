"""The state of k-means with bounded sizes, and the check of the bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from streamkm.arrays import Float64Array, Int32Array
from streamkm.errors import DataError
from streamkm.in_memory.bounded_steps import BoundedSteps
from streamkm.updates.base import UpdateState


@dataclass(frozen=True)
class BoundedState(UpdateState):
    """State of bounded k-means.

    Parameters
    ----------
    prices : ndarray of shape (k,), float64, prices of the centroids
    sample : ndarray of shape (m, d), rows that determine prices, or None before the first read
    n_rows : number of rows that are not left out, if the first sample was too small for them
    steps : BoundedSteps, k-means on the sample while it runs, or None
    began : whether the centroids have converged on the sample
    trial : ndarray of shape (k,), prices of the next rounding read, or None for `prices`
    n_roundings : number of rounding reads so far
    growth, surplus : length of the next step of `trial`, and rows beyond the bounds before it
    numbers, labels : ndarray of shape (m,), rows whose final label `trial` does not determine
    unbounded_inertia : loss of the final centroids if every row were in its nearest cluster, or
        None until it is known
    """

    prices: Float64Array = field(default_factory=lambda: np.empty(0))
    sample: Any = None
    n_rows: int | None = None
    steps: BoundedSteps | None = None
    began: bool = False
    trial: Float64Array | None = None
    n_roundings: int = 0
    growth: float = 0.5
    surplus: int = 0
    numbers: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    labels: Int32Array = field(default_factory=lambda: np.empty(0, np.int32))
    unbounded_inertia: float | None = None

    @property
    def note(self) -> str:
        if self.sample is None:
            return ""
        if not self.history:
            return "prices of the size bounds from a sample"
        if self.n_roundings and self.inertia is None:
            return "prices of the size bounds corrected"
        return ""

    @property
    def working(self) -> str:
        return "" if self.steps is None else self.steps.working

    @property
    def evaluating(self) -> bool:
        """False: the loss of the final centroids comes from the rounding reads, not from labels."""
        return False

    def reordered(self, order: npt.NDArray[np.intp]) -> Self:
        trial = None if self.trial is None else self.trial[order]
        labels = np.argsort(order).astype(np.int32)[self.labels]
        state = replace(self, prices=self.prices[order], trial=trial, labels=labels)
        return super(BoundedState, state).reordered(order)


def check_sizes(k: int, n_rows: int, min_size: int | None, max_size: int | None) -> None:
    """Refuse bounds of sizes that k clusters of `n_rows` rows cannot have.

    Raises
    ------
    DataError
    """
    if max_size is not None and k * max_size < n_rows:
        raise DataError(
            f"{k:,} clusters of at most {max_size:,} rows hold {k * max_size:,} rows, but there "
            f"are {n_rows:,}. Use a maximum size of at least {math.ceil(n_rows / k):,}, or more "
            "clusters."
        )
    if min_size is not None and k * min_size > n_rows:
        raise DataError(
            f"{k:,} clusters of at least {min_size:,} rows need {k * min_size:,} rows, but there "
            f"are {n_rows:,}. Use a minimum size of at most {n_rows // k:,}, or fewer clusters."
        )


def not_bounded(n_reads: int, n_kept: int, width: int, reach: float) -> DataError:
    """The error for sizes that rounding reads could not bound."""
    why = (
        "too many rows are equally near to two clusters, as repeated rows are, for the "
        f"{n_kept:,} rows that fit in memory. Widen the bounds, or raise the memory "
        "limit."
    )
    if reach == np.inf:  # all rows are in memory
        why = (
            "they are too far from the sizes without bounds for the nearest "
            f"{width} clusters of each row. Widen the bounds, or fit fewer "
            "clusters."
        )
    return DataError(f"the sizes of the clusters could not be bounded in {n_reads} reads: {why}")
