"""An output is either complete under its name or does not exist."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import zarr

from streamkm.errors import DataError, OutputExistsError
from streamkm.models.model import Model
from streamkm.models.storage import load_model, save_model
from streamkm.outputs import MODEL, LabelGrid, PlainLabels, check_store, whole
from streamkm.rows import BlockPlan


@pytest.fixture
def model():
    history = np.array([(5.0, 1.0, 0, 0), (4.0, 0.5, 1, 1)], "f8,f8,i8,i8")
    history.dtype.names = ("inertia", "shift", "empty", "relocated")
    centroids = np.random.default_rng(0).random((3, 4))
    return Model(centroids, 3.5, history, "max_iter", 7, 123, {"seed": 1}, {"numpy": "2"})


def test_a_model_comes_back_as_it_was(model, tmp_path):
    save_model(tmp_path / "m.zarr", model)
    back = load_model(tmp_path / "m.zarr")
    assert np.array_equal(back.centroids, model.centroids)
    for name in model.history.dtype.names:
        assert np.array_equal(back.history[name], model.history[name])
    assert (back.inertia, back.stop_reason, back.parameters) == (3.5, "max_iter", {"seed": 1})


def test_anyone_can_read_a_model(model, tmp_path):
    save_model(tmp_path / "m.zarr", model)
    group = zarr.open_group(tmp_path / "m.zarr", mode="r")
    assert np.array_equal(group["centroids"][...], model.centroids)
    assert group["history/inertia"][...].tolist() == [5, 4]
    assert group.attrs["stop_reason"] == "max_iter"
    assert group["centroids"].metadata.dimension_names == ("cluster", "feature")


def test_what_is_no_model_is_refused(model, tmp_path):
    with pytest.raises(DataError, match="not a streamkm model"):
        load_model(tmp_path / "none")
    zarr.create_group(tmp_path / "g")
    with pytest.raises(DataError, match="but not a streamkm model"):
        load_model(tmp_path / "g")
    save_model(tmp_path / "m", model)
    zarr.open_group(tmp_path / "m").attrs["format"] = 99
    with pytest.raises(DataError, match="has format 99; this version of streamkm reads 1"):
        load_model(tmp_path / "m")


def test_outputs_are_checked_before_work(model, tmp_path):
    assert check_store(tmp_path / "new.zarr", MODEL, overwrite=False) == tmp_path / "new.zarr"
    save_model(tmp_path / "m", model)
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        check_store(tmp_path / "m", MODEL, overwrite=False)
    assert check_store(tmp_path / "m", MODEL, overwrite=True) == tmp_path / "m"
    (tmp_path / "letters").mkdir()
    with pytest.raises(OutputExistsError, match="never overwritten"):
        check_store(tmp_path / "letters", MODEL, overwrite=True)
    with pytest.raises(DataError, match="create it first"):
        check_store(tmp_path / "no" / "m", MODEL, overwrite=False)
    with pytest.raises(DataError, match="local folder"):
        check_store("s3://bucket/m", MODEL, overwrite=False)


def test_a_failure_leaves_the_old_output_and_no_traces(model, tmp_path):
    save_model(tmp_path / "m", model)
    with pytest.raises(RuntimeError), whole(tmp_path / "m", MODEL, True) as partial:  # noqa: PT012
        zarr.create_group(partial)
        raise RuntimeError
    assert load_model(tmp_path / "m").inertia == 3.5
    assert os.listdir(tmp_path) == ["m"]


def test_a_name_taken_meanwhile_is_kept(model, tmp_path):
    with pytest.raises(OutputExistsError), whole(tmp_path / "m", MODEL, False) as partial:  # noqa: PT012
        zarr.create_group(partial)
        save_model(tmp_path / "m", model)
    assert load_model(tmp_path / "m").inertia == 3.5
    assert os.listdir(tmp_path) == ["m"]


def test_a_link_is_followed_and_its_store_replaced(model, tmp_path):
    save_model(tmp_path / "real", model)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    target = check_store(tmp_path / "link", MODEL, overwrite=True)
    save_model(target, Model(model.centroids, 1.0, model.history, "x", 1, 1), True)
    assert load_model(tmp_path / "link").inertia == 1.0
    assert sorted(os.listdir(tmp_path)) == ["link", "real"]


def test_overwriting_leaves_only_the_new(model, tmp_path):
    save_model(tmp_path / "m", model)
    save_model(tmp_path / "m", Model(model.centroids, 1.0, model.history, "x", 1, 1), True)
    assert load_model(tmp_path / "m").inertia == 1.0
    assert os.listdir(tmp_path) == ["m"]


def test_a_kill_in_the_middle_leaves_nothing_under_the_name(tmp_path):
    code = """
        import sys, time, pathlib, zarr
        from streamkm.outputs import MODEL, whole
        with whole(pathlib.Path(sys.argv[1]), MODEL, False) as partial:
            zarr.create_group(partial)
            print("writing", flush=True)
            time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "m")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
    time.sleep(0.1)
    assert not (tmp_path / "m").exists()


def test_label_chunks_lie_within_blocks(tmp_path):
    grid = LabelGrid(BlockPlan(((0, 200, 400, 450), (0, 70))), np.dtype("u1"), 255)
    labels = PlainLabels(("y", None)).create(tmp_path / "l", grid, {})
    assert (labels.shape, labels.chunks) == ((450, 70), (200, 70))
