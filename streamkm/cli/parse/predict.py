"""Options of ``streamkm predict``."""

from __future__ import annotations

import click

from streamkm.cli.parse.data import data_options, missing_option, row_options
from streamkm.cli.parse.described import described
from streamkm.cli.parse.options import choice_option, cluster_options, sweep_option


@described("predict", "streamkm predict model.zarr new.zarr -o labels.npy")
@click.argument("model")
@click.argument("data")
@sweep_option
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="LABELS",
    help="Where the labels are stored: a .npy, .nc, .parquet or .tif file, or a Zarr store.",
)
@choice_option(
    "--how",
    ["exact", "routed"],
    "The nearest of all centroids; or, for a model of streamkm tree, the nearest of each level.",
)
@data_options
@row_options
@missing_option
@cluster_options
@click.option("--overwrite", is_flag=True, help="Replace an existing output.")
def command() -> None:
    """Label the rows of DATA with MODEL, or one k of a sweep, in one read."""
