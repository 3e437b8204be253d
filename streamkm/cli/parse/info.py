"""Options of ``streamkm info``."""

from __future__ import annotations

import click

from streamkm.cli.parse.data import variable_option
from streamkm.cli.parse.described import described


@described("info", "streamkm info model.zarr")
@click.argument("path")
@variable_option("Array in a Zarr group; may be repeated.")
@click.option("--all", "all_of_it", is_flag=True, help="List every image of an archive.")
@click.option("--json", "as_json", is_flag=True, help="Print the contents as JSON.")
def command() -> None:
    """Show the contents of a model, sweep, partition, archive, checkpoint or Zarr array."""
