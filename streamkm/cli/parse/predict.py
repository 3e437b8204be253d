"""Options of ``streamkm predict``."""

from __future__ import annotations

import click

from streamkm.cli.parse.options import data_options


@click.command(name="predict")
@click.argument("model")
@click.argument("data")
@click.option("-k", "--n-clusters", type=click.IntRange(1), help="Which k, of a sweep.")
@click.option("-o", "--output", required=True, metavar="LABELS.zarr", help="Where labels go.")
@data_options
@click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
def command() -> None:
    """Label the rows of the Zarr array DATA with MODEL, or one k of a sweep, in one read."""
