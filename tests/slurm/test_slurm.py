"""A Slurm of three nodes: the centroids of a fit do not depend on what happens to its jobs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from streamkm import load_model
from tests.images.conftest import encoded, noise, put
from tests.ingesting.test_runs import digest
from tests.slurm.nodes import Slurm, missing

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts" / "slurm"
SLOW = Path(__file__).parent / "slow"
K = 40
RULES = ["--init", "random", "--tol", "0", "--algorithm", "lloyd", "--max-iter"]

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    made = Slurm(tmp_path_factory.mktemp("slurm"))
    bin_folder = str(Path(sys.executable).parent)
    made.environment |= {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "PYTHONPATH": f"{SLOW}:{ROOT}",
        "SLOW_READ": "0.02",
        "STREAMKM_SLURM": str(SCRIPTS),
        "SLURM_CPUS_PER_TASK": "1",
        "DASK_JOBQUEUE__SLURM__INTERFACE": "lo",
        "DASK_JOBQUEUE__SLURM__CORES": "1",
        "DASK_JOBQUEUE__SLURM__MEMORY": "2GiB",
        "DASK_JOBQUEUE__SLURM__WALLTIME": "00:20:00",
        "DASK_JOBQUEUE__SLURM__SCHEDULER_OPTIONS": "{'host': '127.0.0.1'}",
        "DASK_JOBQUEUE__SLURM__LOG_DIRECTORY": str(made.folder),
    }
    yield made
    made.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    where = tmp_path_factory.mktemp("data") / "x"
    x = np.random.default_rng(0).random((40_000, 16), np.float32)  # Lloyd needs many iterations
    zarr.create_array(where, data=x, chunks=(1250, 16))
    return where


@pytest.fixture(scope="module")
def whole(data):
    """Models of undisturbed runs, by seed and iterations."""
    made = {}

    def model(iterations, seed=0):
        if (iterations, seed) not in made:
            out = data.parent / f"whole-{iterations}-{seed}"
            rules = [*RULES, str(iterations), "--seed", str(seed), "-k", str(K), "-o", str(out)]
            command = [sys.executable, "-m", "streamkm", "fit", str(data), *rules]
            environment = os.environ | {"PYTHONPATH": f"{SLOW}:{ROOT}", "SLOW_READ": "0"}
            subprocess.run(command, check=True, capture_output=True, env=environment)
            made[iterations, seed] = load_model(out)
        return made[iterations, seed]

    return model


def same(path, want):
    got = load_model(path)
    assert got.centroids.tobytes() == want.centroids.tobytes()
    assert got.history.tobytes() == want.history.tobytes()


def log(slurm, job):
    return "".join(p.read_text() for p in slurm.folder.glob(f"{job}*.log"))


def begin(slurm, script, *arguments, options=()):
    """Submit one of scripts/slurm with small requests, logging to the folder."""
    small = ["-t", "10", f"--output={slurm.folder}/%A-%a.log", "--mem=2G"]
    return slurm.submit(*small, *options, SCRIPTS / script, *arguments)


def iterating(slurm, job):
    """Whether the log shows a few iterations."""
    return lambda: log(slurm, job).count("iteration") >= 3


def test_preempted_requeued_timed_out_and_an_array_of_seeds(slurm, data, whole, tmp_path):
    """All jobs run at once, on one node each; most of the time is waiting."""
    whole(10)  # compiles kernels once, or each of the jobs would
    many = [*RULES, "30"]
    preempted = begin(
        slurm,
        "one-node.sbatch",
        *(data, K, tmp_path / "preempted", *many),
        options=["-w", "n1", "-c", "4"],
    )
    # The signal comes at once, because a minute is the shortest limit of Slurm.
    timed = begin(
        slurm,
        "one-node.sbatch",
        *(data, K, tmp_path / "timed", *RULES, "110"),
        options=["-w", "n2", "-c", "2", "-t", "1", "--signal=B:USR1@55"],
    )
    seeds = begin(
        slurm,
        "seeds.sbatch",
        *(data, K, tmp_path / "seeds", *RULES, "10"),
        options=["--array=0-2", "-w", "n3", "-c", "1"],
    )
    best = begin(
        slurm,
        "best.sbatch",
        *(tmp_path / "seeds", tmp_path / "best"),
        options=[f"--dependency=afterok:{seeds}", "-w", "n3"],
    )
    slurm.until(iterating(slurm, preempted))
    short = ["--output=/dev/null", "-c", "4", "-t", "1", "--wrap", "sleep 2"]
    higher = slurm.submit("-p", "high", "-w", "n1", *short)
    models = [whole(10, seed) for seed in range(3)]  # while the jobs wait
    want = {"preempted": whole(30), "timed": whole(110)}
    slurm.until(lambda: "stopped (SIGUSR1)" in log(slurm, preempted))
    for job in (higher, seeds, best, preempted, timed):
        assert set(slurm.ended(job)) == {"COMPLETED"}, log(slurm, job)
    for job in (preempted, timed):
        assert int(slurm.facts(job)["Restarts"]) >= 1
        assert "resuming from" in log(slurm, job)
    for name, model in want.items():
        same(tmp_path / name, model)
    same(tmp_path / "best", min(models, key=lambda model: model.inertia))


def test_a_workers_job_is_cancelled_in_the_middle_of_a_pass(slurm, data, whole, tmp_path):
    # The workers cache the blocks, so many iterations are needed to stop in the middle of them.
    rules = [*RULES, "200", "--workers", "2"]
    late = ["--signal=B:USR1@60"]
    job = begin(slurm, "driver.sbatch", data, K, tmp_path / "driven", *rules, options=late)
    workers = lambda: slurm.call("squeue", "-h", "-t", "R", "-n", "dask-worker", "-o", "%i").split()  # noqa: E731
    slurm.until(lambda: "initialization complete" in log(slurm, job) and workers())
    victim = workers()[0]
    slurm.call("scancel", victim)
    want = whole(200)  # while the job runs
    assert slurm.ended(job) == ["COMPLETED"], log(slurm, job)
    assert slurm.states(victim) == ["CANCELLED"]
    same(tmp_path / "driven", want)


def test_cancelled_by_the_user_and_submitted_again(slurm, data, whole, tmp_path):
    rules = [*RULES, "20"]
    first = begin(slurm, "one-node.sbatch", data, K, tmp_path / "m", *rules)
    slurm.until(iterating(slurm, first))
    slurm.call("scancel", first)
    assert slurm.ended(first) == ["CANCELLED"]
    assert not (tmp_path / "m").exists()
    second = begin(slurm, "one-node.sbatch", data, K, tmp_path / "m", *rules)
    want, fewer = whole(20), whole(12)  # while the job runs
    assert slurm.ended(second) == ["COMPLETED"], log(slurm, second)
    assert "resuming from" in log(slurm, second)
    same(tmp_path / "m", want)
    assert not np.array_equal(want.centroids, fewer.centroids)


def test_jobs_that_slurm_would_not_take_are_refused_at_once(slurm, data, tmp_path):
    command = [sys.executable, "-m", "streamkm", "fit", data, "-k", "3", "-o", tmp_path / "m"]
    said = subprocess.run(
        [*map(str, command), "--scheduler", "slurm"],
        env={**os.environ, **slurm.environment, "DASK_JOBQUEUE__SLURM__QUEUE": "nowhere"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.returncode == 1
    assert "Slurm rejected the worker jobs" in said.stderr
    assert "partition" in said.stderr


@pytest.mark.parametrize("patch", ["1", "4x4"])
def test_images_are_compressed_by_worker_jobs(patch, slurm, tmp_path):
    made = tmp_path / "in"
    for name, height in {"a.png": 60, "b.png": 60, "c.png": 33}.items():
        put(made, name, encoded(noise(height, 80, 3, seed=height)))
    for scheduler in ("slurm", "threads"):
        output = tmp_path / f"{scheduler}.zarr"
        how = ["-k", "16", "--patch", patch, "--scheduler", scheduler, "-o", output]
        command = [sys.executable, "-m", "streamkm", "compress", made, *how]
        subprocess.run(
            list(map(str, command)),
            env={**os.environ, **slurm.environment},
            check=True,
            timeout=300,
        )
    assert digest(tmp_path / "slurm.zarr") == digest(tmp_path / "threads.zarr")
