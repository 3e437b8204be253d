"""Labels in npy, netCDF and Parquet files, compared with the nearest centroid by NumPy."""

from __future__ import annotations

import os
import resource
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import dask
import dask.array as da
import h5netcdf
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.cli import main
from streamkm.errors import DataError, OutputExistsError
from tests.conftest import run_module

SUFFIXES = [".npy", ".nc", ".parquet"]
RNG = np.random.default_rng(0)
CENTROIDS = np.array([[0.0, 0.0], [5.0, 5.0], [-5.0, 5.0]])


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def nearest(x, centroids=CENTROIDS):
    """The nearest centroid of rows (..., d)."""
    return ((x[..., None, :] - centroids) ** 2).sum(axis=-1).argmin(axis=-1)


def read(path):
    """The labels of a file, read by a library that is not streamkm's."""
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".nc":
        with h5netcdf.File(path, "r") as file:
            return file.variables["labels"][...]
    return pq.read_table(path)["label"].to_numpy()


def hidden(folder):
    return [name for name in os.listdir(folder) if name.startswith(".")]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with a model, rows and a cube with coordinates; blocks are small."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 1)
    monkeypatch.setattr("streamkm.outputs.whole_labels._PART", 30)
    streamkm.KMeans.from_centroids(CENTROIDS).save("m.zarr")
    zarr.create_array("x.zarr", data=RNG.normal(size=(1000, 2)) * 6, chunks=(70, 2))
    cube = RNG.normal(size=(2, 4, 23, 17)) * 6
    cube[0, 1, 3, 4] = np.nan
    group = zarr.create_group("cube.zarr")
    names = ["f", "t", "y", "x"]
    array = group.create_array(
        "cube", data=cube, chunks=(2, 1, 5, 7), dimension_names=names, fill_value=np.nan
    )
    array.attrs.update(coordinates="quality place", grid_mapping="crs", units="K")
    days = group.create_array("t", data=np.array([0, 1, 3, 7]), dimension_names=["t"])
    days.attrs["units"] = "days since 2024-01-01"
    group.create_array("y", data=np.arange(23) * 10.0, dimension_names=["y"])
    place = group.create_array("place", shape=(23, 17), dtype="f4", dimension_names=["y", "x"])
    place[...] = np.arange(23 * 17).reshape(23, 17)
    group.create_array("quality", data=np.arange(2), dimension_names=["f"])
    crs = group.create_array("crs", data=np.array(0))
    crs.attrs.update(crs_wkt="here", axes=["a", "b"], deep={"a": None})
    with dask.config.set(num_workers=2):
        yield tmp_path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_labels_of_rows_are_those_of_numpy(home, suffix):
    path = home / f"l{suffix}"
    assert "1,000 rows labelled" in run("predict", "m.zarr", "x.zarr", "-o", path)
    found = read(path)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, nearest(zarr.open_array("x.zarr")[...]))
    if suffix == ".parquet":
        table = pq.read_table(path)
        assert table.column_names == ["row", "label"]
        assert table["row"].to_pylist() == list(range(1000))
    assert not hidden(home)


@pytest.fixture
def cube(home):
    values = np.moveaxis(zarr.open_group("cube.zarr")["cube"][...], 0, -1)
    labels = nearest(values)
    labels[1, 3, 4] = 255
    return labels


ASKED = ["predict", "m.zarr", "cube.zarr", "--feature-dim", "f", "--variable", "cube"]


def test_labels_in_npy_hold_the_fill_value_for_rows_that_are_left_out(cube):
    run(*ASKED, "--nodata", "nan", "-o", "l.npy")
    found = np.load("l.npy", mmap_mode="r")
    np.testing.assert_array_equal(found, cube)
    assert os.path.getsize("l.npy") == found.offset + found.nbytes


