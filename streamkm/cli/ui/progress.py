"""How a run shows itself: a bar on a terminal; in a log a line a read, and now and then a wave."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from dask.callbacks import Callback
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from streamkm.cli.ui.console import PlainConsole
from streamkm.fitting import FitState, describe
from streamkm.kernels import compiling
from streamkm.sizes import show_bytes, show_seconds

_SILENCE = 5.0  # seconds without a line, of steps in memory and of waves


class ReadProgress(Callback):  # type: ignore[misc]
    """Shows the blocks of the running read, and a line for each read that ended.

    At the end, what a first run had to compile.

    Parameters
    ----------
    n_blocks, nbytes, n_rows : blocks of a read, its decoded bytes and its rows
    """

    def __init__(self, n_blocks: int, nbytes: int, n_rows: int) -> None:
        super().__init__(posttask=self._block_done)
        self._console = PlainConsole(stderr=True)
        self._nbytes, self._n_rows = nbytes, n_rows
        self._read = 0
        self._compiled = compiling.seconds
        self._began = self._spoke = time.monotonic()
        self._first: int | None = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("blocks"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._name = "read 1"
        self._task = self._bar.add_task(self._name, total=n_blocks)

    def __enter__(self) -> Self:
        super().__enter__()
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
        super().__exit__(kind, error, trace)
        seconds = compiling.seconds - self._compiled
        if seconds:
            self._console.print(f"compiling kernels, {compiling.often}: {seconds:.1f} s")

    def _block_done(self, key: Any, *_: Any) -> None:
        if isinstance(key, tuple) and str(key[0]).endswith("-block"):
            self._bar.advance(self._task)
            if self._bar.tasks[0].finished:  # what is left of the read is put together, or searched
                self._bar.update(self._task, description=f"{self._name}, solving in memory")

    def seen(self, state: FitState) -> None:
        """Say what a read brought, and begin the next bar; of steps in memory, only the last."""
        if state.folded:
            self._wave_done(state, state.folded.n_blocks)
            return
        seconds = time.monotonic() - self._began
        line = f"{describe(state)}, {show_seconds(seconds)}"
        if state.n_passes > self._read:
            line += f", {self._rate(1.0, seconds)}"
        elif not state.done and seconds < _SILENCE:
            return
        self._read = state.n_passes
        self.say(line)
        self._bar.update(self._task, total=state.plan.n_blocks)
        self.next_read("in memory" if state.in_memory else f"read {state.n_passes + 1}")

    def searching(self, words: str) -> None:
        """Show a step of a search in memory: in the bar at once, in a log now and then."""
        self._bar.update(self._task, description=f"{self._name}, searching: {words}")
        now = time.monotonic()
        if not self._console.is_terminal and now - self._spoke >= _SILENCE:
            self.say(
                f"{self._name}: searching in memory: {words}, {show_seconds(now - self._began)}"
            )

    def _wave_done(self, state: FitState, done: int) -> None:
        """Move the bar, which a cluster's tasks do not; in a log, say how far a long read is."""
        now, n_blocks = time.monotonic(), state.plan.n_blocks
        if self._first is None:  # after a resume a read does not begin with its first block
            self._first = done
        self._bar.update(self._task, completed=done)
        if self._console.is_terminal or now - self._spoke < _SILENCE or done == self._first:
            return
        seconds, share = now - self._began, (done - self._first) / n_blocks
        left = seconds * (n_blocks - done) / max(1, done - self._first)
        rate = self._rate(share, seconds)
        self.say(f"{describe(state)}, {rate}, {show_seconds(left)} left of this read")

    def _rate(self, share: float, seconds: float) -> str:
        """Of a share of a read."""
        seconds = max(seconds, 1e-9)
        rows = share * self._n_rows / seconds
        return f"{show_bytes(share * self._nbytes / seconds)}/s, {rows:,.0f} rows/s"

    def say(self, line: str) -> None:
        """A line above the bar."""
        self._spoke = time.monotonic()
        self._console.print(line, soft_wrap=True)

    def next_read(self, name: str) -> None:
        """Begin a bar of another name."""
        self._began = self._spoke = time.monotonic()
        self._first = None
        self._name = name
        self._bar.reset(self._task, description=name)
