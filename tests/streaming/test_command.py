"""``streamkm stream``: stores in order, a model at intervals, and the same bits after a stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.checkpoint import flatten, restore
from streamkm.cli import main
from streamkm.errors import NonFiniteError
from streamkm.rows import BlockPlan, StoredRows, open_rows
from streamkm.runs.stream import StreamOptions
from streamkm.runs.stream_stores import Stores, streaming
from tests.conftest import mixture
from tests.passes.contract import same

X = mixture(24_000, 3, 5, seed=6)
STORES, ASKED = 24, ("-k", 5, "--summary-size", 500)


def run(*words, code=0):
    said = CliRunner().invoke(main, ["stream", *map(str, words)])
    assert said.exit_code == code, said.output
    return said.output


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Stores of a thousand rows each."""
    folder = tmp_path_factory.mktemp("stores")
    for number, part in enumerate(np.array_split(X, STORES)):
        zarr.create_array(folder / f"x{number:02d}", data=part, chunks=(100, 3))
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def whole(paths, tmp_path_factory):
    """The model of a run without a stop."""
    target = tmp_path_factory.mktemp("model") / "m"
    said = run(*paths, *ASKED, "-o", target, "--json")
    facts = json.loads(said[said.index("{") :])  # kernels may be compiled first
    assert facts["rows"] == len(X)
    assert facts["rows_of_the_summary"] <= 1000
    return streamkm.load(target)


def test_the_command_and_the_estimator_give_the_same_model(paths, whole):
    model = streamkm.StreamingKMeans(5, summary_size=500, random_state=0)
    for path in paths:
        model.partial_fit(path)
    assert np.array_equal(model.cluster_centers_, whole.cluster_centers_)
    assert np.array_equal(model.counts_, whole.counts_)


@pytest.fixture(scope="module")
def in_waves(paths, tmp_path_factory):
    """Two stores of 150 and 10 blocks, the first of which is read in several waves."""
    found = []
    for n_blocks in (150, 10):
        place = tmp_path_factory.mktemp("waves") / "x"
        zarr.create_array(place, data=X[: 100 * n_blocks], chunks=(100, 3))
        array = zarr.open_array(place, mode="r")
        plan = BlockPlan((tuple(range(0, 100 * n_blocks + 1, 100)),))
        found.append(StoredRows(array, open_rows(array).layout, plan))
    return Stores(("a", "b"), tuple(found))


def test_a_stream_resumes_from_every_saved_state_with_the_same_bits(in_waves):
    first = in_waves.first_state(StreamOptions(5, 300))
    states = list(streaming(in_waves, first))
    assert len(states) >= 4
    assert [s.n_stores for s in states][-2:] == [1, 2]
    for state in (first, *states):
        arrays = []
        tree = json.loads(json.dumps(flatten(state, arrays)))
        again = restore(tree, arrays)
        assert same(again.so_far, state.so_far)
        end = [state, *streaming(in_waves, again)][-1]
        assert same(end.summary, states[-1].summary)


def test_a_stopped_run_exits_with_75_and_the_same_command_ends_with_the_same_bits(
    paths, whole, tmp_path
):
    words = [*paths, *ASKED, "-o", tmp_path / "m", "--checkpoint", tmp_path / "c"]
    often = ["--checkpoint-every", "0s", "--every", "0s"]
    command = [sys.executable, "-m", "streamkm", "stream", *map(str, words), *often]
    going = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while going.poll() is None and not (tmp_path / "m").exists():
        time.sleep(0.01)
    going.send_signal(signal.SIGTERM)
    _, said = going.communicate(timeout=120)
    assert going.returncode == 75, said
    assert "run the same command to resume" in said
    early = streamkm.load(tmp_path / "m")  # whole, of the rows at that time
    assert 1000 <= early.n_rows_seen_ < len(X)
    info = CliRunner().invoke(main, ["info", str(tmp_path / "c")])
    assert "after" in info.output, info.output
    assert "resuming from" in run(*words)
    assert streamkm.load(tmp_path / "m").n_rows_seen_ == len(X)
    assert np.array_equal(streamkm.load(tmp_path / "m").cluster_centers_, whole.cluster_centers_)


