"""Memory maps and HDF5 datasets are read block by block, within the limit."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys

import dask
import dask.array as da
import h5py
import numpy as np
import pytest
import xarray as xr

from streamkm import KMeans
from streamkm.errors import MemoryLimitError, ReadError
from streamkm.rows import Budget, fingerprint, open_rows
from streamkm.rows.on_disk import Hdf5, Mapped

RNG = np.random.default_rng(0)
X = (RNG.integers(0, 3, (400_000, 1)) * 20 + RNG.normal(size=(400_000, 8))).astype("f4")
LIMIT = "300MiB"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("map") / "x.npy"
    np.save(path, X)
    return path


VIEWS = {
    "whole": lambda a: a,
    "rows": lambda a: a[10:],
    "steps": lambda a: a[::3, ::2],
    "backwards": lambda a: a[::-1, ::-1],
    "turned": lambda a: a.T,
    "plain": lambda a: np.asarray(a)[7:],
    "reshaped": lambda a: a.reshape(400, 1000, 8)[3:],
}


@pytest.mark.parametrize("view", VIEWS)
def test_views_of_a_map_are_found_in_the_file(view, path):
    given, want = (VIEWS[view](a) for a in (np.load(path, mmap_mode="r"), X))
    mapped = pickle.loads(pickle.dumps(Mapped.from_array(given)))
    region = (slice(2, 5), slice(1, 4))
    found = mapped[region]
    assert np.array_equal(found, want[region])
    assert type(found) is np.ndarray
    assert found.base is None


def test_what_only_memory_holds_is_no_file(path, tmp_path):
    assert Mapped.from_array(X) is None
    changed = np.load(path, mmap_mode="c")
    changed[0] = 7
    assert Mapped.from_array(changed) is None
    np.save(tmp_path / "x.npy", X[:100])
    gone = np.load(tmp_path / "x.npy", mmap_mode="r")
    (tmp_path / "x.npy").unlink()
    assert Mapped.from_array(gone) is None
    assert np.array_equal(KMeans(2, random_state=0).fit(gone).labels_ >= 0, np.ones(100, bool))


def fitted(data, **parameters):
    model = KMeans(3, random_state=0, **parameters).fit(data)
    return model.cluster_centers_, np.asarray(model.labels_), model.inertia_


def test_a_map_is_read_within_a_limit_below_its_size_with_the_same_bits_everywhere(path):
    data = np.load(path, mmap_mode="r")
    rows = open_rows(data, budget=Budget(limit=300 * 2**20, threads=2))
    assert rows.plan.n_blocks > 2
    assert not rows.in_memory
    assert rows.resident_nbytes == 8 * len(X)  # its labels are an array in memory
    tight = 266 * 2**20
    with pytest.raises(MemoryLimitError):
        open_rows(X, budget=Budget(limit=tight, threads=1))
    small = open_rows(data, budget=Budget(limit=tight, threads=1))
    assert small.plan.largest * 32 < 2**21
    with dask.config.set(num_workers=2, scheduler="synchronous"):
        want = fitted(data, memory_limit=LIMIT)
    assert want[1].dtype == np.int32
    with dask.config.set(num_workers=2, scheduler="threads"):
        found = fitted(data, memory_limit=LIMIT)
    assert all(np.array_equal(a, b) for a, b in zip(want, found, strict=True))
    assert fitted(data)[2] == pytest.approx(want[2], rel=1e-6)
    assert fitted(X)[2] == pytest.approx(want[2], rel=1e-6)


def test_no_more_than_a_block_is_read_at_once(path, monkeypatch):
    read, whole = [], Mapped.__getitem__

    def counted(self, region):
        found = whole(self, region)
        read.append(found.nbytes)
        return found

    monkeypatch.setattr(Mapped, "__getitem__", counted)
    data = np.load(path, mmap_mode="r")
    fitted(data, memory_limit=LIMIT)
    fitted(xr.DataArray(data, dims=("row", "feature")))
    assert max(read) <= X.nbytes // 3
    assert sum(read) >= 2 * X.nbytes


def test_maps_as_weights_and_masks(path, tmp_path):
    np.save(tmp_path / "w.npy", np.arange(len(X)) % 5 + 1.0)
    np.save(tmp_path / "m.npy", np.arange(len(X)) % 7 > 0)
    weights, mask = (np.load(tmp_path / name, mmap_mode="r") for name in ("w.npy", "m.npy"))
    data = np.load(path, mmap_mode="r")
    one = KMeans(3, random_state=0).fit(data, sample_weight=weights, mask=mask)
    two = KMeans(3, random_state=0).fit(data, sample_weight=np.array(weights), mask=np.array(mask))
    assert np.array_equal(one.cluster_centers_, two.cluster_centers_)
    assert np.array_equal(one.labels_ == -1, ~np.array(mask))
    lazy = KMeans(3, random_state=0).fit(
        da.from_array(X, chunks=(100_000, 8)), sample_weight=weights
    )
    assert lazy.cluster_centers_.shape == (3, 8)


def test_a_file_that_was_written_to_is_other_data(path, tmp_path):
    np.save(tmp_path / "x.npy", X[:1000])
    before = fingerprint(open_rows(np.load(tmp_path / "x.npy", mmap_mode="r")))
    again = fingerprint(open_rows(np.load(tmp_path / "x.npy", mmap_mode="r")))
    np.save(tmp_path / "x.npy", X[:1000] + 1)
    assert before == again
    assert fingerprint(open_rows(np.load(tmp_path / "x.npy", mmap_mode="r"))) != before


def replace(path, values):
    """Replace a file by another one of the same name, like editors and atomic writers."""
    np.save(path.with_name("other.npy"), values)
    os.replace(path.with_name("other.npy"), path)


@pytest.mark.parametrize("maps", ["/proc/self/maps", "/no/such/file"])
@pytest.mark.parametrize("start", [0, 300_000])
def test_a_map_whose_file_was_replaced_is_data_in_memory(start, maps, tmp_path, monkeypatch):
    monkeypatch.setattr("streamkm.rows.on_disk._MAPS", maps)
    path = tmp_path / "x.npy"
    np.save(path, X)
    data = np.load(path, mmap_mode="r")
    assert Mapped.from_array(data) is not None
    assert Mapped.from_array(np.load(path, mmap_mode="r")[start:].T) is not None
    changed = X.copy()
    changed[start:] += 50
    replace(path, changed)
    assert Mapped.from_array(data) is None
    assert Mapped.from_array(data[::2].T) is None
    model = KMeans(1).fit(data[start:])
    assert np.allclose(model.cluster_centers_[0], X[start:].mean(axis=0), atol=1e-3)
    assert Mapped.from_array(np.load(path, mmap_mode="r")) is not None


def test_a_file_that_is_replaced_during_a_fit_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", X[:1000])
    mapped = Mapped.from_array(np.load(tmp_path / "x.npy", mmap_mode="r"))
    replace(tmp_path / "x.npy", X[:1000] + 50)
    for found in (mapped, pickle.loads(pickle.dumps(mapped))):
        with pytest.raises(ReadError, match=r"x\.npy was replaced"):
            found[:3]


@pytest.fixture(scope="module")
def hdf5(tmp_path_factory):
    path = tmp_path_factory.mktemp("hdf5") / "x.h5"
    how = {"chunks": (10_000, 8), "compression": "gzip", "compression_opts": 1}
    with h5py.File(path, "w") as file:
        file.create_dataset("deep/x", data=X, fletcher32=True, shuffle=True, **how)
    return path


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_an_hdf5_dataset_is_read_block_by_block(scheduler, path, hdf5, processes, monkeypatch):
    read, whole = [], Hdf5.__getitem__

    def counted(self, region):
        found = whole(self, region)
        read.append(found.nbytes)
        return found

    monkeypatch.setattr(Hdf5, "__getitem__", counted)
    asked = processes if scheduler == "processes" else {"num_workers": 2}
    with h5py.File(hdf5, "r") as file, dask.config.set(asked):
        data = file["deep/x"]
        model = KMeans(3, random_state=0, memory_limit=LIMIT).fit(data)
        assert max(read, default=0) <= X.nbytes // 3
        labels = model.labels_
        assert isinstance(labels, da.Array)
        want = fitted(np.load(path, mmap_mode="r"), memory_limit=LIMIT)
        assert np.array_equal(model.cluster_centers_, want[0])
        assert np.array_equal(labels.compute(), want[1])
        rows = open_rows(data)
        assert all(edge % 10_000 == 0 for edge in rows.plan.edges[0])
    assert np.array_equal(labels.compute(), want[1])  # the file is opened again


def test_an_hdf5_dataset_in_another_process(hdf5, tmp_path):
    with h5py.File(hdf5, "r") as file:
        sent = pickle.dumps(Hdf5.from_dataset(file["deep/x"]))
        code = "import pickle, sys; print(pickle.load(sys.stdin.buffer)[5:7].tolist())"
        run = [sys.executable, "-c", code]
        out = subprocess.run(run, input=sent, capture_output=True, check=True).stdout
        assert json.loads(out) == X[5:7].tolist()
    other = tmp_path / "x.h5"
    with h5py.File(other, "w") as file:
        found = Hdf5.from_dataset(file.create_dataset("x", data=X[:10]))
        assert np.array_equal(found[2:4], X[2:4])
        code = "import pickle, sys; pickle.load(sys.stdin.buffer)[:2]"
        run = [sys.executable, "-c", code]
        out = subprocess.run(run, input=pickle.dumps(found), capture_output=True, check=False)
        assert b"ReadError" in out.stderr
        assert b"open for writing" in out.stderr
    shutil.copy(other, tmp_path / "new.h5")
    os.replace(tmp_path / "new.h5", other)
    with pytest.raises(ReadError, match=r"x\.h5 was replaced"):
        found[:2]
