"""What the commands share: options about the data, and errors as one line."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from streamkm.errors import DataError, OutputExistsError, StreamkmError
from streamkm.rows import parse_bytes

F = TypeVar("F", bound=Callable[..., Any])


def data_options(command: F) -> F:
    """The options that say what the data are and how much memory there is for them."""
    for option in (
        click.option(
            "--memory-limit",
            type=Bytes(),
            metavar="SIZE",
            help="Peak memory of this process, such as 2GiB; blocks are planned to keep it.",
        ),
        click.option(
            "--feature-dim",
            "feature_dims",
            multiple=True,
            metavar="DIM",
            help="Feature dimension of N-d data, by name or number; may be repeated.",
        ),
        click.option("--variable", help="Array within a Zarr group."),
    ):
        command = option(command)
    return command


class Bytes(click.ParamType[int]):
    """A size such as 2GiB."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        try:
            return parse_bytes(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


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
    except StreamkmError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("\nInterrupted; no output was written or changed.", err=True)
        sys.exit(130)
