"""A run of tests in a fork of this process, which has imported what takes long to import."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from types import ModuleType

import pytest

_MEMORY = 12 << 30  # bytes of address space


def preload() -> None:
    """Import the libraries of the tests, but nothing of streamkm, which is mutated."""
    import dask.array
    import distributed
    import hypothesis
    import numba
    import sklearn.cluster
    import sklearn.datasets
    import xarray
    import zarr

    del dask, distributed, hypothesis, numba, sklearn, xarray, zarr
    gc.freeze()  # pytest collects garbage ten times


def run(tree: Path, tests: list[str], plugins: list[str], seconds: float, log: Path) -> int:
    """Return the exit status of pytest, or -1 if it used more than `seconds` of the processor."""
    child = os.fork()
    if not child:
        _child(tree, tests, plugins, seconds, log)
    deadline = time.monotonic() + 60 + 20 * seconds
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return -1
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it left behind
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else -1


def _child(tree: Path, tests: list[str], plugins: list[str], seconds: float, log: Path) -> None:
    status = 99
    try:
        os.setsid()
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.chdir(tree)
        sys.path[:] = [str(tree), *(p for p in sys.path if p not in ("", os.getcwd()))]
        os.environ |= {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # plugins of libraries imported above
        sys.dont_write_bytecode = True
        limit = int(seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        sys.modules["__main__"] = ModuleType("__main__")  # which new processes would run again
        options = ["-x", "-q", "--no-header", "--tb=short", "-p", "_hypothesis_pytestplugin"]
        options += ["-p", "no:cacheprovider", *(word for p in plugins for word in ("-p", p))]
        if plugins:
            options += ["-W", "ignore::RuntimeWarning"]
        status = int(pytest.main([*options, *tests]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
