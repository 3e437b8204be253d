"""Faults below a fit: it ends with the same bits, or with an error that names the cause."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import dask
import pytest
import zarr
from distributed import Client, LocalCluster
from zarr.storage import LocalStore

from streamkm import KMeans
from streamkm.engine import map_reduce
from streamkm.errors import ClusterError, ReadError
from streamkm.fitting import Checkpoint
from streamkm.passes import Census, Pass
from streamkm.rows import open_rows

OPTIONS = {"init": "random", "tol": 0, "max_iter": 6, "random_state": 0, "algorithm": "lloyd"}


@pytest.fixture
def store(tmp_path, blobs, monkeypatch, no_table):
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 1)
    monkeypatch.setattr("streamkm.rows.stored._WAITS", (0.01, 0.01))
    monkeypatch.setattr("streamkm.rows.memory.SAMPLE_NBYTES", 0)  # every step takes a read
    zarr.create_array(tmp_path / "x", data=blobs, chunks=(100, 6))
    return tmp_path / "x"


class Unreliable(LocalStore):
    """A store that fails some reads, like a network."""

    every, count, lock = 50, 0, threading.Lock()

    async def get(self, *args, **options):
        with self.lock:
            type(self).count += 1
            fails = self.count % self.every == 0
        if fails:
            raise ConnectionResetError("the network was gone for a moment")
        return await super().get(*args, **options)


def test_a_store_that_fails_every_fiftieth_read(store):
    want = KMeans(5, **OPTIONS).fit(zarr.open_array(store, mode="r"))
    before = Unreliable.count
    got = KMeans(5, **OPTIONS).fit(zarr.open_array(Unreliable(store, read_only=True), mode="r"))
    assert got.cluster_centers_.tobytes() == want.cluster_centers_.tobytes()
    assert (Unreliable.count - before) // Unreliable.every >= 5  # number of failures


def test_a_store_that_always_fails_is_given_up(store, monkeypatch):
    array = zarr.open_array(Unreliable(store, read_only=True), mode="r")
    monkeypatch.setattr(Unreliable, "every", 1)
    with pytest.raises(ReadError, match="the network was gone"):
        KMeans(5, **OPTIONS).fit(array)


def test_a_worker_killed_in_a_read_costs_nothing_but_time(store):
    want = KMeans(5, **OPTIONS).fit(zarr.open_array(store, mode="r"))
    with (
        LocalCluster(
            2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        ) as cluster,
        Client(cluster),
    ):
        pids = [worker.pid for worker in cluster.workers.values()]
        threading.Timer(0.5, os.kill, (pids[0], signal.SIGKILL)).start()
        got = KMeans(5, **OPTIONS).fit(zarr.open_array(store, mode="r"))
        assert [w.pid for w in cluster.workers.values()] != pids
    assert got.cluster_centers_.tobytes() == want.cluster_centers_.tobytes()


class Deadly(Pass):
    """A block that ends its worker, like a lack of memory."""

    def identity(self):
        return Census().identity()

    def __call__(self, block):
        os.kill(os.getpid(), signal.SIGKILL)


def test_blocks_that_kill_their_workers_are_given_up_with_the_fix(store):
    rows = open_rows(store)
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(
            1, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        ) as cluster,
        Client(cluster),
        pytest.raises(ClusterError, match="out of memory: give workers more memory"),
    ):
        map_reduce(Deadly(), rows)


def test_a_scheduler_that_is_gone_is_named_and_the_fit_goes_on_from_its_checkpoint(
    store, tmp_path, monkeypatch
):
    where = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1"]
    command += ["--port", "0", "--no-dashboard", "--scheduler-file", str(where)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = subprocess.Popen(command, **quiet)
    while not where.exists() or not where.read_text().endswith("}"):  # complete
        time.sleep(0.05)
    command = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(where)]
    command += ["--nthreads", "1", "--no-nanny", "--no-dashboard"]
    worker = subprocess.Popen(command, **quiet)
    data = zarr.open_array(store, mode="r")
    km = KMeans(5, **OPTIONS, checkpoint=tmp_path / "c", checkpoint_every=0)
    see = Checkpoint.on_state

    def seeing(kept, state):
        see(kept, state)
        if state.n_passes == 3:
            scheduler.kill()

    try:
        with Client(scheduler_file=str(where)):
            monkeypatch.setattr(Checkpoint, "on_state", seeing)
            with pytest.raises(ClusterError, match="with a checkpoint it resumes"):
                km.fit(data)
            monkeypatch.setattr(Checkpoint, "on_state", see)
    finally:
        scheduler.kill()
        worker.kill()
        scheduler.wait()
        worker.wait()
    km.fit(data)
    want = KMeans(5, **OPTIONS).fit(data)
    assert km.cluster_centers_.tobytes() == want.cluster_centers_.tobytes()
