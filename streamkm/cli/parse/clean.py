"""Options of ``streamkm clean``."""

from __future__ import annotations

import click

from streamkm.cli.parse.described import described


@described("clean", "streamkm clean results/")
@click.argument("path", type=click.Path(exists=False))
@click.option("--remove", is_flag=True, help="Remove what is listed.")
def command() -> None:
    """List what killed runs have left beside the output PATH, or in the folder PATH.

    These are hidden files and folders: unfinished outputs, old outputs, progress and locks. Those
    of active runs are not listed. An unfinished output that is removed cannot be resumed.
    """
