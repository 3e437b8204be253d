"""Files that commands are given or write: inputs that repeat, pictures and reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamkm
from streamkm.cli.ui.say import say_aside
from streamkm.errors import DataError, OutputExistsError
from streamkm.files.find import need
from streamkm.outputs import File, check_outputs, fit_of, local, recover, whole_file
from streamkm.outputs.destinations import Output
from streamkm.outputs.places import place_of


def may_replace(path: str, identity: str, overwrite: bool) -> bool:
    """Recover the output of a killed run; return whether the run may replace an existing one.

    A run with a checkpoint may replace what an earlier run of the same `identity` wrote.
    """
    recover(local(path))
    return overwrite or (bool(identity) and fit_of(local(path)) == identity)


def refuse_repeated(paths: Sequence[str]) -> None:
    """Refuse an input that is given twice, also by another spelling of its path.

    Raises
    ------
    DataError
    """
    places = [place_of(path) for path in paths]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise DataError(f"{paths[number]} is given twice, so its rows would count twice.")


def check_before(outputs: Sequence[Output | None], inputs: Sequence[Any], dry_run: bool) -> None:
    """Check the outputs of a run; a dry run, which writes none, only prints what is wrong."""
    try:
        check_outputs(outputs, inputs)
    except OutputExistsError as error:
        if not dry_run:
            raise
        say_aside(f"this run would end with an error: {error.for_command}")


def plot_file(path: str | None, overwrite: bool) -> File | None:
    """Return the output of ``--plot``; an error if matplotlib is missing."""
    if path is None:
        return None
    need("matplotlib", "pictures")
    return File(path, (".png", ".pdf", ".svg", ".jpg"), overwrite)


def report_file(path: str | None, overwrite: bool) -> File | None:
    """Return the output of ``--performance-report``, which may be a URL."""
    return None if path is None else File(path, (".html",), overwrite, remote=True)


def save_plot(kind: str, what: Any, path: str) -> None:
    """Save the plot ``streamkm.plot.<kind>(what)`` to a file."""
    import matplotlib

    matplotlib.use("agg")
    ax = getattr(streamkm.plot, kind)(what)
    with whole_file(local(path)) as partial:
        ax.figure.savefig(partial, dpi=150)
