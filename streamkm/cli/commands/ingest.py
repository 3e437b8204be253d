"""``streamkm ingest``."""

from __future__ import annotations

import shlex
import time
from typing import Any, Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from streamkm.cli.ui.console import PlainConsole
from streamkm.cli.ui.say import say
from streamkm.decoding.notices import notice_lines
from streamkm.errors import RunAgain
from streamkm.ingesting import Progress as Ingested
from streamkm.ingesting import ingest
from streamkm.outputs import marks_of
from streamkm.rows.open import dimension_names
from streamkm.sizes import show_bytes, show_seconds

_SILENCE = 5.0  # seconds without a line in a log
_NAMED = 20  # damaged files, at most


def run(
    sources: tuple[str, ...],
    output: str,
    columns: str | None,
    shard: int,
    **options: Any,
) -> None:
    """Write the store; print what it holds and what to do with it."""
    named = None if columns is None else [name.strip() for name in columns.split(",")]
    with Bar() as bar:
        try:
            array = ingest(
                sources, output, columns=named, shard=shard or None, watch=[bar.seen], **options
            )
        except KeyboardInterrupt:
            raise RunAgain("\nInterrupted; run the same command to go on.", 130) from None
    _say_left_out(array, output)
    dims = dimension_names(array) or ()
    say(
        f"{output}: {dict(zip(dims, array.shape, strict=True))}, {array.dtype}, "
        f"{show_bytes(array.nbytes)}, chunks {array.chunks}, shards {array.shards}"
    )
    feature = "" if array.ndim == 2 else f" --feature-dim {'band' if 'band' in dims else dims[-1]}"
    say(f"streamkm fit {shlex.quote(output)}{feature} -k K -o MODEL.zarr")


def _say_left_out(array: Any, output: str) -> None:
    left_out = array.attrs.get("left_out", [])
    if left_out:
        names = ", ".join(left_out)
        say(f"left out, as not all of their values are numbers: {names}", err=True)
    for line in notice_lines(array.attrs.get("notices", [])):
        say(line, err=True)
    skipped = marks_of(output).get("skipped", [])
    if skipped:
        more = f", and {len(skipped) - _NAMED:,} more" if len(skipped) > _NAMED else ""
        say(f"skipped {len(skipped):,} damaged: {', '.join(skipped[:_NAMED])}{more}", err=True)


class Bar:
    """Shows bytes and time; in a log, a line now and then."""

    def __init__(self) -> None:
        self._console = PlainConsole(stderr=True)
        self._bar = Progress(
            TextColumn("ingest"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None)
        self._began = self._spoke = time.monotonic()
        self._first: Ingested | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def seen(self, now: Ingested) -> None:
        """Move the bar, or write a line."""
        total = None if now.total is None else now.nbytes / now.done * now.total
        self._bar.update(self._task, completed=now.nbytes, total=total)
        clock = time.monotonic()
        first = self._first = self._first or now
        if self._console.is_terminal or clock - self._spoke < _SILENCE:
            return
        self._spoke = clock
        shards = f"{now.done:,} of {now.total:,}" if now.total else f"{now.done:,}"
        line = f"{shards} shards, {show_bytes(now.nbytes)}"
        if now.total and now.done > first.done:
            pace = (clock - self._began) / (now.done - first.done + 1)
            line += f", {show_seconds(pace * (now.total - now.done))} left"
        self._console.print(line, soft_wrap=True)
