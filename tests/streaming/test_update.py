"""Stores that grow: `StreamingKMeans.update` and ``streamkm update`` read only what is new."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys

import dask
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner
from zarr.storage import LocalStore

import streamkm
from streamkm import StreamingKMeans
from streamkm.cli import main
from streamkm.errors import DataChangedError, DataError, ReadError, StreamkmWarning
from streamkm.models.storage import load_model
from streamkm.streaming import Summary
from tests import reference
from tests.conftest import mixture
from tests.fuzzing.layer import Call, Layer

DAYS, SIDE, BANDS = 6, 20, 3
CUBE = mixture(DAYS * SIDE * SIDE, BANDS, 4, seed=5).reshape(DAYS, SIDE, SIDE, BANDS)


class Counted(LocalStore):
    """A local store that lists the chunks that are read."""

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.chunks = []

    async def get(self, key, *given, **named):
        if key.startswith("light/c/"):
            self.chunks.append(key)
        return await super().get(key, *given, **named)


def run(*words, code=0):
    said = CliRunner().invoke(main, [*map(str, words)])
    assert said.exit_code == code, said.output
    return said.output


def days(start, stop):
    times = pd.date_range("2026-01-01", periods=DAYS)[start:stop]
    return xr.DataArray(
        CUBE[start:stop],
        dims=("time", "y", "x", "band"),
        coords={"time": times, "band": [1, 2, 3]},
        name="light",
        attrs={"units": "1"},
    ).to_dataset()


def begin(path, stop, chunk=1):
    chunks = (chunk, SIDE // 2, SIDE, BANDS)
    days(0, stop).to_zarr(
        path, mode="w", encoding={"light": {"chunks": chunks}}, consolidated=False
    )


def grow(path, start, stop):
    days(start, stop).to_zarr(path, append_dim="time", consolidated=False)


def opened(path):
    return zarr.open_array(store := Counted(path, read_only=True), path="light", mode="r"), store


def model(**more):
    return StreamingKMeans(4, random_state=0, feature_dim="band", **more)


def all_days(**more):
    return model(**more).partial_fit(days(0, DAYS)["light"])


def test_another_number_of_clusters_takes_effect_with_the_next_new_rows(tmp_path):
    begin(tmp_path / "cube", 2)
    km = model(summary_size=50).fit(tmp_path / "cube" / "light").set_params(n_clusters=6)
    km.update(tmp_path / "cube" / "light").save(tmp_path / "model.zarr")
    stored = load_model(tmp_path / "model.zarr")
    assert len(stored.centroids) == Summary.from_stored(stored.summary).n_clusters == 4
    grow(tmp_path / "cube", 2, 3)
    km.update(tmp_path / "cube" / "light")
    assert len(km.cluster_centers_) == len(km.get_feature_names_out()) == 6


@pytest.mark.parametrize("chunk", [1, 4])
def test_each_append_of_a_cube_reads_only_its_chunks_once(tmp_path, chunk):
    begin(tmp_path / "cube", 2, chunk)
    km = model().fit(tmp_path / "cube" / "light")
    for day in range(2, DAYS):
        grow(tmp_path / "cube", day, day + 1)
        array, store = opened(tmp_path / "cube")
        km.update(array)
        own = {f"light/c/{day // chunk}/{half}/0/0" for half in (0, 1)}
        assert set(store.chunks) <= own | {f"light/c/{(day - 1) // chunk}/{n}/0/0" for n in (0, 1)}
        if day % chunk == 0:  # no chunk of earlier days is written again
            assert sorted(store.chunks) == sorted(own)
        assert km.changes_ == {"appended": ((day, day + 1),), "changed": (), "removed": ()}
        array, store = opened(tmp_path / "cube")
        before = km.cluster_centers_
        km.update(array)  # nothing is new
        assert not store.chunks
        assert km.cluster_centers_ is before
    assert km.n_rows_seen_ == DAYS * SIDE * SIDE
    # All rows are in the summary, so it is that of one read, to the bit.
    assert reference.inertia(CUBE.reshape(-1, BANDS), km.cluster_centers_) == pytest.approx(
        reference.inertia(CUBE.reshape(-1, BANDS), all_days().cluster_centers_), rel=1e-3
    )
    assert np.array_equal(
        np.sort(km.summary_.rows, axis=0), np.sort(CUBE.reshape(-1, BANDS), axis=0)
    )


def test_updates_that_are_reduced_have_the_loss_of_one_read(tmp_path):
    begin(tmp_path / "cube", 1)
    km = model(summary_size=300).fit(tmp_path / "cube" / "light")
    for day in range(1, DAYS):
        grow(tmp_path / "cube", day, day + 1)
        km.update(tmp_path / "cube" / "light")
    rows = CUBE.reshape(-1, BANDS)
    assert len(km.summary_.rows) <= 600
    assert km.counts_.sum() == pytest.approx(len(rows))
    numbers = km._summary.numbers
    assert len(np.unique(numbers)) == len(numbers)
    assert (rows[numbers] == km.summary_.rows).all()  # positions in the stream, as for windows
    best = reference.inertia(rows, all_days().cluster_centers_)
    assert reference.inertia(rows, km.cluster_centers_) <= 1.05 * best
    assert len(km.drift_.moved) == 4


def test_the_command_gives_the_model_of_the_estimator(tmp_path):
    begin(tmp_path / "cube", 3)
    named = ("--variable", "light", "--feature-dim", "band", "-k", 4, "--summary-size", 400)
    run("stream", tmp_path / "cube", *named, "-o", tmp_path / "m")
    grow(tmp_path / "cube", 3, 5)
    km = streamkm.load(tmp_path / "m")
    facts = json.loads(run("update", tmp_path / "m", tmp_path / "cube", "--json").splitlines()[-1])
    assert facts["rows_added"] == 2 * SIDE * SIDE
    assert facts["stores"][0]["appended"] == [[3, 5]]
    found = streamkm.load(tmp_path / "m")
    km.update(tmp_path / "cube" / "light")
    assert np.array_equal(found.cluster_centers_, km.cluster_centers_)
    assert np.array_equal(found.drift_.moved, km.drift_.moved)
    assert km.get_feature_names_out().shape == (4,)

    written = (tmp_path / "m" / "zarr.json").stat().st_mtime_ns
    assert f"{tmp_path / 'cube'}: nothing new" in run("update", tmp_path / "m", tmp_path / "cube")
    assert (tmp_path / "m" / "zarr.json").stat().st_mtime_ns == written
    shutil.move(tmp_path / "cube", tmp_path / "moved")  # with its times
    assert "nothing new" in run("update", tmp_path / "m", tmp_path / "moved")
    said = run("update", tmp_path / "m", tmp_path / "moved", "--variable", "light")
    assert "nothing new" in said
    assert f"{tmp_path / 'm'}" not in run("info", tmp_path / "m", "--json")


def test_changed_and_removed_chunks_are_refused_by_name_or_kept(tmp_path):
    begin(tmp_path / "cube", 5)
    km = model().fit(tmp_path / "cube" / "light")
    km.save(tmp_path / "m")
    group = zarr.open_group(tmp_path / "cube", mode="r+")
    group["light"][1, 0, 0] = 9
    group["light"][2, 0, 0] = 9
    (tmp_path / "cube" / "light" / "c" / "4" / "1" / "0" / "0").unlink()
    grow(tmp_path / "cube", 5, 6)
    before = (tmp_path / "m" / "zarr.json").stat().st_mtime_ns
    said = run("update", tmp_path / "m", tmp_path / "cube", "--variable", "light", code=1)
    assert "cube: changed time 1:3, removed time 4:5. Rows cannot be taken out" in said
    assert "--changed keep" in said
    assert (tmp_path / "m" / "zarr.json").stat().st_mtime_ns == before
    with pytest.raises(DataChangedError, match="changed='keep'"):
        km.update(tmp_path / "cube" / "light")
    assert km.n_rows_seen_ == 5 * SIDE * SIDE
    with pytest.warns(StreamkmWarning, match="keeps these rows"):
        km.update(tmp_path / "cube" / "light", changed="keep")
    assert km.n_rows_seen_ == 6 * SIDE * SIDE
    words = ("update", tmp_path / "m", tmp_path / "cube", "--variable", "light")
    with pytest.warns(StreamkmWarning, match="keeps these rows"):
        said = run(*words, "--changed", "keep")
    assert "appended time 5:6" in said
    assert "changed time" not in said  # the warning has it
    assert "nothing new" in run(*words)
    with pytest.raises(DataError, match="changed='maybe'"):
        km.update(tmp_path / "cube" / "light", changed="maybe")


@pytest.mark.parametrize("merged", [False, True])
def test_corrected_rows_of_a_last_chunk_that_was_not_full_are_detected(tmp_path, merged):
    x = mixture(1000, 2, 3)
    zarr.create_array(tmp_path / "x", data=x[:250], chunks=(100, 2))
    km = StreamingKMeans(3, random_state=0).partial_fit(x[:70]).update(tmp_path / "x")
    zarr.open_array(tmp_path / "x", mode="r+").append(x[250:260])
    assert km.update(tmp_path / "x").changes_["changed"] == ()
    km.save(tmp_path / "m")
    km = streamkm.load(tmp_path / "m")
    array = zarr.open_array(tmp_path / "x", mode="r+")
    array[200:260] = x[200:260] + 1
    array.append(x[260:])
    if merged:  # positions of merged streams are not known, so nothing is compared
        km = km.merge(StreamingKMeans(3, random_state=0).partial_fit(x[:70]))
        assert km.update(tmp_path / "x").changes_["appended"] == ((260, 1000),)
        return
    with pytest.raises(DataChangedError, match=r"changed rows 200:260\. Rows cannot"):
        km.update(tmp_path / "x")
    with pytest.warns(StreamkmWarning, match="keeps these rows"):
        km.update(tmp_path / "x", changed="keep")
    array.append(x[:5])
    assert km.update(tmp_path / "x").n_rows_seen_ == 70 + 1005


def test_a_store_that_shrank_or_was_written_in_other_chunks_is_refused(tmp_path):
    x = mixture(900, 2, 3)
    zarr.create_array(tmp_path / "x", data=x, chunks=(100, 2))
    km = StreamingKMeans(3, random_state=0).fit(tmp_path / "x")
    zarr.open_array(tmp_path / "x", mode="r+").resize((800, 2))
    with pytest.raises(DataChangedError, match=r"removed rows 800:900\."):
        km.update(tmp_path / "x")
    zarr.create_array(tmp_path / "x", data=x, chunks=(50, 2), overwrite=True)
    with pytest.raises(
        DataChangedError, match=r"changed rows 0:900 \(its features, chunks, codecs"
    ):
        km.update(tmp_path / "x")


def test_several_variables_and_weights_grow_together(tmp_path):
    x = mixture(600, 2, 3)
    group = zarr.create_group(tmp_path / "g")
    for at, (name, chunk) in enumerate({"a": 100, "b": 150}.items()):
        group.create_array(name, data=x[:450, at], chunks=(chunk,), dimension_names=("n",))
    weights = np.arange(600) % 3 + 1.0
    run(
        "stream",
        tmp_path / "g",
        "--variable",
        "a",
        "--variable",
        "b",
        "-k",
        3,
        "-o",
        tmp_path / "m",
    )
    for at, name in enumerate("ab"):
        group[name].append(x[450:, at])
    assert "appended n 450:600" in run("update", tmp_path / "m", tmp_path / "g")
    assert np.array_equal(np.sort(streamkm.load(tmp_path / "m").summary_.rows, 0), np.sort(x, 0))
    zarr.create_array(tmp_path / "x", data=x[:500], chunks=(200, 2))
    km = StreamingKMeans(3, random_state=0).fit(tmp_path / "x", sample_weight=weights[:500])
    zarr.open_array(tmp_path / "x", mode="r+").append(x[500:])
    km.update(tmp_path / "x", sample_weight=weights)
    assert km.counts_.sum() == pytest.approx(weights.sum())


def test_a_killed_update_leaves_the_old_model_and_runs_again(tmp_path):
    begin(tmp_path / "cube", 2)
    run("stream", tmp_path / "cube/light", "--feature-dim", "band", "-k", 4, "-o", tmp_path / "m")
    grow(tmp_path / "cube", 2, DAYS)
    before = streamkm.load(tmp_path / "m").cluster_centers_
    words = [sys.executable, "-m", "streamkm", "update", "m", "cube/light"]
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE) as going:
        going.stderr.readline()  # what is new; then it reads
        going.kill()
    assert np.array_equal(streamkm.load(tmp_path / "m").cluster_centers_, before)
    assert "appended time 2:6" in run("update", tmp_path / "m", tmp_path / "cube/light")
    assert streamkm.load(tmp_path / "m").n_rows_seen_ == DAYS * SIDE * SIDE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cube", "m"]


def test_what_cannot_be_known_is_refused(tmp_path):
    x = mixture(200, 2, 3)
    zarr.create_array(tmp_path / "x", data=x, chunks=(100, 2))
    km = StreamingKMeans(3, random_state=0)
    with pytest.raises(DataError, match="the data is neither a Zarr array in a file system"):
        km.update(zarr.create_array({}, data=x, chunks=(100, 2)))
    with pytest.raises(DataError, match="only the new rows to partial_fit"):
        km.update(x)
    km.update(tmp_path / "x").partial_fit(x)  # a store that is new is read completely
    assert km.n_rows_seen_ == 400
    assert km.update(tmp_path / "x").n_rows_seen_ == 400
    streamkm.KMeans(3, random_state=0).fit(x).save(tmp_path / "plain")
    said = run("update", tmp_path / "plain", tmp_path / "x", code=1)
    assert "is not the model of a stream" in said
    assert "not a streamkm model" in run("update", tmp_path / "none", tmp_path / "x", code=1)
    run("stream", tmp_path / "x", "-k", 3, "-o", tmp_path / "m")
    zarr.create_array(tmp_path / "y", data=x[:, :1], chunks=(100, 1))
    assert "y has 1 features" in run("update", tmp_path / "m", tmp_path / "y", code=1)
    assert "given twice" in run("update", tmp_path / "m", *[tmp_path / "x"] * 2, code=1)


def test_merging_streams_of_the_same_store_warns(tmp_path):
    zarr.create_array(tmp_path / "x", data=mixture(200, 2, 3), chunks=(100, 2))
    one, two = (StreamingKMeans(3, random_state=n).fit(tmp_path / "x") for n in (0, 1))
    with pytest.warns(StreamkmWarning, match=r"/x was read for two of the merged streams"):
        assert one.merge(two).update(tmp_path / "x").n_rows_seen_ == 400


def test_a_store_without_a_list_of_chunks_is_read_with_a_warning(tmp_path):
    x = mixture(300, 2, 3)
    for n in (200, 300):
        with zarr.storage.ZipStore(tmp_path / "x.zip", mode="w") as store:
            zarr.create_array(store, data=x[:n], chunks=(100, 2))
        if n == 200:
            km = StreamingKMeans(3, random_state=0).fit(tmp_path / "x.zip")
    with pytest.warns(StreamkmWarning, match="cannot be listed; changes of its earlier rows"):
        assert km.update(tmp_path / "x.zip").changes_["appended"] == ((200, 300),)


def test_a_moved_store_without_a_list_of_chunks_is_new_with_a_warning(tmp_path):
    with zarr.storage.ZipStore(tmp_path / "x.zip", mode="w") as store:
        zarr.create_array(store, data=mixture(200, 2, 3), chunks=(100, 2))
    km = StreamingKMeans(3, random_state=0).fit(tmp_path / "x.zip")
    (tmp_path / "x.zip").rename(tmp_path / "y.zip")
    with pytest.warns(StreamkmWarning, match=r"all rows of .*y\.zip count as new"):
        assert km.update(tmp_path / "y.zip").changes_["appended"] == ((0, 200),)


def test_a_moved_store_of_which_a_folder_cannot_be_listed_is_refused(tmp_path, monkeypatch):
    zarr.create_array(tmp_path / "x", data=mixture(200, 2, 3), chunks=(100, 2))
    km = StreamingKMeans(3, random_state=0).fit(tmp_path / "x")
    shutil.copytree(tmp_path / "x", tmp_path / "y")
    with monkeypatch.context() as here:
        Layer(tmp_path, "fails once", Call("list", "y/c/#", 2)).put(here.setattr)
        with pytest.raises(ReadError, match=r"y/c/. cannot be listed"):
            km.update(tmp_path / "y")
    assert km.update(tmp_path / "y").changes_["appended"] == ()


def test_models_that_are_not_complete_or_old_are_refused(tmp_path):
    zarr.create_array(tmp_path / "x", data=mixture(200, 2, 3), chunks=(100, 2))
    run("stream", tmp_path / "x", "-k", 3, "-o", tmp_path / "m")
    assert load_model(tmp_path / "m").seen
    shutil.rmtree(tmp_path / "m" / "streamkm")  # the digests
    shutil.rmtree(tmp_path / "m" / "seen")  # as an earlier version, and `--every`, write it
    said = run("update", tmp_path / "m", tmp_path / "x", code=1)
    assert f"does not know which part of {tmp_path / 'x'} it has read" in said
    with pytest.raises(DataError, match="does not know"):
        streamkm.load(tmp_path / "m").update(tmp_path / "x")


def test_a_window_ends_with_the_new_rows(tmp_path):
    begin(tmp_path / "cube", 2)
    km = model(window=2 * SIDE * SIDE).fit(tmp_path / "cube" / "light")
    grow(tmp_path / "cube", 2, DAYS)
    other = pickle.loads(pickle.dumps(km))
    km.update(tmp_path / "cube" / "light")
    with dask.config.set(scheduler="synchronous", num_workers=1):
        other.update(tmp_path / "cube" / "light")
    assert other.cluster_centers_.tobytes() == km.cluster_centers_.tobytes()
    last = CUBE[-2:].reshape(-1, BANDS)
    assert np.array_equal(np.sort(km.summary_.rows, 0), np.sort(last, 0))


def test_units_of_later_rows_are_those_of_the_first(tmp_path):
    def store(name, unit):
        array = zarr.create_array(tmp_path / name, data=mixture(50, 2, 3), chunks=(50, 2))
        array.attrs["units"] = unit

    for name, unit in {"k": "K", "k2": "K", "c": "degC"}.items():
        store(name, unit)
    km = StreamingKMeans(3, random_state=0).partial_fit(tmp_path / "k").partial_fit(tmp_path / "k2")
    with pytest.raises(DataError, match="X has feature 0 in degC, but the stream began with K"):
        km.partial_fit(tmp_path / "c")
    km.partial_fit(mixture(50, 2, 3))  # no units
    said = run("stream", tmp_path / "k", tmp_path / "c", "-k", 3, "-o", tmp_path / "m", code=1)
    assert f"{tmp_path / 'c'} has feature 0 in degC" in said
    km.save(tmp_path / "m")
    assert "in degC" in run("update", tmp_path / "m", tmp_path / "c", code=1)
    other = StreamingKMeans(3, random_state=0).partial_fit(tmp_path / "c")
    with pytest.raises(DataError, match="model 1 has feature 0 in degC"):
        km.merge(other)


@pytest.mark.parametrize("beside", ["sample_weight", "mask"])
def test_rows_that_were_read_with_weights_or_a_mask_are_updated_with_them(tmp_path, beside):
    path = tmp_path / "x.zarr"
    x = mixture(400, 2, 3, seed=1)
    store = zarr.create_array(path, data=x[:200], chunks=(100, 2))
    given = np.tile([2.0, 1.0], 200) if beside == "sample_weight" else np.tile([True, False], 200)
    km = StreamingKMeans(3, random_state=0).fit(str(path), **{beside: given[:200]})
    km.save(tmp_path / "m.zarr")
    store.append(x[200:])
    with pytest.raises(DataChangedError, match="weights or a mask"):
        km.update(str(path))
    assert "weights or a mask" in run("update", tmp_path / "m.zarr", path, code=1)
    km.update(str(path), **{beside: given})
    whole = StreamingKMeans(3, random_state=0).fit(str(path), **{beside: given})
    assert km.counts_.sum() == whole.counts_.sum()


def test_another_store_without_chunks_is_not_taken_for_the_first(tmp_path):
    for name in "ab":
        zarr.create_array(tmp_path / name, shape=(40, 2), chunks=(10, 2), dtype="f4")
    km = StreamingKMeans(1, random_state=0).fit(tmp_path / "a")
    assert km.update(tmp_path / "b").n_rows_seen_ == 80
    assert km.update(tmp_path / "b").n_rows_seen_ == 80
