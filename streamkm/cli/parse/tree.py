"""Options of ``streamkm tree``."""

from __future__ import annotations

import click

from streamkm.cli.parse.data import data_options, row_options
from streamkm.cli.parse.described import described
from streamkm.cli.parse.needing import needing_option
from streamkm.cli.parse.options import (
    choice_option,
    cluster_options,
    dry_run_option,
    iteration_options,
    restarts_option,
    seed_option,
)
from streamkm.cli.parse.registered import init_option


def _numbers(
    ctx: click.Context, param: click.Parameter, given: str | None
) -> int | list[int] | None:
    """Return one number of clusters, or those of several levels."""
    if given is None:
        return None
    try:
        numbers = [int(word) for word in given.split(",")]
    except ValueError:
        raise click.BadParameter(
            f"{given!r} is not a number, or several such as 10000,500"
        ) from None
    return numbers if len(numbers) > 1 else numbers[0]


@described("tree", "streamkm tree embeddings.zarr -k 100000 -o tree.zarr --memory-limit 8GiB")
@click.argument("data")
@click.option(
    "-k",
    "--n-clusters",
    metavar="K[,K...]",
    callback=_numbers,
    help="Number of clusters of the lowest level; or those of all levels, the largest first, each "
    "of which clusters the centroids of the one before.",
)
@click.option(
    "--levels", type=click.IntRange(1, 64), help="Number of levels that are split (default: 2)."
)
@click.option(
    "--branching",
    type=click.IntRange(2),
    help="Number of clusters into which every cluster is split, instead of -k clusters in "
    "proportion to their rows.",
)
@click.option(
    "--groups",
    type=click.IntRange(1),
    help="With several numbers in -k: number of groups of rows in which the lowest level is fitted "
    "(default: 1 up to 2,048 clusters, then the square root of their number).",
)
@click.option(
    "--resampling",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Rounds after every fit, in which the rows nearest to each centroid are fitted again.",
)
@needing_option(
    "--resampled-rows",
    needs=("resampling",),
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Rows of each cluster in these rounds.",
)
@choice_option(
    "--level-weights", ["counts", "equal"], "Weights of the centroids that a level clusters."
)
@choice_option("--metric", ["euclidean", "cosine"], "Distance.")
@click.option("-o", "--output", required=True, metavar="MODEL", help="Where the model is stored.")
@restarts_option
@init_option
@iteration_options
@seed_option
@data_options
@row_options
@cluster_options
@dry_run_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--overwrite", is_flag=True, help="Replace an existing output.")
def command() -> None:
    """Fit a hierarchy of clusters to the rows of DATA, for 10,000 to 1,000,000 clusters.

    Every level is split by one read, which writes the rows by group to a hidden folder beside
    MODEL; each group is then fitted in memory. The same command resumes a run that was killed.
    """
