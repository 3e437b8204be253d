"""Options of ``streamkm report``."""

from __future__ import annotations

import click

from streamkm.cli.parse.described import described
from streamkm.cli.parse.needing import needing_option
from streamkm.cli.parse.types import ImageShape, Seconds


@described("report", "streamkm report model.zarr --data rows.zarr -o report.html")
@click.argument("path")
@click.option("-o", "--output", metavar="FILE.html", help="The page (default: report.html).")
@click.option(
    "--data",
    metavar="DATA",
    help="Rows of a model, read once: for the mean distance in each cluster, the nearest rows, and "
    "pictures of a sample.",
)
@needing_option(
    "-n",
    "--rows",
    "n_rows",
    needs=("data",),
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="Number of the nearest rows of each cluster, with --data.",
)
@click.option(
    "--shape",
    type=ImageShape(),
    metavar="HxW",
    help="Draw centroids and rows as images of this height and width, such as 28x28 or 32x32x3.",
)
@click.option(
    "--watch",
    is_flag=True,
    help="Serve the page of a checkpoint to this computer and refresh it during the run, until "
    "Ctrl-C.",
)
@needing_option(
    "--port",
    needs=("watch",),
    type=click.IntRange(1, 65535),
    help="Port of --watch (default: any free one).",
)
@needing_option(
    "--every",
    needs=("watch",),
    type=Seconds(),
    metavar="TIME",
    default="5s",
    show_default=True,
    help="Time between two refreshes of --watch.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing page.")
def command() -> None:
    """Write one HTML page about a model, a sweep, an image archive or a checkpoint.

    PATH is the result, or the checkpoint of a run. The page has pictures, the facts of the run, the
    command that repeats it, and tables; it loads nothing from elsewhere.
    """
