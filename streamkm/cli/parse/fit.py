"""Options of ``streamkm fit``."""

from __future__ import annotations

import click

from streamkm.cli.parse.options import (
    Finite,
    Seconds,
    checkpoint_options,
    cluster_options,
    data_options,
    init_option,
)


@click.command(name="fit")
@click.argument("data")
@click.option("-k", "--n-clusters", type=click.IntRange(1), required=True, help="Clusters.")
@click.option("-o", "--output", required=True, metavar="MODEL.zarr", help="The model.")
@click.option("--labels", metavar="LABELS.zarr", help="Also write the label of every row.")
@init_option
@click.option("--n-init", type=click.IntRange(1), default=1, show_default=True, help="Restarts.")
@click.option(
    "--restarts",
    type=click.Choice(["all", "halving"]),
    default="all",
    show_default=True,
    help="Run all restarts to the end, or drop the worse half repeatedly.",
)
@click.option(
    "--algorithm",
    type=click.Choice(["auto", "lloyd"]),
    default="auto",
    show_default=True,
    help="Iterate on the rows in memory between reads, or run Lloyd's steps on all rows only.",
)
@click.option("--max-iter", type=click.IntRange(1), default=300, show_default=True)
@click.option(
    "--tol",
    type=Finite(0),
    default=1e-4,
    show_default=True,
    help="Stop when the sum of squared centroid shifts is below this times the variance.",
)
@click.option(
    "--loss-tol",
    type=Finite(0),
    help="Stop when the relative decrease of the loss is below this; the default is 1e-3 after a "
    "coreset if iterations need reads. 0 disables it.",
)
@click.option(
    "--time-limit",
    type=Seconds(),
    metavar="TIME",
    help="Maximum time, such as 55m: start no iteration after it, and stop a search in memory; "
    "with a checkpoint, exit before it ends.",
)
@click.option(
    "--scale",
    type=click.Choice(["standard", "robust"]),
    help="Scale features by mean and deviation, or by median and quartiles; needs one more read.",
)
@click.option("--seed", "random_state", type=click.IntRange(0), default=0, show_default=True)
@data_options
@checkpoint_options
@cluster_options
@click.option("--dry-run", is_flag=True, help="Print reads, bytes and memory; read nothing.")
@click.option("--plot", "picture", metavar="FILE.png", help="Also draw the loss of each iteration.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
def command() -> None:
    """Cluster the rows of the Zarr array DATA (a path or URL)."""
