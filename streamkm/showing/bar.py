"""The progress bar of all commands: a bar on a terminal, or occasional lines in a log."""

from __future__ import annotations

import sys
import time
from typing import Any, Self

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from streamkm.progress import Progress
from streamkm.showing.console import PlainConsole
from streamkm.sizes import show_bytes, show_seconds

SILENCE = 5.0  # seconds between two lines in a log
_WORDS = {
    "ingest": "ingesting",
    "headers": "reading headers",
    "colours": "reading colours",
    "palettes": "searching palettes",
    "patches": "cutting patches",
    "training": "training on patches",
    "codes": "writing codes",
    "files": "writing files",
}


class ProgressBar:
    """Shows the current phase: units done, bytes, rate and remaining time."""

    def __init__(self) -> None:
        self._console = PlainConsole(stderr=True)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # lines for a file or a pipe stay there
        )
        self._task = self._bars.add_task("", total=None, visible=False, count="")
        self._began = self._spoke = time.monotonic()
        self._words = ""
        self._first: Progress | None = None
        self._last: Progress | None = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._bars.stop()

    def show(self, now: Progress) -> None:
        """Move the bar; in a log, print a line if none was printed for a while."""
        last, self._last = self._last, now
        if self._first is None or last is None or last.phase != now.phase or last.done > now.done:
            self._first = now  # a resumed run does not start a phase at 0
            self._began, self._words = time.monotonic(), _WORDS.get(now.phase, now.phase)
            self._bars.reset(self._task, completed=now.done)
        count = f"{now.done:,} {now.unit}" if now.unit else ""
        if now.total is not None:
            count = f"{now.done:,} of {now.total:,} {now.unit}"
        if now.nbytes:
            count += f", {show_bytes(now.nbytes)}"
        change: dict[str, Any] = {"description": self._words, "count": count, "visible": True}
        self._bars.update(self._task, completed=now.done, total=now.total, **change)
        if now.done > self._first.done:
            self._log(f"{self._words}: {count}{self._pace(self._first, now)}")

    def step(self, words: str) -> None:
        """Show a step within the phase, such as one of a search in memory."""
        self._bars.update(self._task, description=f"{self._words}, {words}")
        seconds = time.monotonic() - self._began
        self._log(f"{self._words}: {words} ({show_seconds(seconds)} so far)")

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._spoke = time.monotonic()
        self._console.print(line, soft_wrap=True)

    def _log(self, line: str) -> None:
        if not self._console.is_terminal and time.monotonic() - self._spoke >= SILENCE:
            self.say(line)

    def _pace(self, first: Progress, now: Progress) -> str:
        """Bytes per second and remaining time, if known."""
        seconds, pace = max(time.monotonic() - self._began, 1e-9), ""
        if now.nbytes > first.nbytes:
            pace = f", {show_bytes((now.nbytes - first.nbytes) / seconds)}/s"
        if now.total is not None:
            left = seconds * (now.total - now.done) / (now.done - first.done)
            pace += f", {show_seconds(left)} left"
        return pace
