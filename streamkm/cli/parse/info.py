"""What ``streamkm info`` takes."""

from __future__ import annotations

import click


@click.command(name="info")
@click.argument("path")
@click.option("--variable", help="Array within a Zarr group.")
def command() -> None:
    """Show what a model, sweep, checkpoint (also of a running fit) or Zarr array at PATH holds."""
