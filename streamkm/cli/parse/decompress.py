"""Options of ``streamkm decompress``."""

from __future__ import annotations

import click

from streamkm.cli.parse.options import Bytes, cluster_options


@click.command(name="decompress")
@click.argument("archive")
@click.argument("names", nargs=-1)
@click.option("-o", "--output", required=True, metavar="DIR", help="Where the files go.")
@click.option("--missing", is_flag=True, help="Leave files that exist, and write the others.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("--memory-limit", type=Bytes(), metavar="SIZE", help="Such as 512MiB.")
@cluster_options
def command() -> None:
    """Write images of an ARCHIVE as PNG files (TIFF for bands): all, or those of some NAMES.

    Names may be patterns, such as 'beach/*'.
    """
