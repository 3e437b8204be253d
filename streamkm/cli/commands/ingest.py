"""``streamkm ingest``."""

from __future__ import annotations

import shlex
from typing import Any

from streamkm.cli.ui.say import say, say_aside
from streamkm.decoding.notices import attribute_lines
from streamkm.errors import RunAgain
from streamkm.ingesting import ingest
from streamkm.outputs import marks_of
from streamkm.rows.dimensions import dimension_names
from streamkm.showing.bar import ProgressBar
from streamkm.sizes import show_bytes

_NAMED = 20  # maximum number of damaged files that are listed


def run(
    sources: tuple[str, ...],
    output: str,
    columns: str | None,
    shard: int,
    **options: Any,
) -> None:
    """Write the store; print its contents and the next command."""
    named = None if columns is None else [name.strip() for name in columns.split(",")]
    with ProgressBar() as bar:
        try:
            array = ingest(
                sources, output, columns=named, shard=shard or None, watch=[bar.show], **options
            )
        except KeyboardInterrupt:
            raise RunAgain("\nInterrupted; run the same command to resume.", 130) from None
    _say_left_out(array, output)
    dims = dimension_names(array) or ()
    say(
        f"{output}: {dict(zip(dims, array.shape, strict=True))}, {array.dtype}, "
        f"{show_bytes(array.nbytes)}, chunks {array.chunks}, shards {array.shards}"
    )
    feature = "" if array.ndim == 2 else f" --feature-dim {'band' if 'band' in dims else dims[-1]}"
    say(f"streamkm fit {shlex.quote(output)}{feature} -k K -o MODEL.zarr")


def _say_left_out(array: Any, output: str) -> None:
    for line in attribute_lines(array.attrs):
        say_aside(line)
    skipped = marks_of(output).get("skipped", [])
    if skipped:
        more = f", and {len(skipped) - _NAMED:,} more" if len(skipped) > _NAMED else ""
        names = ", ".join(skipped[:_NAMED])
        say_aside(f"left out {len(skipped):,} damaged images: {names}{more}")
