"""Options of a fit that contradict each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamkm.errors import DataError

if TYPE_CHECKING:
    from streamkm.runs.fit_options import FitOptions

MOST_BOUNDED = 2048  # clusters of bounded size; the search of prices needs k x k numbers


def check_bounds(options: FitOptions) -> None:
    """Refuse bounds that contradict each other or other options."""
    if not options.bounded:
        return
    low, high = options.min_size, options.max_size
    if low is not None and high is not None and low > high:
        raise DataError(
            python=f"min_size={low} is larger than max_size={high}; exchange them.",
            command=f"--min-size {low} is larger than --max-size {high}; exchange them.",
        )
    if options.n_clusters > MOST_BOUNDED:
        raise DataError(
            f"sizes can be bounded for at most {MOST_BOUNDED:,} clusters, not "
            f"{options.n_clusters:,}: make fewer clusters, and split the rows of each again."
        )
    for name, value in {"algorithm": "auto", "restarts": "all"}.items():
        given = getattr(options, name)
        if given != value:
            raise DataError(
                python=f"{name}={given!r} does not apply with bounded sizes; use {value!r}.",
                command=f"--{name} {given} does not apply with bounded sizes; use {value}.",
            )


def check_missing(options: FitOptions) -> None:
    """Refuse options that have no meaning, or no method, for rows with gaps."""
    if options.missing is None:
        return
    for name in ("metric", "scale", "min_size", "max_size"):
        given = getattr(options, name)
        if given not in (None, "euclidean", "standard"):
            raise DataError(
                python=f"missing='impute' does not apply with {name}={given!r}: use "
                "missing=None, which leaves rows with missing values out.",
                command=f"--missing impute does not apply with --{name.replace('_', '-')} "
                f"{given}: without --missing, rows with missing values are left out.",
            )
