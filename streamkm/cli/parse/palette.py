"""Options of ``streamkm palette``."""

from __future__ import annotations

import click

from streamkm.cli.parse.described import described
from streamkm.cli.parse.options import memory_option, search_options


@described("palette", "streamkm palette photos -k 8 -o swatches.png")
@click.argument("sources", nargs=-1, required=True, metavar="IMG...|ARCHIVE [NAME...]")
@click.option(
    "-k",
    "--n-colors",
    type=click.IntRange(1, 65536),
    default=16,
    show_default=True,
    help="Maximum number of colours.",
)
@search_options
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    metavar="FILE",
    help="Also write each palette: swatches (.png), GIMP (.gpl), or .json; may be repeated.",
)
@memory_option
@click.option("--srgb", is_flag=True, help="Convert colours to sRGB by their ICC profile.")
@click.option("--frames", is_flag=True, help="Read all frames of animations.")
@click.option("--skip-bad", is_flag=True, help="Leave out damaged files.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def command() -> None:
    """Show the common palette of images, or the palettes of an ARCHIVE.

    Without NAMES these are the palettes that images of the archive share or, if each image has its
    own, those of the first images. NAMES, which may be patterns such as 'beach/*', select images,
    whose colours are shown with their shares of the pixels. In a pipe or a file the output is one
    hex code a line.
    """
