"""Options of ``streamkm palette``."""

from __future__ import annotations

import click

from streamkm.cli.parse.options import memory_option, search_options


@click.command(name="palette")
@click.argument("sources", nargs=-1, required=True, metavar="IMG...")
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
    help="Also write the palette: swatches (.png), GIMP (.gpl), or .json; may be repeated.",
)
@memory_option
@click.option("--skip-bad", is_flag=True, help="Leave out damaged files.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def command() -> None:
    """Show the common palette of images, or the palettes of an ARCHIVE."""
