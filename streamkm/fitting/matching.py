"""Consistent cluster numbers between fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streamkm.arrays import Float64Array
from streamkm.errors import DataError
from streamkm.fitting.state import FitState
from streamkm.kernels import squared_distances
from streamkm.rows import read_only


def match_numbering(state: FitState, earlier: Float64Array) -> FitState:
    """Reorder the best centroids by the earlier centroids that they match.

    The match minimises the sum of the squared distances. Unmatched centroids come last, in their
    present order.

    Parameters
    ----------
    state : of a fit that is done, except possibly for the loss of the final centroids
    earlier : ndarray of shape (k', d), float64

    Raises
    ------
    DataError
        If the numbers of features differ.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import, and rarely needed

    best = state.best
    assert best.centroids is not None
    if earlier.shape[1] != best.centroids.shape[1]:
        raise DataError(
            f"X has {best.centroids.shape[1]} features, but the earlier fit had {earlier.shape[1]}."
        )
    apart = squared_distances(read_only(earlier), best.centroids)
    old, new = linear_sum_assignment(apart)
    rest = np.setdiff1d(np.arange(len(best.centroids)), new)
    order = np.concatenate([new[np.argsort(old)], rest])
    trajectories = (best.reordered(order) if t is best else t for t in state.trajectories)
    return replace(state, trajectories=tuple(trajectories))
