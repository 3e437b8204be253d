"""A sweep that resumes from its checkpoint has the result of one that was never interrupted."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.cli import main
from streamkm.errors import CheckpointError, DataChangedError
from streamkm.showing.reads import ReadProgress
from tests.conftest import mixture

KS = [2, 5]
OPTIONS = {"n_init": 2, "max_iter": 5, "tol": 0}


class Killed(Exception):
    """Interrupts a sweep."""


@pytest.fixture
def store(tmp_path, monkeypatch, no_table):
    """A store whose reads have several waves."""
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 1)
    monkeypatch.setattr("streamkm.engine.schedule._ENOUGH", 3)
    monkeypatch.setattr("streamkm.in_memory.descent._WHILE", 1e9)  # else the clock makes states
    zarr.create_array(tmp_path / "x", data=mixture(1500, 6, 8), chunks=(50, 6))
    return tmp_path / "x"


def killed_at(moment, store, checkpoint, **options):
    """Start a sweep and raise in its callback at one of its states."""
    states = []

    def kill(state):
        states.append(state)
        if len(states) == moment + 1:
            raise Killed

    with pytest.raises(Killed):
        streamkm.sweep(
            str(store), KS, checkpoint=checkpoint, checkpoint_every=0, watch=kill, **options
        )


def assert_same(found, expected):
    """Compare all arrays and attributes, except the identity of the run."""
    xr.testing.assert_identical(found.drop_attrs(), expected.drop_attrs())
    assert {**found.attrs, "fit": ""} == {**expected.attrs, "fit": ""}


def test_a_killed_sweep_resumes_with_the_bits_of_an_uninterrupted_one(store, tmp_path):
    states = []
    expected = streamkm.sweep(str(store), KS, watch=states.append, **OPTIONS)
    within_a_read = [n for n, state in enumerate(states) if state.folded]
    between_reads = [n for n, state in enumerate(states) if not state.folded]
    moments = [within_a_read[0], within_a_read[len(within_a_read) // 2]]
    moments += [between_reads[0], between_reads[len(between_reads) // 2], len(states) - 1]
    for moment in moments:
        checkpoint, later = tmp_path / f"{moment}", []
        killed_at(moment, store, checkpoint, **OPTIONS)
        how = {**OPTIONS, "checkpoint": checkpoint, "watch": later.append}
        assert_same(streamkm.sweep(str(store), KS, **how), expected)
        assert len(later) == len(states) - moment


def test_a_finished_sweep_is_not_read_again(store, tmp_path):
    how = {**OPTIONS, "checkpoint": tmp_path / "ckpt"}
    first, states = streamkm.sweep(str(store), KS, **how), []
    assert_same(streamkm.sweep(str(store), KS, watch=states.append, **how), first)
    assert states == []


def test_an_error_of_a_callback_is_that_of_the_callback_in_a_resumed_run_too(store, tmp_path):
    def fail(state):
        raise ValueError("of the callback")

    for _ in range(2):
        with pytest.raises(ValueError, match="^of the callback$"):
            streamkm.sweep(
                str(store), KS, checkpoint=tmp_path / "c", checkpoint_every=0, watch=fail, **OPTIONS
            )


def test_stop_rules_may_change(store, tmp_path):
    how = {"n_init": 2, "tol": 0, "checkpoint": tmp_path / "ckpt"}
    streamkm.sweep(str(store), KS, max_iter=2, **how)
    longer = streamkm.sweep(str(store), KS, max_iter=5, **how)
    expected = streamkm.sweep(str(store), KS, **OPTIONS)
    np.testing.assert_array_equal(longer["centroids"], expected["centroids"])
    np.testing.assert_array_equal(longer["iterations"], expected["iterations"])


def test_other_options_are_refused_by_name(store, tmp_path):
    checkpoint = tmp_path / "ckpt"
    killed_at(2, store, checkpoint, **OPTIONS)
    for ks, more, message in (
        ([2, 6], {}, r"n_clusters was \[2, 5\], is now \[2, 6\]"),
        (KS, {"n_init": 3}, "n_init was 2, is now 3"),
        (KS, {"init": "random"}, "init was auto, is now random"),
        (KS, {"random_state": 1}, "random_state was 0, is now 1"),
        (KS, {"silhouette_rows": 50}, "silhouette_rows was 2000, is now 50"),
    ):
        with pytest.raises(CheckpointError, match=message):
            streamkm.sweep(str(store), ks, **{**OPTIONS, **more}, checkpoint=checkpoint)
    with pytest.raises(CheckpointError, match="it was a sweep, is now a fit"):
        streamkm.KMeans(2, checkpoint=checkpoint).fit(str(store))


def test_other_data_are_refused(store, tmp_path):
    killed_at(2, store, tmp_path / "ckpt", **OPTIONS)
    array = zarr.open_array(store, mode="r+")
    array[:50] = array[:50] + 1
    with pytest.raises(DataChangedError):
        streamkm.sweep(str(store), KS, **OPTIONS, checkpoint=tmp_path / "ckpt")


def test_a_random_state_is_not_compared(store, tmp_path):
    states = [np.random.RandomState(3) for _ in range(2)]
    seed = int(np.random.RandomState(3).randint(np.iinfo(np.int32).max))
    killed_at(8, store, tmp_path / "ckpt", random_state=states[0], **OPTIONS)
    states[1].randint(10)  # another state of the generator than in the first run
    how = {**OPTIONS, "checkpoint": tmp_path / "ckpt"}
    found = streamkm.sweep(str(store), KS, random_state=states[1], **how)
    expected = streamkm.sweep(str(store), KS, random_state=seed, **OPTIONS)
    np.testing.assert_array_equal(found["centroids"], expected["centroids"])
    assert json.loads(found.attrs["parameters"])["random_state"] is None
    assert json.loads(expected.attrs["parameters"])["random_state"] == seed


def test_a_resumed_sweep_does_not_advance_a_random_state(store, tmp_path):
    generator, untouched = np.random.RandomState(3), np.random.RandomState(3)
    how = {**OPTIONS, "random_state": generator, "checkpoint": tmp_path / "ckpt"}
    streamkm.sweep(str(store), KS, **how)
    untouched.randint(np.iinfo(np.int32).max)  # the seed of the new sweep
    streamkm.sweep(str(store), KS, **how)
    assert generator.randint(2**30) == untouched.randint(2**30)


def test_the_command_stops_at_a_signal_and_resumes(store, tmp_path, monkeypatch):
    def command(name, code=0):
        options = ["-k", "2,5", "--n-init", "2", "--max-iter", "5", "--tol", "0"]
        outputs = ["-o", str(tmp_path / name), "--checkpoint", str(tmp_path / f"{name}.ckpt")]
        result = CliRunner().invoke(main, ["sweep", str(store), *options, *outputs])
        assert result.exit_code == code, result.output
        return result.output

    command("whole")
    show, n_states = ReadProgress.on_state, 0

    def interrupt(bar, state):
        nonlocal n_states
        n_states += 1
        if n_states == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        show(bar, state)

    with monkeypatch.context() as patch:
        patch.setattr(ReadProgress, "on_state", interrupt)
        assert "stopped (SIGTERM)" in command("parts", code=75)
    assert not (tmp_path / "parts").exists()
    assert "resuming from" in command("parts")
    found, expected = (streamkm.open_sweep(tmp_path / name).load() for name in ("parts", "whole"))
    assert_same(found, expected)
    before = (tmp_path / "parts" / "zarr.json").read_bytes()
    command("parts")  # a run that was requeued after its end
    assert (tmp_path / "parts" / "zarr.json").read_bytes() == before
