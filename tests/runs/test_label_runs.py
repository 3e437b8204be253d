"""Label writing when the data change, and what ``streamkm info`` shows of its progress."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

import dask
import numpy as np
import pytest
import zarr
from click.testing import CliRunner

from streamkm import KMeans, load_model
from streamkm.cli import main
from streamkm.errors import CheckpointWarning, DataChangedError, OutputWarning
from streamkm.fitting import Checkpoint
from streamkm.passes import Labels, label_dtype
from streamkm.rows import open_rows
from streamkm.runs.labels import LabelRun, plain_labels
from streamkm.showing.reads import ReadProgress

VALUES = np.random.default_rng(0).normal(size=(2000, 3)).astype("f4")
CENTROIDS = VALUES[:5].astype("f8")


class Stopped(Exception):
    """Stops a run."""


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store of 40 blocks, whose labels are saved after every wave of 8 blocks."""
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 1)
    monkeypatch.setattr("streamkm.engine.schedule._ENOUGH", 3)
    monkeypatch.setattr("streamkm.checkpoint.periodic.SECONDS", 0.0)
    zarr.create_array(tmp_path / "x", data=VALUES, chunks=(50, 3))
    with dask.config.set(num_workers=2):
        yield tmp_path / "x"


def write(store, on_wave):
    """Write labels beside the store; `on_wave` gets the number of blocks after every wave."""
    rows, dtype = open_rows(str(store)), label_dtype(5)
    question, target = Labels(CENTROIDS, dtype), store.with_name("labels")
    run = LabelRun(target, False, plain_labels(rows, dtype), question, rows)
    with run.write(lambda folded: on_wave(folded.n_blocks)):
        pass


def expected(values):
    return KMeans.from_centroids(CENTROIDS).predict(values)


@pytest.mark.parametrize("wave", [8, 32])
def test_labels_of_data_that_change_while_they_are_written_are_not_published(store, wave):
    def change(n_blocks):
        if n_blocks == wave:
            zarr.open_array(store)[:50] = VALUES[:50] - 9

    with pytest.raises(DataChangedError, match="the data changed while they were read: data "):
        write(store, change)
    assert not store.with_name("labels").exists()
    with pytest.warns(OutputWarning, match="cannot be used: data "):
        write(store, lambda _: None)
    labels = zarr.open_array(store.with_name("labels"))[...]
    np.testing.assert_array_equal(labels, expected(zarr.open_array(store)[...]))
    assert not list(store.parent.glob(".labels.p*"))


def test_labels_of_changed_data_are_not_used_once_the_data_are_restored(store):
    chunk = store / "c" / "10" / "0"  # a chunk of the second wave
    before, times = chunk.read_bytes(), chunk.stat()

    def change(n_blocks):
        if n_blocks == 8:
            zarr.open_array(store)[500:550] = VALUES[500:550] - 9
        if n_blocks == 16:
            raise Stopped

    with pytest.raises((Stopped, DataChangedError)):
        write(store, change)
    chunk.write_bytes(before)
    os.utime(chunk, ns=(times.st_atime_ns, times.st_mtime_ns))
    waves = []
    write(store, waves.append)
    assert waves[0] == 16  # the first wave is used, the second is not
    labels = zarr.open_array(store.with_name("labels"))[...]
    np.testing.assert_array_equal(labels, expected(VALUES))


@pytest.mark.filterwarnings("ignore:the labels so far are in")
def test_labelling_starts_again_if_its_progress_is_damaged(store):
    def stop(n_blocks):
        if n_blocks == 16:
            raise Stopped

    with pytest.raises(Stopped):
        write(store, stop)
    for path in store.with_name(".labels.progress").glob("state-*/zarr.json"):
        path.write_text("damaged")
    waves = []
    with pytest.warns(CheckpointWarning) as caught:
        write(store, waves.append)
    assert "the work starts again" in str(caught[-1].message)
    assert waves[0] == 8
    labels = zarr.open_array(store.with_name("labels"))[...]
    np.testing.assert_array_equal(labels, expected(VALUES))
    assert sorted(path.name for path in store.parent.iterdir()) == ["labels", "x"]


@dataclass(frozen=True)
class Interrupting(Labels):
    """Sends Ctrl-C with the first block."""

    def __call__(self, block):
        if block.number == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return super().__call__(block)


def test_an_interrupt_in_the_first_wave_says_that_no_labels_are_kept(store):
    rows, dtype = open_rows(str(store)), label_dtype(5)
    question, target = Interrupting(CENTROIDS, dtype), store.with_name("labels")
    run = LabelRun(target, False, plain_labels(rows, dtype), question, rows)
    with (
        pytest.raises(KeyboardInterrupt),
        pytest.warns(OutputWarning, match="no labels are kept, because the first wave"),
        run.write(),
    ):
        pass
    assert [path.name for path in store.parent.iterdir()] == ["x"]


@pytest.mark.filterwarnings("ignore:the labels so far are in")
def test_info_shows_the_progress_of_labels(store):
    def stop(n_blocks):
        if n_blocks == 16:
            raise Stopped

    with pytest.raises(Stopped):
        write(store, stop)
    shown = CliRunner().invoke(main, ["info", str(store.with_name(".labels.progress"))])
    assert shown.exit_code == 0, shown.output
    assert "labels" in shown.output
    assert "block 16" in shown.output


@pytest.mark.usefixtures("no_table")
def test_labels_of_a_fit_do_not_save_its_state_again_for_every_wave(store, monkeypatch):
    saved, save = [], Checkpoint.save

    def record(checkpoint, state):
        saved.append(state)
        return save(checkpoint, state)

    monkeypatch.setattr(Checkpoint, "save", record)
    outputs = ["-o", "m", "--labels", "l", "--checkpoint", "c"]
    monkeypatch.chdir(store.parent)
    options = ["-k", "4", "--init", "random", "--n-init", "2", "--max-iter", "3"]
    result = CliRunner().invoke(main, ["fit", "x", *options, *outputs])
    assert result.exit_code == 0, result.output
    assert [state.labelled for state in saved] == [False, False, True]
    assert not any(state.read_blocks for state in saved)


@pytest.mark.usefixtures("no_table")
def test_a_fit_keeps_its_model_if_the_data_change_while_labels_are_written(store, monkeypatch):
    show = ReadProgress.on_state

    def change(bar, state):
        if state.label_blocks == 8:
            zarr.open_array(store)[:50] = VALUES[:50] - 9
        show(bar, state)

    monkeypatch.setattr(ReadProgress, "on_state", change)
    monkeypatch.chdir(store.parent)
    options = ["-k", "4", "--init", "random", "--max-iter", "3"]
    result = CliRunner().invoke(main, ["fit", "x", *options, "-o", "m", "--labels", "l"])
    assert result.exit_code == 1
    assert "the data changed while they were read" in " ".join(result.output.split())
    assert load_model("m").centroids.shape == (4, 3)
    assert not store.with_name("l").exists()
