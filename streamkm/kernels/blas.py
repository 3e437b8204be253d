"""One thread for BLAS while streamkm computes, because its own threads use all cores."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController

# Reentrant, because a garbage collection while it is held may end a generator that holds a limit.
_LOCK = threading.RLock()
_limits: list[tuple[ThreadpoolController, Any]] = []  # what is limited now, and how to end it
_callers = 0


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread.

    The limit belongs to the process and ends with the last of the callers that overlap. Otherwise
    the end of one fit would give BLAS several threads, which round differently, within another fit.
    Libraries that use OpenMP have a limit for each thread.
    """
    global _callers
    libraries, of_threads = _loaded_blas(len(sys.modules))
    with _LOCK:
        if not _limits or _limits[-1][0] is not libraries:  # the first, or after an import
            _release(libraries)
            _limits.append((libraries, libraries.limit(limits=1)))
        _callers += 1
    try:
        with of_threads.limit(limits=1):
            yield
    finally:
        with _LOCK:
            _callers -= 1
            while _limits and not _callers:
                libraries, limit = _limits.pop()
                _release(libraries)
                limit.restore_original_limits()
                _release(libraries)


def _release(libraries: ThreadpoolController) -> None:
    """Let this thread set the limit, whichever thread set it last.

    threadpoolctl from 3.8 on ignores all threads but one while that holds a limit.
    """
    for library in libraries.lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


@lru_cache(maxsize=1)
def _loaded_blas(n_modules: int) -> tuple[ThreadpoolController, ThreadpoolController]:
    """Return the BLAS libraries with a limit for the process, and those with one for each thread.

    They are searched again only after an import, because a search takes five milliseconds.
    """
    found = ThreadpoolController().select(user_api="blas")
    paths: dict[bool, list[str]] = {False: [], True: []}
    for library in found.lib_controllers:
        paths[getattr(library, "threading_layer", "") == "openmp"].append(library.filepath)
    return found.select(filepath=paths[False]), found.select(filepath=paths[True])


def _forget() -> None:
    """Forget the callers of a parent process, which continue only there."""
    global _LOCK, _callers
    _LOCK, _callers = threading.RLock(), 0
    _limits.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
