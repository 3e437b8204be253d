"""Progress reports and the deadline of searches in memory.

A search may take minutes between two states of a fit. It reports each of its steps to the current
monitor, and ends after the step in which the deadline passed, with the best centroids so far.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

Callback = Callable[[str], object]


@dataclass
class Monitor:
    """Callbacks and deadline of the searches of a fit.

    Parameters
    ----------
    callbacks : tuple of callable
        Each is called with a description of every step; an exception that it raises ends the
        search.
    deadline : float, optional
        Time by `time.monotonic`, in seconds.
    timed_out : bool
        Whether the deadline ended a search.
    """

    callbacks: tuple[Callback, ...] = ()
    deadline: float | None = None
    timed_out: bool = False

    def report(self, step: str) -> None:
        """Call the callbacks with the description of a step."""
        for callback in self.callbacks:
            callback(step)

    def out_of_time(self) -> bool:
        """Return whether the deadline has passed; a search that calls this then ends."""
        if self.deadline is not None and time.monotonic() > self.deadline:
            self.timed_out = True
        return self.timed_out


_SILENT = Monitor()
_CURRENT: ContextVar[Monitor] = ContextVar("monitor", default=_SILENT)


def current_monitor() -> Monitor:
    """Return the monitor of searches that begin now."""
    return _CURRENT.get()


@contextmanager
def monitored(callback: Callback | None = None, deadline: float | None = None) -> Iterator[Monitor]:
    """Add a callback or an earlier deadline to the searches within the context."""
    outer = _CURRENT.get()
    deadlines = [each for each in (outer.deadline, deadline) if each is not None]
    callbacks = (*outer.callbacks, *([callback] if callback else []))
    monitor = Monitor(callbacks, min(deadlines, default=None))
    token = _CURRENT.set(monitor)
    try:
        yield monitor
    finally:
        _CURRENT.reset(token)
