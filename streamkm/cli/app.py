"""The table of commands.

The options of a command are separate from its code, which is imported when the command runs, so
that ``--help`` and errors in options are fast.
"""

from __future__ import annotations

import atexit
import sys
import warnings
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any

import click

import streamkm
from streamkm.cli.common import Terminated, plain_errors, run_again, terminated
from streamkm.errors import StreamkmWarning
from streamkm.files.near import similar_name
from streamkm.heap import one_heap
from streamkm.safe_text import safe

_COMMANDS = {
    "fit": "Cluster rows and write the model and, on request, the labels.",
    "tree": "Fit a hierarchy of clusters, for very many clusters.",
    "sweep": "Fit every k of a range in shared reads and report the elbow.",
    "predict": "Label rows with a fitted model.",
    "sample": "Draw a balanced sample of rows by the clusters of a model.",
    "nearest": "Find the rows nearest to each centroid of a model.",
    "export": "Write the centroids of a model for faiss, ONNX, safetensors or NumPy.",
    "quantize": "Fit a product quantizer, for codes of few bytes.",
    "encode": "Write the codes of rows by a product quantizer.",
    "partition": "Write rows grouped by cluster.",
    "dedup": "Drop rows that are similar to a kept row of their cluster.",
    "stream": "Cluster rows that are read once: of stores, files or a feed.",
    "update": "Add the new rows of stores that grow to the model of a stream.",
    "merge": "Merge models of streams into one.",
    "ingest": "Convert npy, CSV, Parquet, GeoTIFF or image files to a Zarr store.",
    "compress": "Compress images into an archive of codes with a shared palette.",
    "decompress": "Export images of an archive to standard image files.",
    "palette": "Show the palette of images.",
    "similar": "Find duplicate and similar images of an archive.",
    "report": "Write an HTML page about a model, a sweep, an archive or a checkpoint.",
    "info": "Show the contents of a model, an archive or a Zarr array.",
    "clean": "List and remove what killed runs have left.",
    "completion": "Print the script that completes commands in a shell.",
}
_GROUPS = {
    "Fit": ("fit", "sweep", "tree", "quantize"),
    "Label and select rows": ("predict", "nearest", "sample", "partition", "dedup", "encode"),
    "Streams": ("stream", "update", "merge"),
    "Images": ("compress", "decompress", "palette", "similar"),
    "Data and results": ("ingest", "info", "report", "export", "clean", "completion"),
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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        unknown = bool(args) and args[0] not in _COMMANDS and not args[0].startswith("-")
        if unknown and not ctx.resilient_parsing:  # which is set for shell completion
            ctx.fail(f"there is no command {args[0]!r}.{similar_name(args[0], _COMMANDS)}")
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **options: Any) -> Any:
        try:
            return super().main(*args, **options)
        except OSError as error:  # of printing help, for example to a full disk
            if not options.get("standalone_mode", True):
                raise
            with suppress(OSError):
                click.echo(f"Error: {safe(str(error))}", err=True)
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            short = f"-{error.option_name.lstrip('-')}"  # -k for --k
            params = [] if error.ctx is None else error.ctx.command.params
            if not any(short in param.opts for param in params):
                raise
            raise click.NoSuchOption(
                error.option_name, possibilities=[short], ctx=error.ctx
            ) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, _COMMANDS))  # of the first column of every group
        for title, names in _GROUPS.items():
            known = [(name.ljust(width), _COMMANDS[name]) for name in names if name in _COMMANDS]
            with formatter.section(title):
                formatter.write_dl(known)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_paragraph()
        formatter.write_text(
            "streamkm COMMAND -h shows an example and the main options of a command, --help all "
            "options. The environment variable NO_COLOR=1 turns colours off."
        )


def _run(name: str, **options: Any) -> None:
    # Requests that an error has interrupted would print warnings when the interpreter ends.
    atexit.register(setattr, sys, "unraisablehook", lambda _: None)
    with plain_errors(), run_again(options, Terminated), terminated():
        warnings.simplefilter("always", StreamkmWarning)
        warnings.formatwarning = _one_line
        import_module(f"streamkm.cli.commands.{name}").run(**options)


def _one_line(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> str:
    words = getattr(message, "for_command", message)
    return safe(f"{category.__name__}: {words}\n")


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(streamkm.__version__, prog_name="streamkm")
def main() -> None:
    """Exact k-means for data larger than memory."""
    one_heap()
