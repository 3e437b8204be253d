"""The table of commands.

The options of a command are separate from its code, which is imported when the command runs, so
that ``--help`` and errors in options are fast.
"""

from __future__ import annotations

import atexit
import sys
import warnings
from functools import partial
from importlib import import_module
from typing import Any

import click

import streamkm
from streamkm.cli.common import plain_errors, terminated
from streamkm.cli.ui.say import safe
from streamkm.errors import StreamkmWarning
from streamkm.heap import one_heap

_COMMANDS = {
    "fit": "Cluster a Zarr array; write the model, and labels where asked.",
    "sweep": "Fit every k of a range in one set of reads; say the elbow.",
    "predict": "Label a Zarr array with a fitted model.",
    "ingest": "Turn npy, CSV, Parquet, GeoTIFF or image files into a Zarr store.",
    "compress": "Compress images into an archive of one palette and small codes.",
    "decompress": "Write images of an archive as files that open anywhere.",
    "palette": "Show the palette of images.",
    "info": "Show what a model, an archive or a Zarr array holds.",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"streamkm.cli.parse.{cmd_name}").command
        command.callback = partial(_run, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _run(name: str, **options: Any) -> None:
    # Requests that an error has interrupted would print warnings when the interpreter ends.
    atexit.register(setattr, sys, "unraisablehook", lambda _: None)
    with plain_errors(), terminated():
        warnings.simplefilter("always", StreamkmWarning)
        warnings.formatwarning = _one_line
        import_module(f"streamkm.cli.commands.{name}").run(**options)


def _one_line(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> str:
    return safe(f"{category.__name__}: {message}\n")


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(streamkm.__version__, prog_name="streamkm")
def main() -> None:
    """Exact k-means for data larger than memory."""
    one_heap()
