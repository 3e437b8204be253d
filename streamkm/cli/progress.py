"""How a run shows itself: a bar on a terminal, one line a read in a log."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from dask.callbacks import Callback
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from streamkm.fitting import FitState, describe
from streamkm.kernels import compiling
from streamkm.sizes import show_bytes

_SILENCE = 5.0  # seconds without a line, of steps in memory


class ReadProgress(Callback):  # type: ignore[misc]
    """Shows the blocks of the running read, and a line for each read that ended.

    At the end, what a first run had to compile.

    Parameters
    ----------
    n_blocks : blocks of a read
    nbytes : decoded bytes of a read
    """

    def __init__(self, n_blocks: int, nbytes: int) -> None:
        super().__init__(posttask=self._block_done)
        self._console = Console(stderr=True, highlight=False)
        self._nbytes = nbytes
        self._read = 0
        self._compiled = compiling.seconds
        self._began = time.monotonic()
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
        self._task = self._bar.add_task("read 1", total=n_blocks)

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

    def read_done(self, state: FitState) -> None:
        """Say what a read brought, and begin the next bar; of steps in memory, only the last."""
        seconds = time.monotonic() - self._began
        line = f"{describe(state)}, {seconds:.1f} s"
        if state.n_passes > self._read:
            line += f", {show_bytes(self._nbytes / max(seconds, 1e-9))}/s"
        elif not state.done and seconds < _SILENCE:
            return
        self._read = state.n_passes
        self._console.print(line, soft_wrap=True)
        self._bar.update(self._task, total=state.plan.n_blocks)
        self.next_read("in memory" if state.in_memory else f"read {state.n_passes + 1}")

    def next_read(self, name: str) -> None:
        """Begin a bar of another name."""
        self._began = time.monotonic()
        self._bar.reset(self._task, description=name)
