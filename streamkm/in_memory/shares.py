"""Division of a number of clusters among parts of the rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamkm.arrays import Float64Array

Counts = npt.NDArray[np.int64]


def shares(total: int, rates: Counts | Float64Array, most: Counts) -> Counts:
    """Divide a number of clusters among parts in proportion to rates.

    Parameters
    ----------
    total : number of clusters
    rates : ndarray of shape (k,), not negative
    most : ndarray of shape (k,), distinct rows of each part; a part with rows gets at least one
        cluster, and at most its rows

    Returns
    -------
    ndarray of shape (k,), int64

    Examples
    --------
    >>> rows = np.array([50, 0, 30, 1])
    >>> shares(10, rows, rows).tolist()
    [6, 0, 3, 1]
    """
    least = np.minimum(most, 1)
    exact = total * rates / max(rates.sum(), np.finfo(np.float64).tiny)
    found: Counts = np.clip(np.floor(exact).astype(np.int64), least, most)
    missing = max(int(least.sum()), min(total, int(most.sum()))) - int(found.sum())
    step = 1 if missing > 0 else -1
    while missing:
        free = np.flatnonzero(found < most if step > 0 else found > least)
        order = free[np.argsort(step * (found - exact)[free], kind="stable")][: abs(missing)]
        found[order] += step
        missing -= step * len(order)
    return found
