"""Weighted sums, counts and loss of rows with known labels, in float64, in row order."""

from __future__ import annotations

import numpy as np

from streamkm.kernels._jit import ordered_kernel


@ordered_kernel
def add(x, weights, labels, d2, sums, counts):  # type: ignore[no-untyped-def]
    """Add a tile to `sums` (k, d) and `counts` (k,), and return its loss.

    Inputs are x (n, d), weights (n,), labels (n,) and d2 (n,). Rows with a negative label are left
    out. `sums` and `counts` are updated in place.
    """
    loss = 0.0
    for i in range(x.shape[0]):
        c = labels[i]
        if c >= 0:
            w = weights[i]
            for j in range(x.shape[1]):
                sums[c, j] += w * np.float64(x[i, j])
            counts[c] += w
            loss += w * d2[i]
    return loss
