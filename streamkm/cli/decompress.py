"""``streamkm decompress``."""

from __future__ import annotations

import click

from streamkm.images import decompress


def run(archive: str, names: tuple[str, ...], output: str, overwrite: bool) -> None:
    """Write the files; say how many."""
    count = len(decompress(archive, output, names or None, overwrite=overwrite))
    click.echo(f"{output}: {count:,} file{'s' * (count != 1)}")
