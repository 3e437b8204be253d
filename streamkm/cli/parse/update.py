"""Options of ``streamkm update``."""

from __future__ import annotations

import click

from streamkm.cli.parse.data import data_options_again, row_options
from streamkm.cli.parse.described import described
from streamkm.cli.parse.options import choice_option, cluster_options, refine_option


@described("update", "streamkm update stream.zarr archive.zarr")
@click.argument("model")
@click.argument("data", nargs=-1, required=True)
@choice_option(
    "--changed",
    ["refuse", "keep"],
    "Rows in the model whose chunks changed or are gone: an error, or they stay as they were read.",
)
@data_options_again
@row_options
@refine_option
@cluster_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command() -> None:
    """Add the rows of DATA that are new to MODEL, which is replaced.

    MODEL is that of streamkm stream or of a StreamingKMeans. DATA are Zarr arrays, files or folders
    of files, of which only the rows that it has not read are read. They are opened by the options
    of the stream, unless others are given. An interrupted update leaves the old model, and is run
    again.
    """
