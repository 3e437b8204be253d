"""Weighted sums, counts and loss of rows whose labels are known, in float64, in row order."""

from __future__ import annotations

import numpy as np

from streamkm.kernels._jit import kernel


@kernel
def add(x, weights, labels, d2, sums, counts):  # type: ignore[no-untyped-def]
    """Add a tile to `sums` (k, d) and `counts` (k,), and return its loss.

    In: x (n, d), weights (n,), labels (n,), of which rows with a negative one are left out, d2
    (n,). Out: sums, counts, added to.
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
