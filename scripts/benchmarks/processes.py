"""Processes for measurements: each measurement runs in its own process, on the same cores."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

CORES = 2


def hold_cores() -> None:
    """Restrict this process and its children to two cores by the affinity of the process.

    The environment variables restrict a BLAS or OpenMP that ignores the affinity. The thread pool
    of Dask, which streamkm and dask-ml use, has the size of the affinity as well.
    """
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    for name in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
        os.environ[f"{name}_NUM_THREADS"] = str(CORES)


def process() -> ProcessPoolExecutor:
    """Yield a fresh process, which keeps its imports, compiled kernels and data between calls."""
    quiet = {"initializer": warnings.simplefilter, "initargs": ("ignore",)}
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), **quiet)


def alone(call: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a call in a fresh process."""
    with process() as one:
        return one.submit(call, *arguments).result()


def peak() -> int:
    """Return the peak memory of this process in bytes; `ru_maxrss` would include its parent."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
