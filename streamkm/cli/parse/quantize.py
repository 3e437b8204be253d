"""Options of ``streamkm quantize``."""

from __future__ import annotations

import click

from streamkm.cli.parse.checkpoints import checkpoint_options
from streamkm.cli.parse.data import data_options
from streamkm.cli.parse.described import described
from streamkm.cli.parse.options import cluster_options, seed_option
from streamkm.cli.parse.registered import init_option
from streamkm.cli.parse.types import Finite


@described("quantize", "streamkm quantize embeddings.zarr --parts 32 -o quantizer.zarr")
@click.argument("data")
@click.option(
    "-o", "--output", required=True, metavar="QUANTIZER", help="Where the codebooks are stored."
)
@click.option(
    "-m",
    "--parts",
    "n_subspaces",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Parts of the features, of equal sizes; a code has a number for each.",
)
@click.option(
    "--codewords",
    "n_codewords",
    type=click.IntRange(1, 65536),
    default=256,
    show_default=True,
    help="Codewords of each part; up to 256 take one byte, more take two.",
)
@click.option(
    "--coarse",
    metavar="MODEL",
    help="Codes are those of the differences from the nearest centroid of this model.",
)
@init_option
@click.option(
    "--max-iter",
    type=click.IntRange(1),
    default=25,
    show_default=True,
    help="Maximum number of iterations.",
)
@click.option(
    "--tol",
    type=Finite(0),
    default=1e-4,
    show_default=True,
    help="Stop when the sum of squared codeword shifts is below this times the variance.",
)
@seed_option
@data_options
@checkpoint_options
@cluster_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--overwrite", is_flag=True, help="Replace an existing output.")
def command() -> None:
    """Fit a product quantizer to the rows of DATA; streamkm encode writes codes of few bytes.

    Every row needs a code, so data with missing values are refused.
    """
