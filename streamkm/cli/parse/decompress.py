"""Options of ``streamkm decompress``."""

from __future__ import annotations

import click

from streamkm.cli.parse.described import described
from streamkm.cli.parse.options import cluster_options, memory_option
from streamkm.cli.parse.types import Window


@described("decompress", "streamkm decompress photos.zarr 'beach/*' -o out")
@click.argument("archive")
@click.argument("names", nargs=-1)
@click.option("-o", "--output", required=True, metavar="DIR", help="Folder of the files.")
@click.option("--missing", is_flag=True, help="Write only files that do not exist.")
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@click.option(
    "--window",
    type=Window(),
    metavar="X,Y,WIDTH,HEIGHT",
    help="Write only this part of each image, in pixels from the upper left corner.",
)
@memory_option
@cluster_options
def command() -> None:
    """Write images of an ARCHIVE as PNG files (TIFF for bands): all, or those of some NAMES.

    Names may be patterns, such as 'beach/*'.
    """
