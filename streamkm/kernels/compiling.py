"""Time spent on compiling kernels, as reported by Numba's events, for the log and the progress."""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager
from typing import Any

from numba.core import event
from numba.core.compiler_lock import global_compiler_lock

_log = logging.getLogger("streamkm")


class Compiling(event.Listener):
    """Count the kernels that this process compiles; kernels from the cache are not counted.

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
        self._began: list[
            float
        ] = []  # Numba compiles under one lock; nested events are kernels called by kernels

    def on_start(self, event: Any) -> None:
        if _ours(event):
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


def _ours(event: Any) -> bool:
    return bool(event.data["dispatcher"].py_func.__module__.startswith("streamkm."))


# While one thread holds it, no other thread compiles.
compiler_lock: AbstractContextManager[Any] = global_compiler_lock

compiling = Compiling()
event.register("numba:compile", compiling)
