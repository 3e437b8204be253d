"""The command, or the call, that repeats a run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

# Options of parameters whose names differ from them; the others are --a-b for a_b.
_OPTIONS = {"n_clusters": "-k", "n_colors": "-k", "random_state": "--seed"}
# Default values of options; an option with its default is not repeated.
_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("init", "algorithm", "loss_tol", "nodata", "summary_size"), "auto"),
    **{"n_init": 1, "restarts": "all", "max_iter": 300, "tol": 1e-4, "metric": "euclidean"},
    **{"random_state": 0, "seed": 0, "per": "archive", "space": "srgb"},
    **{"stages": 1, "resampling": 0, "resampled_rows": 10, "level_weights": "counts"},
}
_PYTHON_ONLY = ("data", "empty_cluster", "distortion_tol", "cells", "labels", "silhouette_rows")


def command_line(command: str, data: Any, output: str, parameters: Mapping[str, Any]) -> str:
    """Return the command with these parameters, without those that have their defaults.

    Parameters
    ----------
    command : such as 'fit'
    data : path, or paths
    output : path of the result
    parameters : parameters of the run

    Examples
    --------
    >>> command_line("fit", "x.zarr", "m.zarr", {"n_clusters": 5, "tol": 1e-4, "nodata": None})
    'streamkm fit x.zarr -o m.zarr -k 5 --nodata none'
    """
    paths = [data] if isinstance(data, str) else list(data)
    words = ["streamkm", command, *map(str, paths), "-o", output]
    for name, value in parameters.items():
        if name not in _PYTHON_ONLY and value != _DEFAULTS.get(name, [] if value == [] else None):
            words += _option(name, value)
    return shlex.join(words)


def _option(name: str, value: Any) -> list[str]:
    option = _OPTIONS.get(name, "--" + name.replace("_", "-"))
    if name == "patch":
        return [] if list(value) == [1, 1] else [option, "x".join(map(str, value))]
    if isinstance(value, bool):
        return [option] if value else []
    if name == "nodata" and value is None:
        return [option, "none"]
    if name in ("variable", "feature_dim") and isinstance(value, (list, tuple)):
        return [word for each in value for word in (option, str(each))]
    if isinstance(value, (list, tuple)):
        return [option, ",".join(map(str, value))]
    return [option, str(value)]


def command_of(parameters: Mapping[str, Any]) -> str:
    """Return the command whose model has these parameters."""
    if "summary_size" in parameters:
        return "stream"
    return "tree" if "resampling" in parameters else "fit"
