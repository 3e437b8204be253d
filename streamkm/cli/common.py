"""What the commands share: errors as one line, pictures, memory."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from streamkm.errors import DataError, OutputExistsError, RunAgain, StreamkmError


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


def check_plot(path: str | None, overwrite: bool) -> None:
    """Refuse a picture that cannot be drawn, before long work."""
    if path is None:
        return
    if importlib.util.find_spec("matplotlib") is None:
        raise DataError("--plot needs matplotlib: pip install 'streamkm[plot]'.")
    if not Path(path).resolve().parent.is_dir():
        raise DataError(f"{Path(path).resolve().parent} is not a folder; make it first.")
    if Path(path).exists() and not overwrite:
        raise OutputExistsError(f"{path} exists; name another picture, or pass --overwrite.")
    if Path(path).suffix.lower() not in (".png", ".pdf", ".svg", ".jpg"):
        raise DataError(f"{path}: name the picture .png, .pdf, .svg or .jpg.")


def save_plot(kind: str, what: Any, path: str) -> None:
    """Draw `streamkm.plot.<kind>` of something into a file."""
    import matplotlib

    matplotlib.use("agg")
    from streamkm import plot

    ax = getattr(plot, kind)(what)
    ax.figure.savefig(path, dpi=150)


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
