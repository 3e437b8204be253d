"""What the commands share: errors as one line, pictures, memory."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from streamkm.errors import DataError, RunAgain, StreamkmError
from streamkm.outputs import File, local, whole_file


def dimensions(names: tuple[str, ...]) -> tuple[str | int, ...] | None:
    """Dimensions as given on the command line: names, or numbers."""
    return tuple(int(n) if n.lstrip("-").isdigit() else n for n in names) or None


def peak_memory() -> int | None:
    """The most memory this process held at once, where the system tells (Linux)."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if "VmHWM" in line)


def plot_file(path: str | None, overwrite: bool) -> File | None:
    """The output of ``--plot``, refused where nothing can draw it."""
    if path is None:
        return None
    if importlib.util.find_spec("matplotlib") is None:
        raise DataError("--plot needs matplotlib: pip install 'streamkm[plot]'.")
    return File(path, (".png", ".pdf", ".svg", ".jpg"), overwrite)


def report_file(path: str | None, overwrite: bool) -> File | None:
    """The output of ``--performance-report``, which Dask also writes to URLs."""
    return None if path is None else File(path, (".html",), overwrite, remote=True)


def save_plot(kind: str, what: Any, path: str) -> None:
    """Draw `streamkm.plot.<kind>` of something into a file."""
    import matplotlib

    matplotlib.use("agg")
    from streamkm import plot

    ax = getattr(plot, kind)(what)
    with whole_file(local(path)) as partial:
        ax.figure.savefig(partial, dpi=150)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Errors that name their fix become one line; Ctrl-C says that nothing is half-written."""
    try:
        yield
    except RunAgain as stopped:
        click.echo(str(stopped), err=True)
        sys.exit(stopped.code)
    except StreamkmError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:  # a disk that is full, a folder that is not ours
        raise click.ClickException(
            f"{error}. Nothing half-written stands under its name: mend that, and run it again."
        ) from error
    except KeyboardInterrupt:
        click.echo(
            "\nInterrupted; no output was written or changed. What a checkpoint holds is good: the "
            "same command goes on from there.",
            err=True,
        )
        sys.exit(130)
