"""Options of ``streamkm dedup``."""

from __future__ import annotations

import click

from streamkm.cli.parse.data import data_options, mask_option
from streamkm.cli.parse.described import described
from streamkm.cli.parse.options import choice_option, cluster_options, sweep_option


@described("dedup", "streamkm dedup parts.zarr --threshold 0.95 -o keep.zarr")
@click.argument("source")
@click.argument("data", required=False)
@sweep_option
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="KEEP",
    help="Where the mask of the kept rows is stored: a Zarr array, which --mask takes, or a .npy "
    "or .parquet file.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.95,
    show_default=True,
    metavar="COSINE",
    help="Smallest cosine similarity of similar rows; 1 - eps of SemDeDup.",
)
@choice_option(
    "--keep",
    ["first", "nearest", "farthest"],
    "Which of similar rows is kept: the first of the data, or the nearest to the centroid of the "
    "cluster, or the farthest from it, as in SemDeDup.",
)
@data_options
@mask_option
@cluster_options
@click.option("--overwrite", is_flag=True, help="Replace an existing mask.")
def command() -> None:
    """Drop rows that are similar to a row of their cluster that is kept (semantic deduplication).

    SOURCE is a partition from streamkm partition, or a model whose clusters group the rows of DATA;
    -k, --variable, --nodata, --feature-dim and --mask are for DATA. The mask has the row shape of
    the data, so a Zarr array can be the --mask of fit, predict and partition. The same command
    resumes a stopped run.
    """
