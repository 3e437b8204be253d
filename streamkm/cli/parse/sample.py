"""Options of ``streamkm sample``."""

from __future__ import annotations

import click

from streamkm.cli.parse.data import data_options, mask_option
from streamkm.cli.parse.described import described
from streamkm.cli.parse.options import choice_option, cluster_options, seed_option, sweep_option


@described("sample", "streamkm sample model.zarr rows.zarr -n 10000 -o sample.npy")
@click.argument("model")
@click.argument("data")
@sweep_option
@click.option(
    "-n", "--rows", "n_rows", type=click.IntRange(1), required=True, help="Number of rows."
)
@choice_option(
    "--how",
    ["hierarchical", "flat"],
    "Give equal shares to the clusters of the top level of a model of streamkm tree, then to the "
    "children of each; or, flat, to all clusters of any model.",
)
@choice_option(
    "--assign",
    ["exact", "routed"],
    "How rows are assigned to clusters, as --how of streamkm predict.",
)
@click.option(
    "-o", "--output", required=True, metavar="ROWS.npy", help="Where the row numbers are stored."
)
@seed_option
@data_options
@mask_option
@cluster_options
@click.option("--overwrite", is_flag=True, help="Replace an existing output.")
def command() -> None:
    """Draw a balanced sample of the rows of DATA by the clusters of MODEL, in two reads.

    Clusters with fewer rows than their share give all of them; the surplus is divided among the
    others. The row numbers ascend.
    """
