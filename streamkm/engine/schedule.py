"""Execution of graphs on the user's scheduler or Client."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import dask
import dask.multiprocessing
import dask.threaded
from dask.delayed import Delayed
from dask.system import CPU_COUNT

from streamkm.errors import ClusterError
from streamkm.rows import memory_here

_IN_FLIGHT = 2
_ENOUGH = 24  # blocks of a wave for each core
PROCESSES = ("processes", "multiprocessing")  # names of Dask's scheduler of processes
_LEAST_OF_A_CLUSTER = 20  # assumed cores, because workers may still start


def threads() -> int:
    """Return the number of concurrent tasks: Dask's setting, Slurm's, or the available cores."""
    configured = dask.config.get("num_workers", None)
    return int(configured or os.environ.get("SLURM_CPUS_PER_TASK") or CPU_COUNT)


def memory_without_limit() -> int:
    """Return the bytes that the work may take by default: those of this machine, or 0 if unknown.

    Workers of a cluster may have another memory.
    """
    return 0 if client() is not None else memory_here()


def wave_size() -> int:
    """Return the number of blocks of a wave, after which a read can stop: a power of eight.

    It is large enough for each core that idle time at the end of a wave is small.
    """
    cluster, cores = client(), threads()
    if cluster is not None:
        with _named():
            cores = max(_LEAST_OF_A_CLUSTER, sum(cluster.ncores().values()))
    size = 8
    while size < _ENOUGH * cores:
        size *= 8
    return size


def on_threads(here: bool) -> bool:
    """Return whether work runs on threads of this process: if `here`, or by Dask's setting."""
    configured = dask.config.get("scheduler", None)
    return here or (configured in (None, "threads", "threading") and client() is None)


def in_threads(work: Callable[[int], Any], count: int) -> Iterator[Any]:
    """Yield the results for 0, 1, ... in order, from threads without a graph."""
    if count == 1 or threads() == 1:
        yield from map(work, range(count))
        return
    waiting: deque[Future[Any]] = deque()
    pool = _pool(threads())
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
        wait(waiting)


def results(graphs: Iterator[Delayed], here: bool, ahead: int) -> Iterator[Any]:
    """Yield the results of the waves in order; a cluster gets the next wave before one ends.

    `here` runs the work on threads of this process, for rows in its memory. On threads there are
    `ahead` more tasks than cores, so that no core is idle while a block is read.
    """
    cluster = None if here else client()
    if cluster is not None:
        yield from _on_cluster(cluster, graphs)
        return
    chosen = dask.config.get("num_workers", None) or not on_threads(here)
    asked = _asked(threads() + (0 if chosen else ahead), here)
    for graph in graphs:
        (result,) = dask.compute(graph, **asked)
        yield result


def shared(value: Any) -> Any:
    """Return a large value for a graph: on a cluster, a future, so that the graph stays small."""
    cluster = client()
    return value if cluster is None else cluster.scatter(value, hash=False)


def _asked(n_threads: int, here: bool) -> dict[str, Any]:
    """Return arguments of `dask.compute`; Dask's configuration would affect all threads."""
    if on_threads(here):
        given = dask.config.get("pool", None)
        # A name would make Dask import distributed to look for a Client, which takes half a second;
        # Python can lose a signal that arrives in an import.
        return {
            "scheduler": dask.threaded.get,
            "pool": _pool(n_threads) if given is None else given,
        }
    asked: dict[str, Any] = {}
    if dask.config.get("scheduler", None) in PROCESSES:
        asked["num_workers"] = n_threads
        pools: dict[int, ProcessPoolExecutor] | None = getattr(_pools, "processes", None)
        if pools is not None:
            if n_threads not in pools:
                context = dask.multiprocessing.get_context()
                pools[n_threads] = ProcessPoolExecutor(n_threads, mp_context=context)
            asked["pool"] = pools[n_threads]
    return asked


_pools = threading.local()


@contextmanager
def same_processes() -> Iterator[None]:
    """Run all reads within the block on the same processes, if Dask's scheduler is of processes.

    Dask starts new processes for every `dask.compute`, which takes seconds. A pool or an
    initializer in Dask's configuration is left to Dask.
    """
    configured = ("pool", "multiprocessing.initializer")
    if hasattr(_pools, "processes") or any(dask.config.get(n, None) for n in configured):
        yield
        return
    _pools.processes = {}
    try:
        yield
    finally:
        for pool in _pools.__dict__.pop("processes").values():
            pool.shutdown()


def _pool(n_threads: int) -> ThreadPoolExecutor:
    """Return the pool of this thread in this process.

    A forked process inherits Dask's own pool without its threads, so tasks would hang. Each thread
    has its own pool, so that a task of one pool may wait for a task of another.
    """
    name = f"{os.getpid()} {n_threads}"
    if not hasattr(_pools, name):
        setattr(_pools, name, ThreadPoolExecutor(n_threads, thread_name_prefix="streamkm"))
    pool: ThreadPoolExecutor = getattr(_pools, name)
    return pool


@contextmanager
def _named() -> Iterator[None]:
    """Convert errors of a cluster to messages that say what to do."""
    # The creator of the Client has imported it already.
    from distributed import CancelledError, KilledWorker
    from distributed.comm import CommClosedError

    try:
        yield
    except KilledWorker as error:
        raise ClusterError(
            f"a task was lost with its worker repeatedly ({error}). The usual cause is a worker "
            "out of memory: give workers more memory, or set a memory limit for smaller blocks."
        ) from error
    except (CancelledError, CommClosedError, TimeoutError) as error:
        raise ClusterError(
            f"the connection to the scheduler was lost ({type(error).__name__}: {error}). Restart "
            "the scheduler and repeat the run; with a checkpoint it resumes."
        ) from error


def _on_cluster(cluster: Any, graphs: Iterator[Delayed]) -> Iterator[Any]:
    waiting: deque[Any] = deque()
    try:
        for graph in graphs:
            waiting.append(cluster.compute(graph))
            if len(waiting) == _IN_FLIGHT:
                yield _result(waiting.popleft())
        while waiting:
            yield _result(waiting.popleft())
    finally:
        if waiting and cluster.status == "running":
            cluster.cancel(list(waiting))


def _result(future: Any) -> Any:
    with _named():
        return future.result()


def client() -> Any:
    """Return the user's distributed Client if waves can be queued on it, which tasks cannot."""
    # The default Client sets the scheduler itself.
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
