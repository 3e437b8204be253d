"""Options of ``streamkm nearest``."""

from __future__ import annotations

import click

from streamkm.cli.parse.data import data_options, mask_option
from streamkm.cli.parse.described import described
from streamkm.cli.parse.options import cluster_options, sweep_option


@described("nearest", "streamkm nearest model.zarr rows.zarr -n 5 -o nearest.parquet")
@click.argument("model")
@click.argument("data")
@sweep_option
@click.option(
    "-n",
    "-m",
    "--rows",
    "n_rows",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Number of rows of each cluster.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="ROWS",
    help="Where the row numbers are stored: a .npy or .parquet file, or a Zarr store.",
)
@data_options
@mask_option
@cluster_options
@click.option("--overwrite", is_flag=True, help="Replace an existing output.")
def command() -> None:
    """Find the rows of DATA nearest to each centroid of MODEL, in one read.

    A .npy file has the row numbers (clusters, rows), nearest first, and -1 where a cluster has
    fewer rows. A Zarr store also has the distances. A .parquet file has the columns cluster, rank,
    row and distance. Equal distances are in the order of the row numbers.
    """
