"""Scheduler of a command: threads or processes of this machine, or a cluster."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import dask

from streamkm.cli.ui.say import say_aside
from streamkm.errors import ClusterError, DataError
from streamkm.files.near import similar_name

_LOOPBACK = "127.0.0.1:0"
_SPARE = 300  # seconds before the end of a worker job, at which the worker transfers its data
_STAGGER = 120  # seconds between the ends of workers that started together
_PATIENCE = "30s"  # seconds to wait for a scheduler that does not answer
_NOTICE = 60  # seconds to wait for the first worker
CLUSTER = ("scheduler", "workers", "dashboard", "report")  # the options of `scheduled`
_OURS = ("threads", "processes", "slurm")


@contextmanager
def scheduled(
    scheduler: str | None, workers: int | None, dashboard: str | None, report: str | None
) -> Iterator[None]:
    """Run Dask's computations in the block on a scheduler.

    Parameters
    ----------
    scheduler : None (Dask's configuration), 'threads', 'processes', 'slurm', or an address
    workers : number of processes, or maximum number of jobs
    dashboard : host:port of the dashboard; by default loopback with any free port
    report : HTML file for Dask's performance report, or None

    Raises
    ------
    DataError
        If a package is missing, or an option does not apply to the scheduler.
    ClusterError
        If the scheduler cannot be reached, or Slurm rejects the worker jobs.
    """
    if scheduler is not None and scheduler not in _OURS:
        _refuse_no_address(scheduler)
    for option, value in (("--workers", workers), ("--dashboard", dashboard)):
        if value is not None and scheduler not in ("processes", "slurm"):
            raise DataError(f"{option} needs --scheduler processes or slurm.")
    if scheduler in (None, "threads"):
        if report is not None:
            raise DataError(
                "--performance-report needs --scheduler processes, slurm or an address."
            )
        with dask.config.set({} if scheduler is None else {"scheduler": "threads"}):
            yield
        return
    _need("distributed", "distributed")
    import distributed

    with ExitStack() as stack:
        client = stack.enter_context(_client(stack, scheduler, workers, dashboard))
        if scheduler == "slurm":
            _wait_for_a_worker(client)
        if report is not None:
            _need("bokeh", "distributed")
            stack.enter_context(distributed.performance_report(filename=report))
        yield


def _refuse_no_address(text: str) -> None:
    """Refuse an address without a port, which a client would try until its timeout."""
    port = re.search(r"[\w.\]]:(\d{1,5})/?$", text)
    if ":" not in text:
        raise DataError(
            f"unknown scheduler {text!r}; use {', '.join(_OURS)} or an address."
            f"{similar_name(text, _OURS)}"
        )
    if text.startswith("-") or port is None or not 0 < int(port[1]) < 2**16:
        raise DataError(f"{text!r} has no host and port, as in tcp://host:8786.")


def _client(
    stack: ExitStack, scheduler: str | None, workers: int | None, dashboard: str | None
) -> Any:
    """Connect to a scheduler; a cluster that is started here ends with the stack."""
    import distributed

    cluster: Any = scheduler
    if scheduler == "processes":
        cluster = stack.enter_context(_processes(workers, dashboard))
    elif scheduler == "slurm":
        cluster = stack.enter_context(_slurm(dashboard))
        _try_a_job(cluster.job_script())
        # Unlike scale(), it replaces lost jobs.
        cluster.adapt(minimum=1, maximum=workers or 4)
    try:
        client = distributed.Client(cluster, timeout=_PATIENCE)
    # TypeError: TLS without certificates; MemoryError: another service answers, not a scheduler
    except (OSError, TypeError, ValueError, MemoryError) as error:
        raise ClusterError(
            f"no scheduler answers at {scheduler} ({error}). Start one with `dask scheduler`, "
            "or check its address and TLS settings."
        ) from error
    if scheduler in _OURS:
        say_aside(f"dashboard: {client.dashboard_link}")
    return client


def _processes(workers: int | None, dashboard: str | None) -> Any:
    """Start a cluster of processes on this machine."""
    import distributed

    return distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=dashboard or _LOOPBACK,
    )


def _slurm(dashboard: str | None) -> Any:
    """Create a cluster of worker jobs from Dask's configuration, without starting any."""
    _need("dask_jobqueue", "slurm")
    from dask_jobqueue import SLURMCluster

    given: dict[str, Any] = {}
    if dask.config.get("jobqueue.slurm.cores", None) is None:
        given["cores"] = 1
    if dask.config.get("jobqueue.slurm.memory", None) is None:
        given["memory"] = "4GiB"
    lifetime = _walltime(str(dask.config.get("jobqueue.slurm.walltime", "00:30:00"))) - _SPARE
    if lifetime > _STAGGER and not dask.config.get("jobqueue.slurm.worker-extra-args", None):
        times = ["--lifetime", f"{lifetime}s", "--lifetime-stagger", f"{_STAGGER}s"]
        given["worker_extra_args"] = times
    options = dict(dask.config.get("jobqueue.slurm.scheduler-options", None) or {})
    options.setdefault("dashboard_address", dashboard or _LOOPBACK)
    return SLURMCluster(scheduler_options=options, **given)


def _try_a_job(script: str) -> None:
    """Raise an error for jobs that Slurm would reject, which Dask would only log."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(script)
        file.flush()
        try:
            command = ["sbatch", "--test-only", file.name]
            answer = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise ClusterError(
                "sbatch was not found: run the command on a host of the Slurm cluster."
            ) from error
    if answer.returncode:
        raise ClusterError(
            f"Slurm rejected the worker jobs: {answer.stderr.strip()}. Check partition, account, "
            "cores, memory and walltime under jobqueue.slurm in Dask's configuration."
        )


def _wait_for_a_worker(client: Any) -> None:
    """Wait for a worker, and report the waiting from time to time."""
    while True:
        try:
            client.wait_for_workers(1, timeout=_NOTICE)
        except TimeoutError:
            say_aside("no worker has joined yet; squeue shows why its job is pending")
        else:
            return


def _walltime(text: str) -> int:
    """Return the seconds of Slurm's [days-]hours:minutes:seconds."""
    days, _, clock = text.rpartition("-")
    seconds = 0
    for part in clock.split(":"):
        seconds = 60 * seconds + int(part)
    return seconds + 86400 * int(days or 0)


def _need(module: str, extra: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise DataError(f"this scheduler needs {module}: pip install 'streamkm[{extra}]'.")