def test_labels_in_netcdf_have_the_coordinates_of_the_data_and_flags(cube):
    run(*ASKED, "--nodata", "nan", "-o", "l.nc")
    with h5netcdf.File("l.nc", "r") as file:
        variable = file.variables["labels"]
        assert variable.dimensions == ("t", "y", "x")
        np.testing.assert_array_equal(variable[...], cube)
        assert variable.attrs["_FillValue"] == 255
        assert variable.attrs["flag_values"].dtype == np.uint8
        assert variable.attrs["flag_meanings"] == "cluster_0 cluster_1 cluster_2"
        assert "units" not in variable.attrs
        assert set(file.variables) == {"labels", "t", "y", "place", "crs"}
        assert file.variables["crs"].attrs["deep"] == '{"a": null}'
        assert list(file.variables["crs"].attrs["axes"]) == ["a", "b"]
    with xr.open_dataset("l.nc", decode_coords="all", engine="h5netcdf") as found:
        assert set(found.coords) == {"t", "y", "place", "crs"}
        days = ["2024-01-01", "2024-01-02", "2024-01-04", "2024-01-08"]
        np.testing.assert_array_equal(found.t, np.array(days, "M8[ns]"))
        np.testing.assert_array_equal(found.place, np.arange(23 * 17).reshape(23, 17))
        np.testing.assert_array_equal(np.isnan(found.labels), cube == 255)


def test_labels_in_parquet_have_a_row_for_each_place_and_null_where_it_is_left_out(cube):
    run(*ASKED, "--nodata", "nan", "-o", "l.parquet")
    table = pq.read_table("l.parquet").to_pandas()
    assert list(table) == ["t", "y", "x", "label"]  # x is a position, because it has no coordinate
    assert len(table) == cube.size
    days = ((table.t - pd.Timestamp("2024-01-01")) // pd.Timedelta("1D")).to_numpy()
    t = np.searchsorted([0, 1, 3, 7], days)
    labels = cube[t, (table.y / 10).astype(int), table.x]
    np.testing.assert_array_equal(table.label.fillna(255), labels)
    assert table.label.isna().sum() == 1
    assert not table.duplicated(["t", "y", "x"]).any()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_python_writes_the_same_file_and_opens_it(home, suffix):
    path, km = home / f"l{suffix}", streamkm.load("m.zarr")
    x = zarr.open_array("x.zarr")
    found = km.write_labels(x, path)
    if suffix == ".parquet":
        assert isinstance(found, pq.ParquetFile)
        found = found.read()["label"].to_numpy()
    assert isinstance(found, np.memmap) == (suffix == ".npy")
    np.testing.assert_array_equal(found, nearest(x[...]))
    np.testing.assert_array_equal(read(path), nearest(x[...]))
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        km.write_labels(x, path)
    km.write_labels(x[...] * 0, path, overwrite=True)  # has no fingerprint
    assert not read(path).any()
    assert not hidden(home)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_labels_of_a_data_array_keep_its_coordinates(home, suffix):
    x = RNG.normal(size=(9, 7, 2)) * 6
    x[2, 3] = np.nan
    coords = {
        "time": pd.date_range("2024-01-01", periods=9),
        "site": ("place", [f"s{i}" for i in range(7)]),
        "wet": ("place", np.arange(7) % 2 == 0),
        "depth": ("place", np.arange(7.0)),
    }
    lazy = da.from_array(x, chunks=(4, 7, 2))
    given = xr.DataArray(lazy, coords, ("time", "place", "band"), name="x")
    path, km = home / f"l{suffix}", streamkm.KMeans.from_centroids(CENTROIDS, feature_dim="band")
    found, wanted = km.write_labels(given, path), nearest(x)
    wanted[2, 3] = 255
    if suffix == ".npy":
        np.testing.assert_array_equal(found, wanted)
    elif suffix == ".nc":
        assert found.chunks is not None
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, wanted)
        for name in coords:
            assert found[name].dtype.kind == given[name].dtype.kind
            np.testing.assert_array_equal(found[name], given[name])
        found.close()
    else:
        table = found.read()
        assert table.column_names == ["time", "site", "wet", "depth", "label"]
        assert table["time"].to_pylist() == list(np.repeat(coords["time"], 7))
        assert table["site"].to_pylist() == coords["site"][1] * 9
        expected = [None if label == 255 else label for label in wanted.ravel()]
        assert table["label"].to_pylist() == expected


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_is_replaced_only_on_request_and_never_a_folder(home, suffix):
    path = home / f"l{suffix}"
    path.write_text("mine")
    assert "exists" in run("predict", "m.zarr", "x.zarr", "-o", path, code=1)
    assert "exists" in run("fit", "x.zarr", "-k", 2, "-o", "n", "--labels", path, code=1)
    assert path.read_text() == "mine"
    run("predict", "m.zarr", "x.zarr", "-o", path, "--overwrite")
    assert len(read(path)) == 1000
    path.unlink()
    path.mkdir()
    assert "is a folder" in run("predict", "m.zarr", "x.zarr", "-o", path, "--overwrite", code=1)
    assert "damage" in run("predict", "m.zarr", "x.zarr", "-o", f"cube.zarr/l{suffix}", code=1)
    assert not hidden(home)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_finished_fit_with_a_checkpoint_knows_its_file_of_labels(home, suffix):
    path = home / f"l{suffix}"
    command = ["fit", "x.zarr", "-k", 3, "-o", "n.zarr", "--labels", path, "--checkpoint", "c"]
    run(*command)
    before, size = read(path), path.stat().st_size
    km = streamkm.load("n.zarr")
    np.testing.assert_array_equal(before, km.predict(zarr.open_array("x.zarr")[...]))
    assert "is complete" in run(*command)
    path.unlink()
    run(*command)  # writes the missing labels
    np.testing.assert_array_equal(read(path), before)
    assert "is complete" in run(*command)
    path.write_bytes(b"\0" * size)  # not the file of this fit any more
    assert "exists" in run(*command, code=1)
    run("predict", "m.zarr", "x.zarr", "-o", path, "--overwrite")
    assert "exists" in run(*command, code=1)
    assert not hidden(home)  # the note of the fit is gone, too


