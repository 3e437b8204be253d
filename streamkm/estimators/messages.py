"""Verbose output and warnings of `KMeans`."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from streamkm.fitting import FitState, describe
from streamkm.reasons import MAX_ITER, NO_IMPROVEMENT, NOTHING_MOVED, SHIFT
from streamkm.rows import Rows
from streamkm.warn import warn


def print_state(state: FitState) -> None:
    """Print a line for each read, which begins like those of scikit-learn."""
    if not state.read_blocks and not state.working:
        where, facts = describe(state).split(": ", 1)
        print(f"{facts[0].upper()}{facts[1:]} ({where})")


def print_left_out(state: FitState, rows: Rows) -> None:
    """Print the number of rows that are left out, if there are any."""
    if state.n_rows is not None and state.n_rows < rows.layout.n_rows:
        print(f"{rows.layout.n_rows - state.n_rows:,} of {rows.layout.n_rows:,} rows left out.")


def ending(state: FitState) -> str:
    """Return why the best restart ended, in the words of scikit-learn if it has any."""
    best = state.best
    assert best.state is not None
    steps = len(best.history)
    at = f"at iteration {steps}" if steps else f"after {best.state.note}"
    if best.stop_reason == NO_IMPROVEMENT:
        return f"Converged (lack of improvement in inertia) {at}."
    if best.stop_reason == SHIFT and not steps:
        return f"Converged (small centers change) {at}."
    if best.stop_reason == NOTHING_MOVED:
        return f"Converged {at}: strict convergence."
    if best.stop_reason == SHIFT:
        return f"Converged {at}: center shift {best.history[-1].shift:.3g} within tolerance."
    return f"Stopped {at}: {best.stop_reason}."


def warn_of_one_init(estimator: Any) -> None:
    """Warn like scikit-learn that restarts from given centroids are all the same."""
    given = not isinstance(estimator.init, str) and not callable(estimator.init)
    if given and estimator.n_init not in ("auto", 1):
        warn(
            "Explicit initial center position passed: performing only one init in "
            f"{type(estimator).__name__} instead of n_init={estimator.n_init}.",
            RuntimeWarning,
        )


def warn_of_ending(state: FitState, max_iter: int) -> None:
    """Warn of clusters without rows, and of a fit that `max_iter` ended."""
    best = state.best
    assert best.centroids is not None
    statistic = best.statistic  # None if unknown
    k = len(best.centroids)
    n_distinct = np.count_nonzero(statistic.counts) if statistic else k
    if n_distinct < k:
        warn(
            f"Number of distinct clusters ({n_distinct}) found smaller than n_clusters "
            f"({k}). Possibly due to duplicate points in X.",
            ConvergenceWarning,
        )
    if best.stop_reason == MAX_ITER:
        warn(
            f"stopped after max_iter={max_iter} iterations before any tolerance was met; "
            "raise max_iter, or tol.",
            ConvergenceWarning,
        )
