"""Everything that is measured runs in a process of its own, on the same cores."""

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
    """Two cores for this process and its children: every library here asks the affinity.

    The variables are for a BLAS or OpenMP that does not; Dask's pool is what streamkm and dask-ml
    run on, and it is as large as the affinity too.
    """
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    for name in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
        os.environ[f"{name}_NUM_THREADS"] = str(CORES)


def process() -> ProcessPoolExecutor:
    """One fresh process, which keeps what it has imported, compiled and made."""
    quiet = {"initializer": warnings.simplefilter, "initargs": ("ignore",)}
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), **quiet)


def alone(call: Callable[..., Any], *arguments: Any) -> Any:
    """The answer of a call in a process that has done nothing else."""
    with process() as one:
        return one.submit(call, *arguments).result()


def peak() -> int:
    """The most memory this process held, in bytes; its maximum resident size is its parent's."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
