"""Options of ``streamkm encode``."""

from __future__ import annotations

import click

from streamkm.cli.parse.data import data_options
from streamkm.cli.parse.described import described
from streamkm.cli.parse.options import cluster_options


@described("encode", "streamkm encode quantizer.zarr embeddings.zarr -o codes.npy")
@click.argument("quantizer")
@click.argument("data")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="CODES",
    help="Where the codes are stored: a .npy file, or a Zarr store.",
)
@data_options
@cluster_options
@click.option("--overwrite", is_flag=True, help="Replace an existing output.")
def command() -> None:
    """Write the codes (rows, parts) of the rows of DATA by a QUANTIZER of streamkm quantize.

    This takes one read. The same command resumes a stopped run.
    """
