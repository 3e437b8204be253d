"""Options of ``streamkm sweep``."""

from __future__ import annotations

import click

from streamkm.cli.parse.checkpoints import checkpoint_options
from streamkm.cli.parse.clusters import NumbersOfClusters
from streamkm.cli.parse.data import data_options, row_options
from streamkm.cli.parse.described import described
from streamkm.cli.parse.options import (
    cluster_options,
    iteration_options,
    print_options,
    restarts_option,
    scale_option,
    seed_option,
)
from streamkm.cli.parse.registered import init_option


@described("sweep", "streamkm sweep rows.zarr -k 1:20 -o sweep.zarr --plot elbow.png")
@click.argument("data")
@click.option(
    "-k",
    "--n-clusters",
    type=NumbersOfClusters(),
    required=True,
    help="1:20 (20 included), 10:100:10 or 2,4,8.",
)
@click.option(
    "-o", "--output", required=True, metavar="SWEEP.zarr", help="Where the result is stored."
)
@restarts_option
@click.option(
    "--validation",
    metavar="DATA2",
    help="Rows for a validation loss, read once, without --weights and --mask.",
)
@init_option
@iteration_options
@scale_option
@seed_option
@data_options
@row_options
@checkpoint_options
@cluster_options
@click.option(
    "--plot", "picture", metavar="FILE.png", help="Also plot the distortions and the elbow."
)
@print_options
@click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
def command() -> None:
    """Fit every k to the rows of DATA, in as many reads as the slowest fit takes.

    Prints the losses and scores of every k, and the elbow of the distortions.
    """
