"""Progress of fits, sweeps and labels: the blocks of each read, and a line for its result."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Self

from dask.callbacks import Callback

from streamkm.decoding.notices import attribute_lines
from streamkm.fitting import FitState, StateCallback, describe
from streamkm.kernels import compiling
from streamkm.progress import Progress
from streamkm.rows import FileArray, Rows
from streamkm.runs.running import ProgressCallbacks
from streamkm.showing.bar import SILENCE, ProgressBar
from streamkm.sizes import show_bytes, show_seconds


class ReadProgress(Callback):  # type: ignore[misc]
    """Shows the blocks of the running read, and prints a line for each finished read.

    At the end it prints how long the first run compiled kernels.

    Parameters
    ----------
    rows : Rows that are read
    line : callable or None
        Prints the line of a finished read; by default it is printed beside the bar, with the rate.
    blocks : number of blocks that are read, or None for all
    """

    def __init__(
        self, rows: Rows, line: StateCallback | None = None, blocks: int | None = None
    ) -> None:
        super().__init__(posttask=self._block_done)
        self._bar, self._line = ProgressBar(), line
        share = 1.0 if blocks is None else blocks / rows.plan.n_blocks
        self._nbytes = int(rows.layout.nbytes * share)
        self._n_rows = rows.layout.n_rows
        self._read: float = 0
        self._compiled = compiling.seconds
        self._began = time.monotonic()
        self._searched: float | None = None  # when a search in memory began after the read
        self._said = ""  # description of the last state
        self._working = ""  # description of the work in memory that the last state was in
        self._n_blocks = rows.plan.n_blocks if blocks is None else blocks
        self._now = Progress("read 1", 0, self._n_blocks, "blocks")
        self.say = self._bar.say
        self._part = ""
        self._left_out = _left_out(rows)
        self.callbacks = ProgressCallbacks(
            self.on_state, self.searching, self.next_read, self.say, self.next_part, self.stage
        )

    def __enter__(self) -> Self:
        super().__enter__()
        self._bar.__enter__()
        for line in self._left_out:
            self.say(line)
        self.advance_to(0)
        return self

    def __exit__(self, *error: Any) -> None:
        self._bar.__exit__(*error)
        super().__exit__(*error)
        seconds = compiling.seconds - self._compiled
        if seconds:
            self.say(f"compiling kernels, {compiling.often}: {seconds:.1f} s")

    def on_state(self, state: FitState) -> None:
        """Show a wave; print the result of a read, or of the last of several steps in memory."""
        self._n_blocks = state.plan.n_blocks  # of a resumed run, which may have another plan
        blocks = None if state.done else state.ask()[1]
        total = self._n_blocks if blocks is None else len(blocks)  # a mini-batch has some blocks
        self._now = replace(self._now, total=total)
        if state.read_blocks:
            self.advance_to(state.read_blocks)  # single tasks of a cluster are not reported
            return
        if state.working:
            self._read = state.n_passes  # of a run that resumes within this work, too
            self._work(state)
            return
        now = time.monotonic()
        read = state.n_passes > self._read
        if self._working and not read:
            self._worked(state, now)
            return
        said, self._said = self._said, describe(state)
        repeated = self._said == said  # a seeding may ask several questions of a table
        if not (repeated or self._line or read or state.done or now - self._began >= SILENCE):
            self._searched = None
            self.advance_to(0)  # the next step counts its blocks from 0
            return
        if not repeated and self._line is not None:
            self._line(state)
        elif not repeated:
            self.say(self._described(state, now, read))
        self._read = state.n_passes
        self.next_read("in memory" if state.in_memory else f"read {state.n_passes + 1:.4g}")

    def _work(self, state: FitState) -> None:
        """Show a step of a search or of settling, which have a bar of their own."""
        if not self._working and state.can_stop:
            self._began = time.monotonic()
            self._bar.show(Progress("in memory", 0, None, ""))
        self._working = state.working
        if state.can_stop:  # a search reports each of its steps
            self._bar.step(state.working)

    def _worked(self, state: FitState, now: float) -> None:
        """Print how long the search or the settling took that has ended."""
        searched = not any(t.history for t in state.trajectories)
        line = describe(state) if searched else f"in memory: {self._working}"
        if self._line is None and now - self._began >= SILENCE:
            self.say(f"{self._part}{line}, {show_seconds(now - self._began)}")
        elif self._line is not None and searched:
            self._line(state)
        self._working = ""
        self.next_read(f"read {state.n_passes + 1:.4g}")

    def _described(self, state: FitState, now: float, read: bool) -> str:
        """The line of a step, with the rate of its read and the time of a search, if any."""
        seconds = (self._searched or now) - self._began
        line = f"{self._part}{describe(state)}, {show_seconds(seconds)}"
        if read and not (self._part and state.in_memory):  # a split may be of rows in memory
            each = 1 / max(seconds, 1e-9)
            line += f", {show_bytes(self._nbytes * each)}/s, {self._n_rows * each:,.0f} rows/s"
        if self._searched is not None:
            line += f", and a search in memory of {show_seconds(now - self._searched)}"
        return line

    def searching(self, words: str) -> None:
        """Show a step of a search in memory, which has a bar of its own."""
        if self._searched is None:
            self._searched = time.monotonic()
            self._bar.show(Progress("searching in memory", 0, None, ""))
        self._bar.step(words)

    def next_part(self, name: str) -> None:
        """Start a part of a run, which counts its own reads, such as a split."""
        self._part, self._read, self._said = f"{name}, ", 0, ""
        if self._line is not None:  # its lines do not name the part
            self.say(name)
        self.next_read(name)

    def next_read(self, name: str) -> None:
        """Start the bar of a read."""
        self._began, self._searched = time.monotonic(), None
        if self._now.unit != "blocks":  # after a stage
            self._now = Progress(name, 0, self._n_blocks, "blocks")
        self._now = replace(self._now, phase=name)
        self.advance_to(0)

    def stage(self, name: str, done: int, total: int) -> None:
        """Show a fold that is not a read of the rows, such as the fits of their groups."""
        self._now = Progress(name, done, total, "parts")
        self._bar.show(self._now)

    def _block_done(self, key: Any, *_: Any) -> None:
        now = self._now
        more = now.total is None or now.done < now.total  # a stage may have other tasks
        if more and isinstance(key, tuple) and str(key[0]).endswith("-block"):
            self.advance_to(self._now.done + 1)

    def advance_to(self, done: int) -> None:
        """Set the finished blocks of the running read, which may have been resumed."""
        is_read = self._now.unit == "blocks"
        nbytes = self._nbytes * done // self._n_blocks if is_read else 0
        self._now = replace(self._now, done=done, nbytes=nbytes)
        self._bar.show(self._now)


def _left_out(rows: Rows) -> list[str]:
    """Return lines on the parts of files in place that are not used.

    Stores have no such lines here, because `ingest` printed them.
    """
    arrays = [array for array in rows.sources if isinstance(array, FileArray) and array.files]
    return list(dict.fromkeys(line for array in arrays for line in attribute_lines(array.attrs)))
