"""``streamkm stream``."""

from __future__ import annotations

from typing import Any

from streamkm.cli.commands import stream_feed, stream_stores
from streamkm.cli.common import run_again


def run(data: tuple[str, ...], output: str, *, overwrite: bool, **given: Any) -> None:
    """Read a feed or stores, write the model, and print the result."""
    is_feed = given["watch"] is not None or "-" in data
    source = stream_feed if is_feed else stream_stores
    with run_again(given):
        source.run(data, output, overwrite, given)
