"""Exact sums of the squares of integers."""

from __future__ import annotations

import numpy as np

from streamkm.kernels._jit import kernel


@kernel
def squared_length(x):  # type: ignore[no-untyped-def]
    """Return the sum of the squares of a tile of integers, exact if each row's is below 2**53."""
    total = np.int64(0)
    for i in range(x.shape[0]):
        row = 0.0
        for j in range(x.shape[1]):
            value = np.float64(x[i, j])
            row += value * value
        total += np.int64(row)
    return total
