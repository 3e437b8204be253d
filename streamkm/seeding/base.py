"""What a seeding method is."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.errors import FewDistinctRowsWarning
from streamkm.passes import Pass


@dataclass(frozen=True)
class Seeding(ABC):
    """State of a seeding method between two reads.

    Parameters
    ----------
    k : number of centroids wanted
    seed : unsigned 64-bit integer that every draw is keyed by
    """

    k: int
    seed: int

    def of(self, n_rows: int) -> Self:
        """The method at its beginning, for a table of so many rows in place of the data."""
        return self

    @abstractmethod
    def ask(self) -> Pass[Any]:
        """The pass whose statistic is wanted next."""

    @abstractmethod
    def tell(self, statistic: Any) -> Seeding | Float64Array:
        """The next state, or the centroids (k, d) when done."""


def joined(before: Float64Array, drawn: Float64Array) -> Float64Array:
    """Rows drawn before and now; both may be none."""
    return (
        np.concatenate([before, drawn])
        if len(before) and len(drawn)
        else (before if len(before) else drawn)
    )


def exactly_k(values: Float64Array, k: int) -> Float64Array:
    """The first k of the drawn rows; where there are fewer, they are repeated, with a warning."""
    if len(values) < k:
        warnings.warn(
            f"only {len(values)} distinct rows of positive weight were found for {k} clusters; "
            f"Number of distinct clusters ({len(values)}) found smaller than n_clusters ({k}): "
            "the surplus centroids repeat others and stay empty. Ask for fewer clusters.",
            FewDistinctRowsWarning,
            stacklevel=2,
        )
        values = np.resize(values, (k, values.shape[1]))
    return values[:k]
