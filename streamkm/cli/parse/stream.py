"""Options of ``streamkm stream``."""

from __future__ import annotations

import click

from streamkm.cli.parse.options import (
    again_option,
    cluster_options,
    data_options,
    refine_option,
    resume_options,
    seed_option,
)
from streamkm.cli.parse.types import Seconds


@click.command(name="stream")
@click.argument("data", nargs=-1, required=True)
@click.option("-k", "--n-clusters", type=click.IntRange(1), required=True, help="Clusters.")
@click.option("-o", "--output", required=True, metavar="MODEL.zarr", help="The model.")
@click.option(
    "--summary-size",
    type=click.IntRange(2),
    metavar="ROWS",
    help="Rows to which the summary is reduced (default: 16384, or 256 for each cluster).",
)
@click.option(
    "--half-life",
    type=click.FloatRange(0, min_open=True),
    metavar="ROWS",
    help="Rows after which a row counts half.",
)
@click.option(
    "--window",
    type=click.IntRange(1),
    metavar="ROWS",
    help="Only the last rows count.",
)
@click.option(
    "--every",
    type=Seconds(),
    metavar="TIME",
    help="Also write the model of the rows so far at this interval, such as 60s.",
)
@refine_option
@seed_option
@data_options
@resume_options
@again_option
@cluster_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--overwrite", is_flag=True, help="Replace an existing output.")
def command() -> None:
    """Cluster the rows of the Zarr arrays DATA, which are read once, in this order."""
