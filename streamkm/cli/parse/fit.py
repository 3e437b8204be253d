"""Options of ``streamkm fit``."""

from __future__ import annotations

import click

from streamkm.cli.parse.checkpoints import checkpoint_options
from streamkm.cli.parse.clusters import NumberOfClusters
from streamkm.cli.parse.data import data_options, missing_option, row_options
from streamkm.cli.parse.described import described
from streamkm.cli.parse.options import (
    choice_option,
    cluster_options,
    iteration_options,
    print_options,
    restarts_option,
    scale_option,
    seed_option,
)
from streamkm.cli.parse.registered import init_option
from streamkm.cli.parse.types import Seconds


@described("fit", "streamkm fit rows.zarr -k 8 -o model.zarr --labels labels.npy")
@click.argument("data")
@click.option("-k", "--n-clusters", type=NumberOfClusters(1), required=True, help="Clusters.")
@click.option("-o", "--output", required=True, metavar="MODEL.zarr", help="The model.")
@click.option(
    "--labels",
    metavar="LABELS",
    help="Also write the label of every row: to a .npy, .nc, .parquet or .tif file, or a Zarr "
    "store.",
)
@init_option
@restarts_option
@choice_option(
    "--restarts",
    ["all", "halving"],
    "Run all restarts to the end, or drop the worse half repeatedly.",
)
@choice_option(
    "--algorithm",
    ["auto", "lloyd", "bisecting"],
    "Iterate on the rows in memory between reads, run Lloyd's steps on all rows only, or split "
    "the cluster of the largest loss in two until there are k.",
)
@iteration_options
@click.option(
    "--time-limit",
    type=Seconds(),
    metavar="TIME",
    help="Maximum time, such as 55m: start no iteration after it, and stop a search in memory; "
    "with a checkpoint, exit before it ends.",
)
@choice_option(
    "--metric",
    ["euclidean", "cosine"],
    "Distance; with cosine, rows are divided by their length (spherical k-means).",
)
@click.option("--min-size", type=click.IntRange(0), help="Least rows of a cluster.")
@click.option(
    "--max-size",
    type=click.IntRange(1),
    help="Most rows of a cluster. The labels of the fit hold both bounds exactly; they count rows, "
    "so they exclude --weights.",
)
@scale_option
@seed_option
@data_options
@row_options
@missing_option
@checkpoint_options
@cluster_options
@click.option("--plot", "picture", metavar="FILE.png", help="Also draw the loss of each iteration.")
@print_options
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
def command() -> None:
    """Cluster the rows of DATA.

    DATA is the path or URL of a Zarr store, or of npy, netCDF, HDF5, GRIB, Parquet, Arrow or
    GeoTIFF files: one file, a folder, or a pattern of names.
    """
