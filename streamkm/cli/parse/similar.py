"""Options of ``streamkm similar``."""

from __future__ import annotations

import click

from streamkm.cli.parse.described import described
from streamkm.cli.parse.options import cluster_options, memory_option
from streamkm.cli.parse.types import Finite


@described("similar", "streamkm similar photos.zarr")
@click.argument("archive")
@click.argument("names", nargs=-1)
@click.option(
    "--threshold",
    type=Finite(0),
    default=0.2,
    show_default=True,
    metavar="D",
    help="Largest distance of similar images; 0.05 finds only copies of another size or quality.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-o", "--output", metavar="FILE", help="Write to a .tsv, .txt or .json file instead.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@memory_option
@cluster_options
def command() -> None:
    """Find duplicate and similar images of an ARCHIVE: all groups, or images like those of NAMES.

    Each line has the number of a group, the distance from its first image ("same" if the pixels are
    those of the line before), the size and the name, separated by tabs. The codes are read once.
    """
