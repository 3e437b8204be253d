"""Weighted sums, counts and loss of a labelled tile, in float64, in row order."""

from __future__ import annotations

import numpy as np

from streamkm.kernels._jit import kernel


@kernel
def accumulate(x, weights, labels, d2, sums, counts):  # type: ignore[no-untyped-def]
    """Add a tile to `sums` (k, d) and `counts` (k,), and return its loss.

    In: x (n, d), weights (n,), labels (n,), d2 (n,). Out: sums, counts, added to.
    """
    loss = 0.0
    for i in range(x.shape[0]):
        w = weights[i]
        c = labels[i]
        for j in range(x.shape[1]):
            sums[c, j] += w * np.float64(x[i, j])
        counts[c] += w
        loss += w * d2[i]
    return loss


@kernel
def squared_length(x):  # type: ignore[no-untyped-def]
    """Sum of the squares of a tile of whole numbers, exact while a row's is below 2**53."""
    total = np.int64(0)
    for i in range(x.shape[0]):
        row = 0.0
        for j in range(x.shape[1]):
            value = np.float64(x[i, j])
            row += value * value
        total += np.int64(row)
    return total
