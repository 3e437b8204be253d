"""Options that several commands share, as options of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from streamkm.cli.common import dimensions
from streamkm.cli.signals import numbers_of, stopping
from streamkm.files.near import similar_name
from streamkm.rows.sources import open_beside, open_source
from streamkm.runs.options import CheckpointOptions, DataOptions
from streamkm.safe_text import without_password
from streamkm.seeding import METHODS, method_of


def data_options(path: str, given: Mapping[str, Any]) -> DataOptions:
    """Return the options with which a run opens a store."""
    return DataOptions(
        path,
        feature_dim=dimensions(given["feature_dims"]),
        variable=given["variable"],
        nodata=given["nodata"],
        missing=given.get("missing"),
        memory_limit=given["memory_limit"],
    )


def opening(path: str, given: Mapping[str, Any]) -> DataOptions:
    """Return the options with which a run opens a store, its weights and its mask.

    Raises
    ------
    DataError
        If the arrays of weights or of the mask cannot be opened.
    """
    return replace(
        data_options(path, given),
        sample_weight=_array_beside(path, given.get("weights")),
        mask=_array_beside(path, given.get("mask")),
    )


def _array_beside(path: str, given: str | None) -> Any:
    """Open an array by its name or path; other names are opened with the data, as coordinates."""
    if given is None:
        return None
    if "://" not in given:
        found = open_beside(path, given)
        if found is not None:
            return found
        if not Path(given).exists():
            return given
    return open_source(given, None)


def stored_paths(paths: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return paths and URLs by their names as a result stores them, without passwords."""
    return {n: None if path is None else without_password(path) for n, path in paths.items()}


def fit_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a fit with the names and values of `FitOptions`.

    Raises
    ------
    click.BadParameter
        If there is no seeding method of the name, or options contradict each other.
    """
    if given.get("timed") and not given.get("dry_run"):
        raise click.BadParameter(
            "it estimates the time of a run and needs --dry-run; a run is limited by --time-limit",
            param_hint="'--time'",
        )
    try:
        method_of(given["init"])
    except ValueError as error:
        names = sorted((*METHODS, "auto"))
        meant = similar_name(given["init"], names)
        raise click.BadParameter(
            f"there is no method {given['init']!r}.{meant} Use one of {', '.join(names)}.",
            param_hint="'--init'",
        ) from error
    if given.get("metric") == "cosine" and given.get("scale"):
        raise click.BadParameter("--metric cosine does not scale features", param_hint="'--scale'")
    missing = None if given.get("missing") == "omit" else given.get("missing")
    loss_tol = "auto" if given["loss_tol"] is None else given["loss_tol"]
    return {**given, "loss_tol": loss_tol, "missing": missing}


def checkpoint_options(given: Mapping[str, Any]) -> CheckpointOptions | None:
    """Return where and how often to save, and what interrupts the run.

    Raises
    ------
    DataError
        If there is no signal of a name.
    """
    if given["checkpoint"] is None:
        return None
    interrupt = partial(
        stopping,
        signals=numbers_of(given["signals"]),
        time_limit=given.get("time_limit"),
        again_code=given["again_code"],
    )
    every, reads = given["checkpoint_every"], given["checkpoint_reads"]
    return CheckpointOptions(given["checkpoint"], every, reads, interrupt)
