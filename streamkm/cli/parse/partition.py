"""Options of ``streamkm partition``."""

from __future__ import annotations

import click

from streamkm.cli.parse.data import data_options, row_options
from streamkm.cli.parse.described import described
from streamkm.cli.parse.options import cluster_options, sweep_option


@described("partition", "streamkm partition model.zarr rows.zarr -o parts.zarr")
@click.argument("model")
@click.argument("data")
@sweep_option
@click.option(
    "-o", "--output", required=True, metavar="PARTITION", help="Where the rows are written."
)
@click.option(
    "--format",
    type=click.Choice(["zarr", "parquet"]),
    help="A Zarr group, or a folder cluster=C of Parquet files for each cluster (default: parquet "
    "for the suffix .parquet, otherwise zarr).",
)
@data_options
@row_options
@cluster_options
@click.option("--overwrite", is_flag=True, help="Replace an existing partition.")
def command() -> None:
    """Write the rows of DATA grouped by the clusters of MODEL, in one read.

    The same command resumes a stopped run. The space of the rows is needed twice: sorted runs of
    the blocks are merged, and then removed.
    """
