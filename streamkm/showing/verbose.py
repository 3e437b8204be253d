"""The progress of a run in Python, where it is verbose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from streamkm.fitting import FitState, StateCallback
from streamkm.rows import Rows
from streamkm.runs.running import ProgressCallbacks


@contextmanager
def verbose_progress(
    verbose: int, rows: Rows, line: StateCallback | None = None
) -> Iterator[ProgressCallbacks]:
    """Functions that show the progress of a run, if it is verbose.

    The running read is a bar on a terminal or in a notebook, and elsewhere a line every few
    seconds on the standard error stream.

    Parameters
    ----------
    verbose : int
        Nothing is shown if it is 0.
    rows : Rows that are read
    line : callable or None
        As for `ReadProgress`.
    """
    if not verbose:
        yield ProgressCallbacks()
        return
    from streamkm.showing.reads import ReadProgress  # importing rich takes a tenth of a second

    with ReadProgress(rows, line) as bar:
        yield bar.callbacks


def also(progress: ProgressCallbacks, watch: StateCallback | None) -> ProgressCallbacks:
    """Return the functions with one more that is called with every state."""
    if watch is None:
        return progress
    own, other = progress.state, watch

    def both(state: FitState) -> None:
        own(state)
        other(state)

    return replace(progress, state=both)
