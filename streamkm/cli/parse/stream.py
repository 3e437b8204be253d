"""Options of ``streamkm stream``."""

from __future__ import annotations

from typing import Any

import click

from streamkm.cli.parse.checkpoints import again_option, resume_options
from streamkm.cli.parse.data import data_options, row_options
from streamkm.cli.parse.described import described, together
from streamkm.cli.parse.options import cluster_options, refine_option, seed_option
from streamkm.cli.parse.types import Seconds


class SkipRows(click.ParamType[int | str]):
    """A number of rows, or seen."""

    name = "rows"

    def convert(self, value: Any, param: Any, ctx: Any) -> int | str:
        if str(value) == "seen":
            return "seen"
        if not str(value).isdecimal():
            self.fail(f"{value!r}: give a number of rows, or seen", param, ctx)
        return int(value)


# Options of feeds of one kind, and of all feeds.
ONLY = {"-": ("format", "skip_rows"), "--watch": ("watch", "watch_every")}
_BOTH = ("batch", "columns", "no_header", "delimiter", "dtype", "idle")
FEED_OPTIONS = (*ONLY["-"], *ONLY["--watch"], *_BOTH)
feed_options = together(
    click.option(
        "--format",
        type=click.Choice(["npy", "csv", "arrow"]),
        help="Format of standard input; by default the first bytes decide. arrow is the "
        "stream format of Arrow IPC.",
    ),
    click.option(
        "--skip-rows",
        type=SkipRows(),
        metavar="ROWS|seen",
        help="Leave out the first rows of standard input; seen: those that the checkpoint has.",
    ),
    click.option(
        "--watch",
        metavar="FOLDER|URL",
        help="Read npy, npz, CSV and Parquet files that arrive here, each once.",
    ),
    click.option(
        "--watch-every",
        type=Seconds(),
        metavar="TIME",
        help="Time between two listings (default: 10s). A file is complete if its size and time "
        "are the same in two of them.",
    ),
    click.option(
        "--idle",
        type=Seconds(),
        metavar="TIME",
        help="End when no rows, or no files, have arrived for this time.",
    ),
    click.option(
        "--batch",
        type=click.IntRange(1),
        metavar="ROWS",
        help="Rows of a feed that are summarised together (default: those of 2**21 values).",
    ),
    click.option("--columns", metavar="A,B,C", help="Columns of a table; by default the numbers."),
    click.option("--no-header", is_flag=True, help="The first line of CSV is data."),
    click.option("--delimiter", help="Delimiter of CSV; by default a comma (.tsv: a tab)."),
    click.option("--dtype", metavar="DTYPE", help="Dtype of the rows of a feed, such as float32."),
)


@described("stream", "streamkm stream day1.zarr day2.zarr -k 20 -o stream.zarr")
@click.argument("data", nargs=-1)
@click.option("-k", "--n-clusters", type=click.IntRange(1), required=True, help="Clusters.")
@click.option("-o", "--output", required=True, metavar="MODEL.zarr", help="The model.")
@click.option(
    "--summary-size",
    type=click.IntRange(2),
    metavar="ROWS",
    help="Rows to which the summary is reduced (default: 65536, or 256 for each cluster).",
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
    "--frozen",
    metavar="MODEL",
    help="Keep the centroids of this model as the first clusters of -k; rows that are far from "
    "all of them make the others.",
)
@click.option(
    "--radius",
    type=click.FloatRange(0, min_open=True),
    metavar="DISTANCE",
    help="Distance in units of the data beyond which a row is far (default: four times the root "
    "mean square distance of the rows of the model).",
)
@click.option(
    "--every",
    type=Seconds(),
    metavar="TIME",
    help="Also write the model of the rows so far at this interval, such as 60s.",
)
@feed_options
@refine_option
@seed_option
@data_options
@row_options
@resume_options
@again_option
@cluster_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--overwrite", is_flag=True, help="Replace an existing output.")
def command() -> None:
    """Cluster the rows of DATA, which are read once.

    DATA are Zarr stores or files as for streamkm fit, in the order of the stream. With - as DATA,
    rows are read from standard input, and with --watch from files that arrive.
    """
