"""Compilation of kernels: its time, as reported by Numba, and signals that arrive meanwhile."""

from __future__ import annotations

import logging
import signal
import threading
import time
from contextlib import AbstractContextManager
from typing import Any

from numba.core import event
from numba.core.compiler_lock import global_compiler_lock

_log = logging.getLogger("streamkm")


class Compiling(event.Listener):
    """Count the kernels that this process compiles; kernels from the cache are not counted.

    Signals that raise an exception, such as Ctrl-C, are raised when the compilation ends, because
    callbacks of LLVM lose exceptions.

    Attributes
    ----------
    kernels : int, number of compiled specialisations
    seconds : float, time during which one thread compiled and others waited for a kernel
    often : str, how often the kernels have to be compiled
    """

    def __init__(self) -> None:
        self.kernels = 0
        self.seconds = 0.0
        self.often = "once on this machine"
        # Numba compiles under one lock; nested events are kernels called by kernels.
        self._began: list[float] = []
        self._handlers: dict[int, Any] = {}
        self._signals: list[int] = []

    def on_start(self, event: Any) -> None:
        if _ours(event):
            if not self._began:
                self._defer_signals()
            self._began.append(time.monotonic())

    def on_end(self, event: Any) -> None:
        if not _ours(event):
            return
        self.kernels += 1
        seconds = time.monotonic() - self._began.pop()
        if not self._began:
            self.seconds += seconds
            kernel = event.data["dispatcher"]
            if not kernel.stats.cache_path:
                self.often = "in every process"
            name = kernel.py_func.__name__
            _log.info("compiled kernel %s, %s: %.1f s", name, self.often, seconds)
            self._raise_signals()

    def _defer_signals(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if callable(handler := signal.getsignal(number)):
                    self._handlers[number] = handler
                    signal.signal(number, lambda number, _: self._signals.append(number))

    def _raise_signals(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        deferred, self._handlers, self._signals = self._signals, {}, []
        for number in deferred:
            signal.raise_signal(number)


def _ours(event: Any) -> bool:
    return bool(event.data["dispatcher"].py_func.__module__.startswith("streamkm."))


# While one thread holds it, no other thread compiles.
compiler_lock: AbstractContextManager[Any] = global_compiler_lock

compiling = Compiling()
event.register("numba:compile", compiling)
