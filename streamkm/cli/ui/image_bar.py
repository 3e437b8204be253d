"""How far reads of images are."""

from __future__ import annotations

import time
from typing import Any, Self

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from streamkm.cli.ui.console import PlainConsole
from streamkm.progress import Progress

_SILENCE = 5.0  # seconds without a line in a log
_WORDS = {
    "headers": "reading headers",
    "colours": "reading colours",
    "patches": "cutting patches",
    "training": "training on patches",
    "codes": "writing codes",
    "files": "writing files",
}


class Bar:
    """Shows each read; in a log, a line now and then."""

    def __init__(self) -> None:
        self._console = PlainConsole(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,} of {task.total:,}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._tasks: dict[str, Any] = {}
        self._spoke = time.monotonic()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def seen(self, now: Progress) -> None:
        """Move the bar of a read, or write a line."""
        words = _WORDS.get(now.phase, now.phase)
        if now.phase not in self._tasks:
            self._tasks[now.phase] = self._bars.add_task(words, total=now.total)
        self._bars.update(self._tasks[now.phase], completed=now.done)
        clock = time.monotonic()
        if self._console.is_terminal or clock - self._spoke < _SILENCE:
            return
        self._spoke = clock
        self._console.print(f"{words}: {now.done:,} of {now.total:,}", soft_wrap=True)
