"""What `KMeans` says: of parameters that are wrong, and when it is verbose."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

from streamkm.estimators.data import Given
from streamkm.fitting import SCALES, FitState, describe
from streamkm.seeding import method_of
from streamkm.updates import ALGORITHMS
from streamkm.updates.stopping import NOTHING_MOVED, SHIFT

_SILENCE = 5.0  # seconds without a line


def check_parameters(km: Any, X: Any) -> None:
    """Refuse bad parameters, but for numbers, before any work."""
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


def search_printer() -> Callable[[str], None]:
    """What prints a step of a search in memory, every few seconds."""
    printed = time.monotonic()

    def see(words: str) -> None:
        nonlocal printed
        if time.monotonic() - printed >= _SILENCE:
            printed = time.monotonic()
            print(f"Searching in memory: {words}")

    return see


def ending(state: FitState) -> str:
    """Why the best restart ended, in scikit-learn's words where it has some."""
    best = state.best
    at = f"at iteration {len(best.history)}"
    if best.stop_reason == NOTHING_MOVED:
        return f"Converged {at}: strict convergence."
    if best.stop_reason == SHIFT:
        return f"Converged {at}: center shift {best.history[-1].shift:.3g} within tolerance."
    return f"Stopped {at}: {best.stop_reason}."
