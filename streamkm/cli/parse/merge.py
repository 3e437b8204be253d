"""Options of ``streamkm merge``."""

from __future__ import annotations

import click

from streamkm.cli.parse.described import described


@described("merge", "streamkm merge paris.zarr tokyo.zarr -o both.zarr")
@click.argument("models", nargs=-1, required=True)
@click.option("-o", "--output", required=True, metavar="MODEL.zarr", help="The merged model.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--overwrite", is_flag=True, help="Replace an existing output.")
def command() -> None:
    """Merge MODELS of streams, in any order, into the model of all their rows."""
