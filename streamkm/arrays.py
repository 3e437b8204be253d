"""Types of NumPy arrays in annotations, by dtype, and parts of large arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

AnyArray = npt.NDArray[Any]
Float64Array = npt.NDArray[np.float64]
FloatArray = npt.NDArray[np.floating]
Int32Array = npt.NDArray[np.int32]

# Centroids of at least this size are large: only parts of them are copied, their sums are added in
# the order of the blocks, and no rows are cached between reads.
LARGE_NBYTES = 2**25


def in_parts(array: AnyArray) -> Iterator[slice]:
    """Yield slices of the rows of an array; a single one unless the array is large."""
    n_rows = len(array)
    step = max(1, min(n_rows, n_rows * LARGE_NBYTES // max(array.nbytes, 1)))
    for first in range(0, max(n_rows, 1), step):
        yield slice(first, min(first + step, n_rows))


def gathered(parts: Sequence[AnyArray], places: npt.NDArray[np.intp]) -> AnyArray:
    """Return rows by their places in all parts (m_i, d) together, which are not copied as a whole.

    Examples
    --------
    >>> gathered([np.array([[1], [2]]), np.array([[3]])], np.array([2, 0])).ravel().tolist()
    [3, 1]
    """
    rows = np.empty((len(places), parts[0].shape[1]), np.result_type(*parts))
    first = 0
    for part in parts:
        own = np.flatnonzero((places >= first) & (places < first + len(part)))
        rows[own] = part[places[own] - first]
        first += len(part)
    return rows
