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
from time import perf_counter

from streamkm.sizes import show_seconds

Callback = Callable[[str], object]
_BRIEF = 1.0  # seconds of a stage after which its remaining time is estimated
_KNOWN = 0.02  # share of the work from which the remaining time is estimated


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
    _began: tuple[float, float] | None = None  # time and share of the first report of a stage

    def begin(self) -> None:
        """Begin a stage, whose remaining time is estimated from its own steps."""
        self._began = None

    def report(self, step: str, share: float = 0.0) -> None:
        """Call the callbacks with the description of a step.

        Parameters
        ----------
        step : str
        share : float
            Share of the work of the current stage, at most, that is done after the step; the
            description then gives the remaining time. 0 if the work has no bound.
        """
        if self.callbacks:
            step += self._time_left(share)
        for callback in self.callbacks:
            callback(step)

    def _time_left(self, share: float) -> str:
        """Return the remaining time of a stage as text; nothing at its start."""
        now = perf_counter()
        self._began = self._began or (now, share)
        seconds, done = now - self._began[0], share - self._began[1]
        if seconds < _BRIEF or done < _KNOWN or share >= 1:
            return ""
        return f", at most {show_seconds(seconds / done * (1 - share))} left"

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
