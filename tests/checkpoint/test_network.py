"""Workers in separate network namespaces, one of which is disconnected in the middle of a pass."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import pytest
import zarr
from distributed import Client

from streamkm import KMeans
from streamkm.fitting import Checkpoint
from tests.conftest import mixture

BRIDGE, NET = "skm-bridge", "10.231.77"
NAMES = ("skm-a", "skm-b")
OPTIONS = {"init": "random", "tol": 0, "max_iter": 6, "random_state": 0, "algorithm": "lloyd"}


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


def not_permitted():
    if shutil.which("ip") is None:
        return "no ip: apt-get install iproute2"
    trial = f"skm-{os.getpid()}"  # other workers of pytest try at the same time
    tried = ip("netns", "add", trial, check=False)
    ip("netns", "del", trial, check=False)
    return f"network namespaces: {tried.stderr.strip()}; run as root" if tried.returncode else None


REASON = not_permitted()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))


@pytest.fixture
def namespaces():
    """Two network namespaces on a bridge with this host."""

    def remove():
        for name in NAMES:
            ip("netns", "del", name, check=False)
        ip("link", "del", BRIDGE, check=False)

    remove()
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("addr", "add", f"{NET}.1/24", "dev", BRIDGE)
    ip("link", "set", BRIDGE, "up")
    for at, name in enumerate(NAMES, 2):
        ip("netns", "add", name)
        ip("link", "add", f"{name}-out", "type", "veth", "peer", "name", f"{name}-in")
        ip("link", "set", f"{name}-in", "netns", name)
        ip("link", "set", f"{name}-out", "master", BRIDGE, "up")
        ip("-n", name, "addr", "add", f"{NET}.{at}/24", "dev", f"{name}-in")
        ip("-n", name, "link", "set", f"{name}-in", "up")
        ip("-n", name, "link", "set", "lo", "up")
    yield NAMES
    remove()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_link_that_is_cut_in_the_middle_of_a_pass(namespaces, tmp_path, monkeypatch, no_table):
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 1)
    monkeypatch.setattr("streamkm.rows.memory.SAMPLE_NBYTES", 0)  # every step takes a read
    monkeypatch.setattr("streamkm.engine.schedule._ENOUGH", 3)  # and a read takes several waves
    monkeypatch.setattr("streamkm.engine.schedule._LEAST_OF_A_CLUSTER", 1)
    zarr.create_array(tmp_path / "x", data=mixture(16_000, 16, 20), chunks=(500, 16))
    data = zarr.open_array(tmp_path / "x", mode="r")
    # At least 11 s, because distributed sends ten probes.
    environment = os.environ | {"DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    where = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", f"{NET}.1"]
    command += ["--port", "0", "--no-dashboard", "--scheduler-file", str(where)]
    running = [subprocess.Popen(command, **quiet)]
    while not where.exists() or not where.read_text().endswith("}"):  # complete
        time.sleep(0.05)
    for at, name in enumerate(namespaces, 2):
        command = ["ip", "netns", "exec", name, sys.executable, "-m"]
        command += ["distributed.cli.dask_worker", "--scheduler-file", str(where), "--no-dashboard"]
        command += ["--host", f"{NET}.{at}", "--nthreads", "1", "--no-nanny"]
        running.append(subprocess.Popen(command, **quiet))
    cut = []
    see = Checkpoint.on_state

    def seeing(kept, state):
        see(kept, state)
        if state.folded and len(state.best.history) == 3 and not cut:
            ip("link", "set", f"{namespaces[1]}-out", "down")
            cut.append(state.folded.n_blocks)

    try:
        with Client(scheduler_file=str(where)) as client:
            client.wait_for_workers(2, timeout=60)
            monkeypatch.setattr(Checkpoint, "on_state", seeing)
            km = KMeans(20, **OPTIONS, checkpoint=tmp_path / "c").fit(data)
            assert cut, "no wave ended in the middle of that pass"
            assert len(client.scheduler_info()["workers"]) == 1
    finally:
        for process in running:
            process.kill()
            process.wait()
    want = KMeans(20, **OPTIONS).fit(data)
    assert km.cluster_centers_.tobytes() == want.cluster_centers_.tobytes()
