"""Options of ``streamkm ingest``."""

from __future__ import annotations

from typing import Any

import click

from streamkm.cli.parse.described import described
from streamkm.cli.parse.registered import registered_names
from streamkm.cli.parse.types import Bytes


class Shard(Bytes):
    """A size, or none."""

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        return 0 if value == "none" else super().convert(value, param, ctx)


@described("ingest", "streamkm ingest 'measurements/*.parquet' -o rows.zarr")
@click.argument("sources", nargs=-1, required=True, metavar="SRC...")
@click.option("-o", "--output", required=True, metavar="OUT.zarr", help="The store.")
@click.option(
    "--kind",
    type=click.Choice(registered_names("ingesting")),
    help="Kind of the files, if their names do not show it.",
)
@click.option(
    "--columns", metavar="A,B,C", help="Columns of a table; by default all numeric columns."
)
@click.option(
    "--id",
    metavar="COLUMN",
    help="Column of a Parquet table that identifies its rows; labels keep it.",
)
@click.option("--variable", help="Array in an npz file.")
@click.option("--no-header", is_flag=True, help="The first line of a CSV file is data.")
@click.option("--delimiter", help="Delimiter of a CSV file; by default a comma (.tsv: a tab).")
@click.option("--srgb", is_flag=True, help="Convert images to sRGB by their ICC profile.")
@click.option("--frames", is_flag=True, help="Read every frame of an animation as an image.")
@click.option("--skip-bad", is_flag=True, help="Leave out damaged images, and list them.")
@click.option(
    "--dtype", metavar="DTYPE", help="Dtype such as float32; by default that of the source."
)
@click.option(
    "--chunk",
    type=Bytes(),
    metavar="SIZE",
    default="4MiB",
    show_default=True,
    help="Decoded bytes of a chunk.",
)
@click.option(
    "--shard",
    type=Shard(),
    metavar="SIZE|none",
    default="8MiB",
    show_default=True,
    help="Decoded bytes of a shard, the unit of reading and of resuming.",
)
@click.option(
    "--overwrite", is_flag=True, help="Replace an existing output, also an incomplete one."
)
def command() -> None:
    """Turn files (paths, URLs, folders, patterns) of one kind into a Zarr store for fit.

    The same command resumes a killed run.
    """
