"""The same command resumes; other runs are refused, and the message names the difference."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner

from streamkm import KMeans, load_model
from streamkm.cli import main
from streamkm.errors import CheckpointError, CheckpointWarning, DataChangedError, LockedError
from streamkm.fitting import Checkpoint, checkpointing, first_state
from streamkm.rows import open_rows
from streamkm.versions import versions
from tests import reference
from tests.conftest import mixture

RULES = ("--init", "random", "--tol", 0, "--max-iter", 12, "--checkpoint-every", "0")


@pytest.fixture
def store(tmp_path, blobs):
    zarr.create_array(tmp_path / "x", data=blobs, chunks=(150, 6))
    return tmp_path / "x"


@pytest.fixture
def small_blocks(monkeypatch, no_table):
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 1)
    monkeypatch.setattr("streamkm.rows.memory.SAMPLE_NBYTES", 0)  # every step takes a read
    monkeypatch.setattr("streamkm.engine.schedule._ENOUGH", 3)  # and a read takes several waves


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def fit_arguments(store, name, *more, k=5):
    where = store.parent
    outputs = ("-o", where / f"{name}.zarr", "--checkpoint", where / f"{name}.ckpt", "--json")
    return ("fit", store, "-k", k, *outputs, *RULES, *more)


def fit(store, name, *more, code=0, k=5):
    return run(*fit_arguments(store, name, *more, k=k), code=code)


def same(store, *names):
    models = [load_model(store.parent / f"{name}.zarr") for name in names]
    for model in models[1:]:
        assert model.centroids.tobytes() == models[0].centroids.tobytes()
        assert model.history.tobytes() == models[0].history.tobytes()
        assert model.inertia == models[0].inertia


def test_out_of_time_again_and_again_until_it_is_done(store, small_blocks):
    """Every run has time for one wave and exits with 75; model and labels are written once."""
    fit(store, "whole", "--labels", store.parent / "whole.labels")
    labels, codes = store.parent / "parts.labels", []
    arguments = [store, "parts", "--labels", labels, "--time-limit", "0.01"]
    while not codes or codes[-1] == 75:
        where = store.parent
        assert not (where / "parts.zarr").exists()
        assert not labels.exists()
        outputs = ["-o", where / "parts.zarr", "--checkpoint", where / "parts.ckpt"]
        command = ["fit", store, "-k", 5, *outputs, *RULES, *arguments[2:]]
        result = CliRunner().invoke(main, [str(a) for a in command])
        codes.append(result.exit_code)
        assert len(codes) < 200, result.output
    assert codes[-1] == 0, result.output
    assert len(codes) > 12
    same(store, "whole", "parts")
    wanted = zarr.open_array(store.parent / "whole.labels")[...]
    assert np.array_equal(zarr.open_array(labels)[...], wanted)


def test_a_run_that_is_done_says_so_and_changes_nothing(store):
    first = json.loads(fit(store, "a").stdout)
    before = (store.parent / "a.zarr" / "zarr.json").stat().st_mtime_ns
    again = fit(store, "a")
    assert "is complete" in again.stderr
    assert json.loads(again.stdout)["inertia"] == first["inertia"]
    assert (store.parent / "a.zarr" / "zarr.json").stat().st_mtime_ns == before


@pytest.fixture(scope="module")
def signalled(tmp_path_factory):
    """A folder with rows and the model of an undisturbed run, and the command of that run."""
    folder = tmp_path_factory.mktemp("signalled")
    zarr.create_array(folder / "x", data=mixture(60_000, 16, 40), chunks=(2048, 16))
    command = ["fit", str(folder / "x"), "-k", "40", "--init", "random", "--tol", "0"]
    command += ["--max-iter", "30", "--memory-limit", "290MiB", "--algorithm", "lloyd"]
    run(*command, "-o", folder / "whole.zarr")
    return folder, command


@pytest.mark.parametrize("name", ["TERM", "INT", "USR1", "USR2"])
def test_a_signal_ends_the_wave_and_saves(signalled, tmp_path, name):
    folder, command = signalled
    command = [*command, "-o", str(folder / f"{name}.zarr"), "--checkpoint", str(tmp_path / "ckpt")]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-m", "streamkm", *command], **quiet) as child:
        for line in child.stderr:
            if "iteration 3" in line:
                child.send_signal(signal.Signals[f"SIG{name}"])
                break
        said = child.stderr.read()
    assert child.returncode == 75, said
    assert f"stopped (SIG{name})" in said
    assert "run the same command" in said
    assert not (folder / f"{name}.zarr").exists()
    shown = run("info", tmp_path / "ckpt").output
    assert re.search("phase +iterations", shown)
    assert "resuming from" in run(*command).stderr
    same(folder / "x", "whole", name)


def test_other_parameters_are_refused_by_name(store):
    fit(store, "a", "--time-limit", "0.01", code=75)
    for more, said in [
        (["--seed", 7], "random_state was 0, is now 7"),
        (["--n-init", 3], "n_init was 1"),
    ]:
        assert said in fit(store, "a", *more, code=1).output
    assert "n_clusters was 5, is now 6" in fit(store, "a", code=1, k=6).output


def test_other_data_are_refused(store):
    fit(store, "a", "--time-limit", "0.01", code=75)
    array = zarr.open_array(store, mode="r+")
    array[0] = array[0]
    assert "belongs to other data: data sizes and times changed" in fit(store, "a", code=1).output
    assert not (store.parent / "a.zarr").exists()


def test_data_that_change_under_a_fit_are_noticed_at_the_next_read(store, small_blocks):
    reads = []

    def change(kept, state):
        reads.append(state.n_passes)
        if state.n_passes == 4 and not state.folded:
            array = zarr.open_array(store, mode="r+")
            array[-1] = array[-1]
        return see(kept, state)

    see = Checkpoint.on_state
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "on_state", change)
        said = fit(store, "a", "--algorithm", "lloyd", code=1).output
    assert "the data changed while they were read: data sizes and times changed" in said
    assert max(reads) == 4


def test_more_iterations_and_a_smaller_tolerance_may_be_asked_for(store, small_blocks):
    where = store.parent
    lloyd = ("--algorithm", "lloyd")
    fit(store, "whole", *lloyd, "--max-iter", 9)
    fit(store, "a", *lloyd, "--max-iter", 4)
    fit(store, "a", *lloyd, "--max-iter", 9, "--overwrite")
    one, two = (load_model(where / f"{name}.zarr") for name in ("whole", "a"))
    assert len(two.history) == len(one.history) == 9
    assert two.inertia == pytest.approx(one.inertia, rel=1e-12)
    assert np.allclose(one.centroids, two.centroids, rtol=1e-12)


def test_a_smaller_machine_keeps_the_plan_or_says_what_it_lacks(tmp_path):
    zarr.create_array(tmp_path / "x", data=mixture(120_000, 64, 5), chunks=(2048, 64))
    store = tmp_path / "x"
    fit(store, "a", "--memory-limit", "2GiB", "--time-limit", "0.01", code=75)
    assert "the smallest block" in fit(store, "a", "--memory-limit", "300MiB", code=1).output
    fit(store, "a", "--memory-limit", "400MiB", "--max-iter", 3)


def test_one_run_to_a_checkpoint(store, tmp_path):
    rows = open_rows(store)
    with checkpointing(tmp_path / "c", rows, {}) as kept:
        kept.save(first_state(rows, 5, "random", [1]))
        with (
            pytest.raises(LockedError, match=f"process {os.getpid()} on "),
            checkpointing(tmp_path / "c", rows, {}),
        ):
            pass
    with checkpointing(tmp_path / "c", rows, {}) as kept:
        assert kept.resume() is not None
    assert not list(tmp_path.glob(".*.lock"))


def test_a_lock_goes_with_the_process_that_held_it(store, tmp_path):
    hold = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from streamkm.checkpoint import FileLock\n"
        f"lock = FileLock(Path({str(tmp_path / 'c')!r}))\n"
        "print('held', flush=True)\n"
        "time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout.readline() == "held\n"
        with (
            pytest.raises(LockedError, match=f"process {child.pid}"),
            checkpointing(tmp_path / "c", open_rows(store), {}),
        ):
            pass
        child.kill()
    with checkpointing(tmp_path / "c", open_rows(store), {}):
        pass


def test_a_second_ctrl_c_ends_at_once_and_the_last_checkpoint_is_good(tmp_path):
    """Interrupt a run whose wave would take a minute."""
    zarr.create_array(tmp_path / "x", data=mixture(200_000, 16, 40), chunks=(2048, 16))
    slow = (
        "import sys, time\n"
        "from streamkm.rows import opened, stored\n"
        "from streamkm.cli import main\n"
        "opened._SMALLEST_NBYTES = 1\n"
        "read = stored.read\n"
        "stored.read = lambda *a: (time.sleep(1), read(*a))[1]\n"
        "main()\n"
    )
    command = [sys.executable, "-c", slow, "fit", str(tmp_path / "x"), "-k", "5"]
    command += ["-o", str(tmp_path / "m"), "--checkpoint", str(tmp_path / "c")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        while not (tmp_path / "c" / "state-00000001" / "zarr.json").exists():
            time.sleep(0.05)
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert child.poll() is None
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        said = child.communicate(timeout=30)[1]
    assert child.returncode == 130
    assert time.monotonic() - began < 10
    assert "Interrupted" in said
    assert "nothing" not in run("info", tmp_path / "c").output


def test_python_goes_on_too(store, small_blocks, blobs):
    class Enough(Exception):
        pass

    def after(reads):
        see = Checkpoint.on_state

        def stop(kept, state):
            see(kept, state)
            if state.n_passes >= reads:
                raise Enough

        patch.setattr(Checkpoint, "on_state", stop)

    data = zarr.open_array(store, mode="r")
    options = {"init": "random", "tol": 0, "max_iter": 8, "random_state": 3}
    whole = KMeans(5, **options).fit(data)
    km = KMeans(5, **options, checkpoint=store.parent / "c", checkpoint_every=0)
    with pytest.MonkeyPatch.context() as patch:
        after(3)
        with pytest.raises(Enough):
            km.fit(data)
    km.fit(data)
    assert km.cluster_centers_.tobytes() == whole.cluster_centers_.tobytes()
    assert np.array_equal(km.labels_.compute(), whole.labels_.compute())
    with pytest.raises(CheckpointError, match="n_clusters was 5, is now 6"):
        KMeans(6, **options, checkpoint=store.parent / "c").fit(data)
    with pytest.raises(DataChangedError, match="shape"):
        KMeans(5, **options, checkpoint=store.parent / "c").fit(blobs[:100])


def test_a_full_disk_warns_and_the_last_state_stays_good(store, tmp_path, no_table, monkeypatch):
    """A limit on the size of files stands for the full disk; the next state exceeds it."""
    limited = (
        "import resource, sys\n"
        "import streamkm.fitting.saving as saving, streamkm.rows.memory as memory\n"
        "memory.TABLE_NBYTES = memory.KEPT_SHARE = memory.SAMPLE_NBYTES = 0\n"
        "from streamkm.cli import main\n"
        "see, seen = saving.Checkpoint.on_state, []\n"
        "def full(kept, state):\n"
        "    if len(seen) == 3:\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))\n"
        "    if len(seen) == 5:\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)\n"
        "    seen.append(1)\n"
        "    see(kept, state)\n"
        "saving.Checkpoint.on_state = full\n"
        "main()\n"
    )
    command = ["fit", store, "-k", 5, *RULES, "-o", tmp_path / "a.zarr"]
    command += ["--checkpoint", tmp_path / "a.ckpt"]
    said = subprocess.run(
        [sys.executable, "-c", limited, *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert said.stderr.count("the checkpoint could not be written") == 2
    assert "File too large" in said.stderr
    monkeypatch.setattr("streamkm.rows.memory.SAMPLE_NBYTES", 0)
    fit(store, "b")
    same(store, "a", "b")
    assert "done" in run("info", tmp_path / "a.ckpt").output


def test_versions_that_differ_are_named(store, tmp_path, monkeypatch):
    rows = open_rows(store)
    with checkpointing(tmp_path / "c", rows, {}) as kept:
        kept.save(first_state(rows, 5, "random", [1]))
    monkeypatch.setattr("streamkm.fitting.record.versions", lambda: versions() | {"numpy": "1.0"})
    with (
        checkpointing(tmp_path / "c", rows, {}) as kept,
        pytest.warns(CheckpointWarning, match=r"numpy was .*, is now 1\.0\)"),
    ):
        kept.resume()


def test_the_end_of_a_slurm_job_is_known_by_its_environment(store, small_blocks, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 3))
    assert "stopped by the time limit" in fit(store, "a", code=75).stderr
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 3600))
    fit(store, "a")


class Killed(BaseException):
    """Replaces a kill, if the process is that of the test."""


def killed(*_):
    raise Killed


def test_labels_are_of_the_centroids_that_a_fit_went_on_to(store, small_blocks, monkeypatch):
    """Kill the run before the complete new labels are published; the old ones are not reused."""
    labels = store.parent / "l.zarr"
    more = ("--labels", labels, "--algorithm", "lloyd", "--overwrite")
    fit(store, "a", *more, "--max-iter", 2)
    again = [str(a) for a in fit_arguments(store, "a", *more, "--max-iter", 9)]
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.rename", killed)
        with pytest.raises(Killed):
            CliRunner().invoke(main, again, catch_exceptions=False)
    fit(store, "a", *more, "--max-iter", 9)
    model = load_model(store.parent / "a.zarr")
    wanted = reference.labels(zarr.open_array(store)[...], model.centroids)
    assert np.array_equal(zarr.open_array(labels)[...], wanted)
    assert not list(store.parent.glob(".*partial*"))


def test_a_fit_that_is_done_writes_labels_of_another_name(store):
    fit(store, "a", "--labels", store.parent / "l.zarr")
    fit(store, "a", "--labels", store.parent / "other.zarr", "--overwrite")
    one, two = (zarr.open_array(store.parent / f"{name}.zarr")[...] for name in ("l", "other"))
    assert np.array_equal(one, two)


def test_killed_between_the_labels_and_the_model_of_data_in_memory(store, monkeypatch):
    labels = store.parent / "l.zarr"
    arguments = [str(a) for a in fit_arguments(store, "a", "--labels", labels)]
    with monkeypatch.context() as patch:
        patch.setattr("streamkm.cli.commands.fit.save_model", killed)
        with pytest.raises(Killed):
            CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert not labels.exists()  # the labels are published after the model
    (partial,) = store.parent.glob(".l.zarr.partial-*")
    before = [path.stat().st_mtime_ns for path in sorted((partial / "c").rglob("*"))]
    assert before
    fit(store, "a", "--labels", labels)
    assert [path.stat().st_mtime_ns for path in sorted((labels / "c").rglob("*"))] == before


def test_a_time_limit_in_the_seeding_is_not_for_ever(blobs, tmp_path, no_table):
    data = zarr.create_array(tmp_path / "x", data=blobs, chunks=(150, 6))
    options = {"random_state": 0, "checkpoint": tmp_path / "c"}
    assert KMeans(5, **options, time_limit=0).fit(data).stop_reason_ == "time limit"
    assert KMeans(5, **options).fit(data).stop_reason_ != "time limit"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_variables_in_another_order_are_refused(tmp_path):
    """xarray may open the variables of a Zarr group in any order."""
    x = mixture(60, 2, 3, seed=1)
    data = xr.Dataset({name: ("t", x[:, i]) for i, name in enumerate("ab")}).chunk(t=20)
    parts = {"init": "random", "random_state": 0, "tol": 0, "checkpoint": tmp_path / "c"}
    whole = KMeans(3, max_iter=4, **parts | {"checkpoint": None}).fit(data[["a", "b"]])
    KMeans(3, max_iter=1, **parts).fit(data[["a", "b"]])
    with pytest.raises(
        DataChangedError, match=r"\['b', 'a'\]\. Select the features in their former"
    ):
        KMeans(3, max_iter=4, **parts).fit(data[["b", "a"]])
    resumed = KMeans(3, max_iter=4, **parts).fit(data[["a", "b"]])
    assert np.array_equal(resumed.cluster_centers_, whole.cluster_centers_)
