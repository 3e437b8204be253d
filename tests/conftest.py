"""Data and fixtures that many tests share."""

from __future__ import annotations

import os

os.environ["SCIPY_ARRAY_API"] = (
    "1"  # otherwise scikit-learn skips one of its checks; it is read at import
)

os.environ.setdefault("STREAMKM_FSYNC", "0")  # which takes most of the time of small outputs
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # scikit-learn's idle threads do not spin

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import dask
import dask.multiprocessing
import hypothesis
import numpy as np
import pytest
from sklearn.datasets import load_sample_image

import streamkm.rows.memory
from streamkm.rows import read_only
from streamkm.seeding import METHODS, Seeding
from tests import recipes

# No test may fail on a slow machine.
slow = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("streamkm", deadline=None, suppress_health_check=slow)
hypothesis.settings.load_profile("streamkm")


ROOT = Path(__file__).parents[1]


def run_module(*words):
    """Run a module of the tests in a process of its own, which forks before any thread starts."""
    said = subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=600,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    return said


def mixture(n, d, k, seed=0, offset=0.0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(k, d)) * 6
    return (offset + centres[rng.integers(k, size=n)] + rng.normal(size=(n, d))).astype(dtype)


def tile(rows):
    """Rows or weights as kernels receive them; Numba compiles them again for writable arrays."""
    return read_only(np.ascontiguousarray(rows))


# A sitecustomize module for the path of some jobs, which would shadow that of the system.
collect_ignore = ["slurm/slow"]


def searched(state):
    """Return the state of a seeding, or its centroids, after the steps in memory."""
    while isinstance(state, Seeding) and (then := state.advance()) is not None:
        state = then
    return state


def pytest_collection_modifyitems(items):
    """Run the tests of Slurm first, because they take minutes and mostly wait."""
    items.sort(key=lambda item: "slurm" not in item.path.parts)


@pytest.fixture(scope="session")
def blobs():
    return mixture(5000, 6, 8)


@pytest.fixture(scope="session")
def pixels():
    """Real uint8 rows: every fourth pixel of a photograph."""
    return np.ascontiguousarray(load_sample_image("china.jpg")[::2, ::2].reshape(-1, 3))


@pytest.fixture
def no_table(monkeypatch):
    """Disable the table of distinct rows and cached blocks, so that every pass reads the data."""
    monkeypatch.setattr(streamkm.rows.memory, "TABLE_NBYTES", 0)
    monkeypatch.setattr(streamkm.rows.memory, "KEPT_SHARE", 0)


# Without these, a cluster that waits takes a tenth of a core.
QUIET = {
    "distributed.worker.memory.terminate": False,
    "distributed.worker.memory.monitor-interval": "10s",
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.tick.interval": "1s",
}


@pytest.fixture(scope="module")
def cluster():
    """The Client of two workers."""
    from distributed import Client, LocalCluster

    with dask.config.set(QUIET):
        made = LocalCluster(
            2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        )
    with made, Client(made, set_as_default=False) as client:
        yield client


@pytest.fixture(scope="session")
def processes():
    """Dask's configuration for two processes that all tests share.

    Dask starts new processes for every read, which takes seconds.
    """
    with ProcessPoolExecutor(2, mp_context=dask.multiprocessing.get_context()) as pool:
        yield {"scheduler": "processes", "num_workers": 2, "pool": pool}


@pytest.fixture(params=[*METHODS, recipes.SEEDING])
def seeding_method(request, tmp_path):
    """The name of each seeding method, that of docs/recipes.md included."""
    if request.param in METHODS:
        yield request.param
    else:
        with recipes.seeding_method(tmp_path) as name:
            yield name