def test_a_run_that_was_killed_after_its_first_model_resumes(paths, whole, tmp_path):
    """No checkpoint is due before; the run saves one, by which the next run knows the model."""
    words = [*paths, *ASKED, "-o", tmp_path / "m", "--checkpoint", tmp_path / "c"]
    rarely = ["--checkpoint-every", "1h", "--every", "0s"]
    command = [sys.executable, "-m", "streamkm", "stream", *map(str, words), *rarely]
    going = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while going.poll() is None and not (tmp_path / "m").exists():
        time.sleep(0.01)
    going.kill()
    going.wait(timeout=120)
    run(*words)
    assert np.array_equal(streamkm.load(tmp_path / "m").cluster_centers_, whole.cluster_centers_)
    info = CliRunner().invoke(main, ["info", str(tmp_path / "c")])
    assert "all data read" in info.output, info.output
    info = CliRunner().invoke(main, ["info", str(tmp_path / "m")])
    assert "24,000 rows so far" in info.output, info.output


def test_a_run_that_is_stopped_in_its_last_search_is_run_again(paths, tmp_path, monkeypatch):
    def stopping(*given):
        raise KeyboardInterrupt

    words = [paths[0], *ASKED, "-o", tmp_path / "m", "--checkpoint", tmp_path / "c"]
    with monkeypatch.context() as patched:
        patched.setattr("streamkm.runs.stream.solve", stopping)
        assert "stopped (SIGINT), all data read; run the same command" in run(*words, code=75)
    assert "all data read" in run(*words)
    assert streamkm.load(tmp_path / "m").n_rows_seen_ == 1000


@pytest.mark.parametrize("command", ["fit", "stream"])
def test_a_run_that_is_stopped_while_it_begins_is_run_again(command, paths, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "streamkm.cli.signals.Generations", lambda *_: os.kill(os.getpid(), signal.SIGTERM)
    )
    words = [paths[0], "-k", 5, "-o", tmp_path / "m", "--checkpoint", tmp_path / "c"]
    said = CliRunner().invoke(main, [command, *map(str, words), "--again-code", "99"])
    assert said.exit_code == 99
    assert said.output == "stopped (SIGTERM); run the same command to resume.\n"


def test_data_that_change_during_the_read_are_refused(tmp_path, monkeypatch):
    array = zarr.create_array(tmp_path / "x", data=X[:1000], chunks=(100, 3))

    def changing(*given):
        yield from streaming(*given)
        array[0] = 7

    monkeypatch.setattr("streamkm.runs.stream_stores.streaming", changing)
    words = [tmp_path / "x", *ASKED, "-o", tmp_path / "m"]
    assert "changed while they were read: run it again" in run(*words, code=1)
    said = run(*words, "--checkpoint", tmp_path / "c", code=1)
    assert "another checkpoint and run it again" in said
    assert not (tmp_path / "m").exists()


def test_mistakes_are_reported_before_the_first_read(paths, tmp_path):
    other, bad = tmp_path / "other", tmp_path / "bad"
    zarr.create_array(other, data=X[:50, :2], chunks=(50, 2))
    assert "2 features" in run(paths[0], other, *ASKED, "-o", tmp_path / "m", code=1)
    assert "no such path" in run(paths[0], tmp_path / "nix", *ASKED, "-o", tmp_path / "m", code=1)
    assert "same place" in run(paths[0], *ASKED, "-o", paths[0], code=1)
    checked = ("-o", tmp_path / "m", "--checkpoint", tmp_path / "c")
    run(*paths[:2], *ASKED, *checked)
    assert "stores was" in run(*paths[:3], *ASKED, *checked, code=1)
    assert "random_state was 0, is now 1" in run(*paths[:2], *ASKED, *checked, "--seed", 1, code=1)
    zarr.create_array(bad, data=np.where(X[:50] > 5, np.nan, X[:50]), chunks=(50, 3))
    with pytest.raises(NonFiniteError):
        streamkm.StreamingKMeans(5).partial_fit(bad)
    said = run(bad, *ASKED, "-o", tmp_path / "m2", "--nodata", "none", code=1)
    assert f"{bad}: Input contains NaN" in said
    zarr.create_array(tmp_path / "none", shape=(0, 3), chunks=(50, 3), dtype="float64")
    said = run(paths[0], tmp_path / "none", *ASKED, "-o", tmp_path / "m2", code=1)
    assert f"{tmp_path / 'none'}: the data are empty" in said
    assert not (tmp_path / "m2").exists()
