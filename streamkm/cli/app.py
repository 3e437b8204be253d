"""The command table. Commands load when called, so that ``streamkm --help`` is quick."""

from __future__ import annotations

import ctypes
from importlib import import_module

import click

import streamkm

_COMMANDS = {
    "fit": "Cluster a Zarr array; write the model, and labels where asked.",
    "sweep": "Fit every k of a range in one set of reads; say the elbow.",
    "predict": "Label a Zarr array with a fitted model.",
    "info": "Show what a model, or a Zarr array, holds.",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"streamkm.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(streamkm.__version__, prog_name="streamkm")
def main() -> None:
    """Exact k-means for data larger than memory."""
    _one_heap()


def _one_heap() -> None:
    """Let all threads allocate from one heap, where the C library is glibc.

    With a heap for each thread the blocks that pass through leave holes in all of them, and the
    peak depends on who decoded what [docs/benchmarks.md]. It has to be said before threads start.
    """
    m_arena_max = -8
    try:
        ctypes.CDLL(None).mallopt(m_arena_max, 1)
    except (AttributeError, OSError):
        return
