"""What `KMeans` says: of parameters that are wrong, and when it is verbose."""

from __future__ import annotations

import warnings
from numbers import Integral, Real
from typing import Any

from sklearn.utils import check_scalar

from streamkm.estimators.data import Given
from streamkm.fitting import ALGORITHMS, SCALES, FitState, describe
from streamkm.fitting.stopping import NOTHING_MOVED, SHIFT
from streamkm.seeding import method_of


def check_parameters(km: Any, X: Any) -> None:
    """Refuse bad parameters before any work."""
    check_scalar(km.n_clusters, "n_clusters", Integral, min_val=1)
    check_scalar(km.max_iter, "max_iter", Integral, min_val=1)
    unset = {"loss_tol": (None, "auto"), "distortion_tol": (None,), "time_limit": (None,)}
    for name in ("tol", *unset):
        if getattr(km, name) not in unset.get(name, ()):
            check_scalar(getattr(km, name), name, Real, min_val=0)
    if km.n_init != "auto":
        check_scalar(km.n_init, "n_init", Integral, min_val=1)
    if km.algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm={km.algorithm!r}; use 'auto' or 'lloyd'.")
    if km.scale not in (None, *SCALES):
        raise ValueError(f"scale={km.scale!r}; use 'standard', 'robust' or None.")
    if km.restarts not in ("all", "halving"):
        raise ValueError(f"restarts={km.restarts!r}; use 'all' or 'halving'.")
    if km.empty_cluster not in ("relocate", "keep"):
        raise ValueError(f"empty_cluster={km.empty_cluster!r}; use 'relocate' or 'keep'.")
    if callable(km.init):
        if Given.of(X, km.feature_dim).of_lazy_kind or km.feature_dim is not None:
            raise ValueError(
                "a function as init is given rows in memory, as an array (n, d); for other "
                "data call the function and pass its array."
            )
    elif isinstance(km.init, str):
        method_of(km.init)
    elif km.n_init not in ("auto", 1):
        warnings.warn(
            "Explicit initial center position passed: performing only one init in "
            f"{type(km).__name__} instead of n_init={km.n_init}.",
            RuntimeWarning,
            stacklevel=5,
        )


def print_state(state: FitState) -> None:
    """A line a read, which begins as scikit-learn's do."""
    if not state.folded:
        where, said = describe(state).split(": ", 1)
        print(f"{said[0].upper()}{said[1:]} ({where})")


def ending(state: FitState) -> str:
    """Why the best restart ended, in scikit-learn's words where it has some."""
    best = state.best
    at = f"at iteration {len(best.history)}"
    if best.stop_reason == NOTHING_MOVED:
        return f"Converged {at}: strict convergence."
    if best.stop_reason == SHIFT:
        return f"Converged {at}: center shift {best.history[-1].shift:.3g} within tolerance."
    return f"Stopped {at}: {best.stop_reason}."
