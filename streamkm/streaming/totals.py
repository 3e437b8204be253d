"""Sums of weights."""

from __future__ import annotations

import math
from collections.abc import Iterable

from streamkm.errors import DataError


def total_of(weights: Iterable[float]) -> float:
    """Return the sum of weights, rounded once.

    Raises
    ------
    DataError
        If it is too large for float64.
    """
    try:
        return math.fsum(weights)
    except OverflowError as error:
        raise DataError(
            "the sum of the weights is too large for float64; divide all weights by a number."
        ) from error
