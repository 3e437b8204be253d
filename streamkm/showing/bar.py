"""The progress bar: a bar on a terminal or in a notebook, or occasional lines in a log."""

from __future__ import annotations

import sys
import time
from typing import Any, Self

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from streamkm.progress import Progress
from streamkm.showing.console import PlainConsole
from streamkm.showing.notebook import notebook_bar
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
    "signatures": "reading codes",
    "comparing": "comparing images",
    "sort": "reading and sorting rows",
    "compare": "comparing rows",
    "mask": "writing the mask",
    "merge": "writing partitions",
}


class ProgressBar:
    """Shows the current phase: units done, bytes, rate and remaining time."""

    def __init__(self) -> None:
        self._notebook = notebook_bar()
        # Notebooks show the standard error stream in red, and it claims to be a terminal.
        self._console = PlainConsole(stderr=self._notebook is None)
        self._on_terminal = self._console.is_terminal and self._notebook is None
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(20),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self._console,
            disable=not self._on_terminal,
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
        if self._on_terminal:  # rich 13 prints an empty line elsewhere
            self._bars.stop()
        if self._notebook:
            self._notebook.close()

    def show(self, now: Progress) -> None:
        """Move the bar; in a log, print a line if none was printed for a while."""
        last, self._last = self._last, now
        if self._first is None or last is None or last.phase != now.phase or last.done > now.done:
            self._first = now  # a resumed run does not start a phase at 0
            self._began, self._words = time.monotonic(), _WORDS.get(now.phase, now.phase)
            self._bars.reset(self._task, completed=_measured(now)[0])
        count = f"{now.done:,} {now.unit}" if now.unit else ""
        if now.total is not None:
            count = f"{now.done:,} of {now.total:,} {now.unit}"
        nbytes = f", {show_bytes(now.nbytes)}" if now.nbytes else ""
        rate = left = ""
        if now.done > self._first.done and _measured(now)[0] > _measured(self._first)[0]:
            rate, left = self._pace(self._first, now)
        short = count + ((now.total is not None and rate) or nbytes)  # 80 columns have no room
        change: dict[str, Any] = {"description": self._words, "count": short, "visible": True}
        done, total = _measured(now)
        self._bars.update(self._task, completed=done, total=total, **change)
        if self._notebook:
            self._notebook.update(self._words, done, total, f"{count}{nbytes}{rate}{left}")
        if now.done > self._first.done:
            self._log(f"{self._words}: {count}{nbytes}{rate}{left}")

    def step(self, words: str) -> None:
        """Show a step within the phase, such as one of a search in memory."""
        so_far = f"({show_seconds(time.monotonic() - self._began)} so far)"
        described = f"{self._words}, {words}" if words else self._words
        self._bars.update(self._task, description=described)
        if self._notebook:
            self._notebook.update(described, 0, None, so_far)
        self._log(f"{self._words}: {words} {so_far}" if words else f"{self._words} {so_far}")

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._spoke = time.monotonic()
        self._console.print(line, soft_wrap=True)

    def _log(self, line: str) -> None:
        shown = self._on_terminal or self._notebook is not None
        if not shown and time.monotonic() - self._spoke >= SILENCE:
            self.say(line)

    def _pace(self, first: Progress, now: Progress) -> tuple[str, str]:
        """Bytes or units per second, and remaining time, each empty if it is unknown."""
        seconds, rate, left = max(time.monotonic() - self._began, 1e-9), "", ""
        if now.nbytes > first.nbytes:
            rate = f", {show_bytes((now.nbytes - first.nbytes) / seconds)}/s"
        elif now.total is not None:
            rate = f", {(now.done - first.done) / seconds:,.3g} {now.unit}/s"
        done, total = _measured(now)
        if total is not None:
            left = f", {show_seconds(seconds * (total - done) / (done - _measured(first)[0]))} left"
        return rate, left


def _measured(now: Progress) -> tuple[int, int | None]:
    """Return the finished work and all work, in bytes if they are known for units of any size."""
    return (now.nbytes, now.total_nbytes) if now.total_nbytes else (now.done, now.total)
