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
@click.option("--labels", metavar="LABELS.zarr", help="Also write every row's label.")
@init_option
@click.option("--n-init", type=click.IntRange(1), default=1, show_default=True, help="Restarts.")
@click.option(
    "--restarts",
    type=click.Choice(["all", "halving"]),
    default="all",
    show_default=True,
    help="Carry all restarts to their end, or drop the worse half again and again.",
)
@click.option(
    "--algorithm",
    type=click.Choice(["auto", "lloyd"]),
    default="auto",
    show_default=True,
    help="Go on between reads with the rows that were kept, or make Lloyd's steps only.",
)
@click.option("--max-iter", type=click.IntRange(1), default=300, show_default=True)
@click.option(
    "--tol",
    type=Finite(0),
    default=1e-4,
    show_default=True,
    help="Stop when the squared centroid moves sum to less than this times the variance.",
)
@click.option(
    "--loss-tol",
    type=Finite(0),
    help="Stop when the loss drops by a smaller share than this; by default 1e-3 after a coreset "
    "while iterations cost reads. 0 turns it off.",
)
@click.option(
    "--time-limit",
    type=Seconds(),
    metavar="TIME",
    help="Such as 55m: begin no iteration after it, and end a search in memory; with a checkpoint, "
    "leave before it is up.",
)
@click.option(
    "--scale",
    type=click.Choice(["standard", "robust"]),
    help="Scale features by mean and deviation, or by median and quartiles: one read more.",
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
