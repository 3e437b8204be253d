"""Options of ``streamkm export``."""

from __future__ import annotations

import click

from streamkm.cli.parse.described import described
from streamkm.cli.parse.options import sweep_option


@described("export", "streamkm export model.zarr -o centroids.onnx")
@click.argument("model")
@sweep_option
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="A .npy, .safetensors, .onnx or .faiss file.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def command() -> None:
    """Write the centroids of MODEL, or of one k of a sweep, to a file for other programs.

    The suffix of the file selects its format: .npy (the array of the centroids), .safetensors
    (centroids, counts and scaling), .onnx (a graph from rows to labels) or .faiss (a flat index,
    for example the quantizer of an IVF index).
    """
