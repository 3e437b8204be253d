"""What compiling costs: Numba tells its listeners, and this one tells the log and the progress."""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager
from typing import Any

from numba.core import event
from numba.core.compiler_lock import global_compiler_lock

_log = logging.getLogger("streamkm")


class Compiling(event.Listener):
    """Counts what this process compiles of our kernels; what comes out of the cache is no event.

    Attributes
    ----------
    kernels : int, one for each kind of arguments
    seconds : float, in which one thread compiled and any others that wanted a kernel waited
    often : str, how often that has to be
    """

    def __init__(self) -> None:
        self.kernels = 0
        self.seconds = 0.0
        self.often = "once on this machine"
        self._began: list[float] = []  # Numba compiles under one lock: a kernel in a kernel

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


# Held by a thread, no other compiles.
compiler_lock: AbstractContextManager[Any] = global_compiler_lock

compiling = Compiling()
event.register("numba:compile", compiling)
