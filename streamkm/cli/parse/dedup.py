"""Options of ``streamkm dedup``."""

from __future__ import annotations

import click

from streamkm.cli.parse.options import cluster_options, memory_option


@click.command(name="dedup")
@click.argument("partition")
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
@memory_option
@cluster_options
@click.option("--overwrite", is_flag=True, help="Replace an existing mask.")
def command() -> None:
    """Drop rows that are similar to an earlier row of their cluster (semantic deduplication).

    PARTITION is a Zarr group from streamkm partition. The mask has the row shape of the data, so a
    Zarr array can be the --mask of fit, predict and partition. The same command resumes a stopped
    run.
    """