@contextmanager
def full_disk(nbytes):
    """No file can have more bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.filterwarnings("ignore:the labels so far are in")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_leaves_no_file_and_the_next_run_reads_nothing_again(home, suffix, monkeypatch):
    monkeypatch.setattr("streamkm.outputs.whole_labels._PART", 2**18)
    x = RNG.normal(size=(40_000, 2)) * 6
    zarr.create_array("large.zarr", data=x, chunks=(2000, 2))
    command = ["predict", "m.zarr", "large.zarr", "-o", f"l{suffix}"]
    with full_disk(8_000):
        result = CliRunner().invoke(main, [*command])
    assert result.exit_code == 1
    assert not Path(f"l{suffix}").exists()
    store, progress = sorted(hidden(home))
    assert (store.startswith(f".l{suffix}.partial-"), progress) == (True, f".l{suffix}.progress")
    assert not Path(store, f"l{suffix}").exists()
    assert "resuming the labels" in run(*command)
    np.testing.assert_array_equal(read(Path(f"l{suffix}")), nearest(x))
    assert not hidden(home)


def test_fits_of_files_and_labels_into_files_that_are_killed_at_any_time_resume(tmp_path):
    said = run_module("tests.outputs.killed_labels", tmp_path)
    killed = [line.split()[1] for line in said.stdout.splitlines() if line.startswith("killed")]
    assert Counter(killed) == {"store": 4, "file": 4, "outputs": 4, "seeding": 4}
    for suffix in (".npy", ".nc", ".tif", ".parquet"):
        assert f"/l{suffix}, block " in said.stderr  # resumed
    assert said.stderr.count("resuming from saved") == 4
    assert "Warning" not in said.stderr


@pytest.mark.parametrize(
    ("suffix", "module", "extra"),
    [(".nc", "h5netcdf", "netcdf"), (".parquet", "pyarrow.parquet", "ingest")],
)
def test_a_missing_package_is_named_before_the_data_are_read(
    home, suffix, module, extra, monkeypatch
):
    monkeypatch.setitem(sys.modules, module, None)
    wanted = f"pip install 'streamkm[{extra}]'"
    assert wanted in run("predict", "m.zarr", "no.zarr", "-o", f"l{suffix}", code=1)
    command = ["fit", "no.zarr", "-k", 2, "-o", "n", "--labels", f"l{suffix}"]
    assert wanted in run(*command, code=1)
    with pytest.raises(DataError, match="files of labels need"):
        streamkm.load("m.zarr").write_labels(zarr.open_array("x.zarr"), f"l{suffix}")


@pytest.mark.parametrize(
    ("suffix", "dim", "message"),
    [
        (".nc", "labels", r"cannot store labels with the dimensions \['labels'\]"),
        (".parquet", "label", "the coordinate 'label' has the name of the column of labels"),
    ],
)
def test_labels_that_a_format_cannot_hold_are_refused_before_any_read(home, suffix, dim, message):
    zarr.create_array("y.zarr", shape=(9, 2), dtype="f8", dimension_names=(dim, "f"))
    Path("y.zarr/c").mkdir()
    command = ["fit", "y.zarr", "-k", 2, "-o", "n", "--labels", f"l{suffix}"]
    run(*command, "--dry-run", code=1)
    with pytest.raises(DataError, match=message):
        streamkm.load("m.zarr").write_labels(zarr.open_array("y.zarr", mode="r"), f"l{suffix}")
    assert not hidden(home)


@pytest.mark.parametrize("columns", [(), ("--columns", "a,b"), ("--columns", "a,b,id")])
@pytest.mark.parametrize("kind", ["text", "integer"])
def test_the_ids_of_a_parquet_table_come_back_with_the_labels(home, kind, columns):
    x = (RNG.normal(size=(900, 2)) * 6).astype("f4")
    numbers = RNG.permutation(900) * 2**40
    if "a,b,id" in columns:
        numbers = RNG.permutation(900)
    ids = numbers if kind == "integer" else [f"é{n}" for n in numbers]
    table = pd.DataFrame({"a": x[:, 0], "id": ids, "b": x[:, 1], "city": "x"})
    table.to_parquet("t.parquet", row_group_size=170)
    asked = ["ingest", "t.parquet", "-o", "t.zarr", "--id", "id", *columns]
    asked += ["--chunk", "400B", "--shard", "2KiB"]
    if kind == "text" and "a,b,id" in columns:
        assert "not numbers" in run(*asked, code=1)
        return
    said = run(*asked)
    assert ("left out" in said) == (not columns)
    assert "id" not in said.partition("left out")[2].partition("t.zarr")[0]
    group = zarr.open_group("t.zarr", mode="r")
    assert group["x"].shape == (900, 3 if "a,b,id" in columns else 2)
    assert group["id"][...].tolist() == list(ids)
    run("fit", "t.zarr", "-k", 3, "-o", "n.zarr", "--labels", "l.parquet")
    found = pq.read_table("l.parquet")
    assert found.column_names == ["id", "label"]
    assert found["id"].to_pylist() == list(ids)
    centroids = streamkm.load("n.zarr").cluster_centers_
    np.testing.assert_array_equal(found["label"], nearest(group["x"][...], centroids))
    run("predict", "n.zarr", "t.zarr", "-o", "l.nc")
    with xr.open_dataset("l.nc", engine="h5netcdf") as opened:
        assert opened.labels.coords["id"].values.tolist() == list(ids)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("no", "has no column 'no'"),
        ("a", "holds float, so it|holds double; ids are integers or text"),
        ("gap", "has 1 missing values among the ids"),
        ("x", "has no room for ids of the name 'x'"),
    ],
)
def test_ids_that_cannot_be_kept_are_refused(home, column, message):
    gap = ["u", None, "v"]
    pd.DataFrame({"a": [1.0, 2, 3], "x": [1, 2, 3], "gap": gap}).to_parquet("t.parquet")
    with pytest.raises(DataError, match=message):
        streamkm.ingest("t.parquet", "t.zarr", id=column)
    assert not Path("t.zarr").exists()
    assert not hidden(home)
