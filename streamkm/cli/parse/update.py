"""Options of ``streamkm update``."""

from __future__ import annotations

import click

from streamkm.cli.parse.options import (
    choice_option,
    cluster_options,
    memory_option,
    refine_option,
    variable_option,
)


@click.command(name="update")
@click.argument("model")
@click.argument("data", nargs=-1, required=True)
@choice_option(
    "--changed",
    ["refuse", "keep"],
    "Rows in the model whose chunks changed or are gone: an error, or they stay as they were read.",
)
@variable_option("Array in a Zarr group, if it is not that of the model.")
@refine_option
@memory_option
@cluster_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command() -> None:
    """Add the rows of the Zarr arrays DATA that are new to MODEL, which is replaced.

    MODEL is that of streamkm stream or of a StreamingKMeans. Only chunks that it has not seen are
    read. An interrupted update leaves the old model, and is run again.
    """
