"""Where graphs run: on the user's scheduler or Client, with BLAS held back."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import dask
from dask.delayed import Delayed
from dask.system import CPU_COUNT
from threadpoolctl import threadpool_limits

_IN_FLIGHT = 2


def threads() -> int:
    """Tasks that run at once here: Dask's setting, Slurm's, or the cores this process may use."""
    configured = dask.config.get("num_workers", None)
    return int(configured or os.environ.get("SLURM_CPUS_PER_TASK") or CPU_COUNT)


def on_threads(here: bool = False) -> bool:
    """Whether work runs on this process's threads: always if `here`, or as Dask is configured."""
    configured = dask.config.get("scheduler", None)
    return here or (configured in (None, "threads", "threading") and client() is None)


def in_threads(work: Callable[[int], Any], count: int) -> Iterator[Any]:
    """Answers to 0, 1, ..., in order, without a graph: what is in memory is soon done."""
    if count == 1 or threads() == 1:
        yield from map(work, range(count))
        return
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(threads()) as pool:
        try:
            for number in range(count):
                waiting.append(pool.submit(work, number))
                if len(waiting) == _IN_FLIGHT * threads():
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def results(graphs: Iterator[Delayed], here: bool = False, ahead: bool = False) -> Iterator[Any]:
    """Answers of the waves in order; on a cluster the next is submitted before the last drains.

    `here` keeps the work on this process's threads, for rows that are in its memory. With `ahead`
    there is a task more than cores, so that none idles while a block is waited for.
    """
    cluster = None if here else client()
    if cluster is None:
        settings: dict[str, Any] = {"scheduler": "threads"} if here else {}
        if not dask.config.get("num_workers", None):
            settings["num_workers"] = threads() + ahead
        for graph in graphs:
            with dask.config.set(settings):
                (result,) = dask.compute(graph)
            yield result
        return
    waiting: deque[Any] = deque()
    try:
        for graph in graphs:
            waiting.append(cluster.compute(graph))
            if len(waiting) == _IN_FLIGHT:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        if waiting:
            cluster.cancel(list(waiting))


def client() -> Any:
    """The user's distributed Client when waves can be queued on it: not from inside a task."""
    # A Client that is the default sets the scheduler itself.
    wanted = dask.config.get("scheduler", None)
    if "distributed" not in sys.modules or wanted not in (None, "dask.distributed", "distributed"):
        return None
    import distributed

    try:
        distributed.get_worker()
    except ValueError:
        pass
    else:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


def one_blas_thread() -> AbstractContextManager[Any]:
    """Dask owns the cores: BLAS is held to one thread for the whole read, not task by task."""
    return threadpool_limits(1, user_api="blas")  # type: ignore[no-any-return]
