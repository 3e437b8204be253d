"""Files of other formats are read in place: the values that their own libraries read, and the bits
of the same array in a Zarr store."""

from __future__ import annotations

import pickle
import sys

import fsspec
import h5netcdf
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
import xarray as xr
import zarr
from click.testing import CliRunner
from pyarrow import feather

import streamkm
from streamkm import KMeans, open_array
from streamkm.cli import main
from streamkm.errors import DataError, MemoryLimitError, ReadError
from streamkm.rows import Budget, fingerprint, is_conclusive, open_rows
from streamkm.rows.formats.parquet import Parquet
from streamkm.rows.formats.registry import located
from streamkm.rows.formats.tables import find_column, open_table
from tests.in_place import WRITERS, D, N, X, in_shards, table_of

RNG = np.random.default_rng(1)
DIMS = ("time", "y", "x")
SHAPE = (5, 6, 8)


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def by_name(names):
    return [word for name in names for word in ("--variable", name)]


def values_of(rows):
    """All rows with their positions, read block by block."""
    blocks = [rows.block(number) for number in range(rows.n_blocks)]
    return np.concatenate([b.values for b in blocks])


# ---- netCDF and HDF5 -------------------------------------------------------------------------

COUNTS = RNG.integers(-120, 120, SHAPE)
# dtype, attributes with which the values are stored, and valid values by the conventions
PACKED = {
    "short": ("i2", {"scale_factor": 0.01, "add_offset": 280.0, "_FillValue": np.int16(7)}),
    "single": ("i2", {"scale_factor": np.float32(0.1), "add_offset": np.float32(3)}),
    "wide": ("i4", {"scale_factor": np.float32(0.1), "missing_value": np.int32(7)}),
    "byte": ("i1", {"_Unsigned": "true", "_FillValue": np.int8(-1), "scale_factor": 0.5}),
    "scaled": ("f4", {"scale_factor": 2.0, "_FillValue": np.float32(7)}),
    "offset": ("i1", {"add_offset": 5.5, "_FillValue": np.int8(9), "missing_value": np.int8(9)}),
}
RANGES = {
    "range": ("i2", {"valid_range": np.array([-50, 60], "i2")}),
    "least": ("i2", {"valid_min": np.int16(-50), "scale_factor": 0.1}),
    "most": ("f4", {"valid_max": np.float32(33.3)}),
    "bytes": ("i1", {"_Unsigned": "true", "valid_max": np.int8(-56), "scale_factor": 1.5}),
    "unpacked": ("i2", {"valid_max": 3.25, "scale_factor": 0.1}),
}


def stored(dtype):
    return COUNTS.astype(dtype) if dtype != "f4" else (COUNTS * 0.37).astype(dtype)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same variables in netCDF-4 (compressed, in chunks), netCDF-3, and plain HDF5."""
    folder = tmp_path_factory.mktemp("files")
    data = xr.Dataset(
        {
            name: (DIMS, stored(dtype), dict(attributes))
            for name, (dtype, attributes) in (PACKED | RANGES).items()
        }
        | {"plain": (DIMS, COUNTS.astype("i2"), {"_FillValue": np.int16(7)})}
        | {"floats": (DIMS, np.where(COUNTS > 100, np.nan, COUNTS).astype("f4"))},
        coords={"time": ("time", np.arange(5), {"units": "days since 2001-01-01"})},
    )
    how = {name: {"zlib": True, "chunksizes": (2, 3, 8)} for name in data.data_vars}
    data.to_netcdf(folder / "x.nc", engine="h5netcdf", encoding=how)
    data["time"] = data.time.astype("i4").assign_attrs(data.time.attrs)
    data.to_netcdf(folder / "x3.nc", engine="scipy")
    with h5py.File(folder / "x.h5", "w") as file:
        group = file.create_group("a/b")
        group.create_dataset("rows", data=X, chunks=(70, D), compression="gzip")
        group.create_dataset("whole", data=X)
        file["flags"] = COUNTS[0] > 0
        file["text"] = ["a", "b"]
    return folder


def read_by_xarray(path, name, engine):
    with xr.open_dataset(path, engine=engine, decode_times=False) as data:
        return data[name].load().values


FORMATS = {"x.nc": "h5netcdf", "x3.nc": "scipy"}


@pytest.mark.filterwarnings("ignore:variable .* has multiple fill values")
@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("file", FORMATS)
def test_packed_values_have_the_bits_that_xarray_reads(files, file, name):
    want = read_by_xarray(files / file, name, FORMATS[file])
    found = open_array(files / file, name)
    assert found.dtype == want.dtype
    assert np.array_equal(found[...], want, equal_nan=True)
    part = pickle.loads(pickle.dumps(found))[1:4, :, 2:3]
    assert np.array_equal(part, want[1:4, :, 2:3], equal_nan=True)


LIMITS = {
    "range": lambda c: np.where((c < -50) | (c > 60), np.nan, c),
    "least": lambda c: np.where(c < -50, np.nan, c * 0.1),
    "most": lambda c: np.where((c * 0.37).astype("f4") > np.float32(33.3), np.nan, c * 0.37),
    "bytes": lambda c: np.where(c % 256 > 200, np.nan, c % 256 * 1.5),
    "unpacked": lambda c: np.where(c * 0.1 > 3.25, np.nan, c * 0.1),
}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("file", FORMATS)
def test_values_outside_the_valid_range_are_missing(files, file, name):
    found = open_array(files / file, name)[...]
    want = LIMITS[name](COUNTS)
    assert np.array_equal(np.isnan(found), np.isnan(want))
    np.testing.assert_allclose(found, want, rtol=1e-6)
    assert 0 < np.isnan(want).sum() < want.size


@pytest.mark.parametrize("file", FORMATS)
def test_missing_rows_are_left_out_and_integers_stay_integers(files, file):
    rows = open_rows(files / file, variable="plain", feature_dim="time", nodata="auto")
    assert rows.layout.dtype == np.int16
    kept = ~(COUNTS == 7).any(axis=0)
    assert np.array_equal(values_of(rows), COUNTS[:, kept].T)
    assert rows.layout.names is not None
    assert rows.layout.names[1] == "2001-01-02T00:00:00"
    rows = open_rows(files / file, variable="floats", feature_dim="time", nodata="auto")
    assert np.array_equal(values_of(rows), COUNTS[:, (COUNTS <= 100).all(axis=0)].T)


def test_chunks_are_units_of_blocks_and_groups_are_paths(files):
    rows = open_rows(files / "x.h5", variable="a/b/rows")
    assert rows.array.chunks == (70, D)
    assert np.array_equal(values_of(rows), X)
    assert open_array(files / "x.h5", "a/b/whole").chunks is None
    assert open_array(files / "x.h5", "flags").dtype == bool
    for wrong in (None, "a/b", "no", "../x", "text/b"):
        if wrong is None:
            continue
        with pytest.raises(DataError, match=r"name one of its arrays \['a/b/rows', 'a/b/whole'"):
            open_array(files / "x.h5", wrong)
    with pytest.raises(DataError, match="'text' holds object; only real numbers"):
        open_array(files / "x.h5", "text")
    with pytest.raises(DataError, match=r"x.nc is a file: name one of its arrays \['byte'"):
        open_array(files / "x.nc")
    with pytest.raises(DataError, match=r"name one of its arrays \['byte'.*open_array"):
        open_array(files / "x3.nc")


def test_several_variables_are_features_as_in_a_dataset(files):
    names = ["short", "floats", "range"]
    model = KMeans(3, random_state=0).fit(open_array(files / "x.nc", names))
    with xr.open_dataset(files / "x.nc", engine="h5netcdf", decode_times=False) as data:
        data = data[names].load()
    data["range"] = data["range"].where((data["range"] >= -50) & (data["range"] <= 60))
    want = KMeans(3, random_state=0).fit(data)
    assert model.feature_names_in_.tolist() == names
    assert np.array_equal(model.labels_.compute() == 255, want.labels_.to_numpy() == 255)
    np.testing.assert_allclose(model.inertia_, want.inertia_, rtol=1e-5)


def test_a_missing_package_names_the_extra(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match=r"netCDF-4 files need h5py: pip install 'streamkm\[netcdf"):
        KMeans(2).fit(files / "x.nc")


# ---- netCDF, many files ----------------------------------------------------------------------


def monthly(folder, engine="h5netcdf", **changes):
    """A variable in three files with other packing, units of time and lengths, and a fixed one."""
    folder.mkdir()
    values = RNG.normal(280, 9, (9, 6, 8))
    parts = []
    for number, (start, stop) in enumerate([(0, 4), (4, 5), (5, 9)]):
        data = xr.Dataset(
            {
                "t": (DIMS, values[start:stop]),
                "area": (("y", "x"), np.arange(1.0, 49).reshape(6, 8)),
            },
            coords={
                "time": np.datetime64("2001-01-01", "ns")
                + np.arange(start, stop) * np.timedelta64(1, "D"),
                "y": np.arange(6.0) + (number == 2) * changes.get("moved", 0),
                "x": np.arange(8.0),
            },
        )
        pack = {
            "dtype": "i2",
            "scale_factor": 0.01 * (number + 1),
            "add_offset": 280.0,
            "_FillValue": -999,
        }
        encoding = {"t": pack, "time": {"units": f"days since 200{number}-01-01", "dtype": "i4"}}
        if engine == "h5netcdf":
            encoding["t"] |= {
                "chunksizes": (2, 6, 8) if stop - start > 1 else (1, 6, 8),
                "zlib": True,
            }
        data.to_netcdf(folder / f"{number}.nc", engine=engine, encoding=encoding)
        with xr.open_dataset(folder / f"{number}.nc", engine=engine) as found:
            parts.append(found.load())
    return xr.concat(parts, "time", data_vars="minimal") if not changes else None


@pytest.mark.parametrize("engine", FORMATS.values())
def test_many_netcdf_files_are_one_data_set_along_a_dimension(tmp_path, engine):
    want = monthly(tmp_path / "m", engine)
    array = open_array(tmp_path / "m", "t")
    assert array.shape == (9, 6, 8)
    assert np.array_equal(array[...], want.t.values)
    assert np.array_equal(pickle.loads(pickle.dumps(array))[3:7, 1:2], want.t.values[3:7, 1:2])
    edges = (0, 2, 4, 5, 7, 9) if engine == "h5netcdf" else None
    assert array.edges == edges
    assert open_array(tmp_path / "m", "area").shape == (6, 8)
    days = (tmp_path / "m", "--variable", "t", "--feature-dim", "y", "--feature-dim", "x")
    run("fit", *days, "-k", 2, "-o", tmp_path / "k", "--labels", tmp_path / "labels.nc")
    with xr.open_dataset(tmp_path / "labels.nc") as labels:
        assert labels.labels.dims == ("time",)
        assert np.array_equal(labels.time, want.time)
    cells = (tmp_path / "m", "--variable", "t", "--feature-dim", "time", "--weights", "area")
    run("fit", *cells, "-k", 2, "-o", tmp_path / "w")
    found = streamkm.load(tmp_path / "w")
    assert found.feature_names_in_[4] == "2001-01-05T00:00:00"
    rows = want.t.values.reshape(9, -1).T
    by_hand = KMeans(2, random_state=0).fit(rows, sample_weight=want.area.values.ravel())
    assert found.inertia_ == pytest.approx(by_hand.inertia_, rel=1e-6)


def test_files_that_are_no_one_array_are_refused(tmp_path):
    monthly(tmp_path / "m", moved=5)
    with pytest.raises(DataError, match=r"differ in several dimensions of 't', \['time', 'y'\]"):
        open_array(tmp_path / "m", "t")
    folder = tmp_path / "n"
    monthly(folder)
    with xr.open_dataset(folder / "1.nc", engine="h5netcdf") as data:
        data.load().transpose("y", "time", "x").to_netcdf(tmp_path / "n.nc", engine="h5netcdf")
    (tmp_path / "n.nc").replace(folder / "1.nc")
    with pytest.raises(DataError, match=r"1.nc: 't' has the dimensions \('y', 'time', 'x'\), but"):
        open_array(folder, "t")
    xr.Dataset({"other": (DIMS, np.ones((1, 6, 8)))}).to_netcdf(folder / "1.nc", engine="h5netcdf")
    with pytest.raises(DataError, match=r"1.nc is a file without 't': name one of its arrays"):
        open_array(folder, "t")


def test_runs_of_an_ensemble_are_not_one_array(tmp_path):
    for number in range(2):
        values, axis = np.full((2, 3), number), np.arange(3.0)
        data = xr.Dataset({"v": (("t", "x"), values)}, {"t": [0, 1], "x": axis})
        data.to_netcdf(tmp_path / f"{number}.nc", engine="h5netcdf")
    with pytest.raises(DataError, match=r"1.nc: 'v' has the coordinates .* but other values"):
        open_array(tmp_path)


def test_a_variable_may_have_the_name_of_a_dimension(tmp_path):
    with h5netcdf.File(tmp_path / "x.nc", "w") as file:
        file.dimensions = {"y": 3, "x": 3}
        file.create_variable("x", ("y", "x"), data=np.eye(3))
    assert np.array_equal(open_array(tmp_path / "x.nc", "x")[...], np.eye(3))


def test_datasets_without_a_shape_are_no_data(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"], file["none"] = X[:5], h5py.Empty("f8")
    assert np.array_equal(open_array(tmp_path / "x.h5")[...], X[:5])
    with pytest.raises(DataError, match="'none' is an empty dataset"):
        open_array(tmp_path / "x.h5", "none")


# ---- npy -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["c", "fortran", "swapped"])
def test_npy_files_hold_what_numpy_loads(tmp_path, kind):
    forms = {"c": X, "fortran": np.asfortranarray(X), "swapped": X.astype(">f4")}
    np.save(tmp_path / "x.npy", forms[kind])
    rows = open_rows(tmp_path / "x.npy")
    assert rows.layout.dtype == np.dtype("f4")
    assert np.array_equal(values_of(rows), X)
    assert np.array_equal(rows.array[5:9, 1], X[5:9, 1])


def test_shards_are_one_array_in_the_order_of_their_names(tmp_path):
    for where in (
        in_shards(tmp_path / "s"),
        tmp_path / "s" / "*.npy",
        f"file://{tmp_path}/s/*.npy",
    ):
        assert np.array_equal(open_array(where)[...], X)
    cube = RNG.normal(size=(7, 4, 5, 2))
    shards = open_array(in_shards(tmp_path / "c", cube, (0, 3, 7)))
    assert np.array_equal(shards[2:5, 1:, :2], cube[2:5, 1:, :2])
    assert "00.npy and 1 more, shape (7, 4, 5, 2), float64>" in repr(shards)
    np.save(tmp_path / "s" / "03.npy", X[:, :2])
    with pytest.raises(DataError, match=r"03.npy holds float32 of shape \(900, 2\), but .*00.npy"):
        open_array(tmp_path / "s")
    with pytest.raises(DataError, match="03.npy is a single array; leave out the variable 'v'"):
        open_array(tmp_path / "s" / "03.npy", "v")
    content = (tmp_path / "s" / "00.npy").read_bytes()
    (tmp_path / "s" / "03.npy").write_bytes(content[:500])
    with pytest.raises(DataError, match="03.npy is shorter than its header says"):
        open_array(tmp_path / "s")
    np.save(tmp_path / "s" / "03.npy", X)
    (tmp_path / "s" / "more.h5").write_bytes(b"")
    with pytest.raises(DataError, match=r"files of several formats \(HDF5, npy\): name those"):
        KMeans(2).fit(tmp_path / "s")


# ---- tables ----------------------------------------------------------------------------------

GROUPS = (200, 140)  # rows of the row groups of two files; the last of each is shorter
EDGES = (0, 200, 400, 500, 640, 780, N)


def write_ipc(table, path, stream=False, **options):
    kind = pa.ipc.new_stream if stream else pa.ipc.new_file
    with pa.OSFile(str(path), "wb") as sink, kind(sink, table.schema, **options) as writer:
        writer.write_table(table, 150)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    table = table_of()
    (folder / "parts").mkdir()
    for number, (start, stop) in enumerate([(0, 500), (500, N)]):
        part = table.slice(start, stop - start)
        pq.write_table(part, folder / "parts" / f"{number}.parquet", row_group_size=GROUPS[number])
    (folder / "parts" / "_SUCCESS").touch()
    kinds = {
        "fixed": pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), D),
        "list": pa.array(X.tolist(), pa.list_(pa.float32())),
        "large": pa.array(X.tolist(), pa.large_list(pa.float32())),
    }
    for name, vectors in kinds.items():
        made = pa.table({"id": table["id"], "v": vectors})
        pq.write_table(made, folder / f"{name}.parquet", row_group_size=200)
        write_ipc(made, folder / f"{name}.arrow")
    write_ipc(table, folder / "lz4.arrow", options=pa.ipc.IpcWriteOptions(compression="lz4"))
    write_ipc(table, folder / "stream.arrow", stream=True)
    feather.write_feather(table, folder / "x.feather", chunksize=150)
    return folder


@pytest.mark.parametrize("file", ["parts", "lz4.arrow", "stream.arrow", "x.feather"])
def test_numeric_columns_of_a_table_are_features(tables, file):
    rows = open_rows(tables / file)
    assert rows.layout.names == ("a", "b", "c")
    assert rows.layout.dtype == np.float32
    assert rows.array.edges == (EDGES if file == "parts" else tuple(range(0, N + 1, 150)))
    assert np.array_equal(values_of(rows), X)
    assert np.array_equal(rows.array[190:730, 1:], X[190:730, 1:])
    assert np.array_equal(open_array(tables / file, ["c", "a"])[...], X[:, [2, 0]])
    with pytest.raises(DataError, match=r"has no column 'z'; it has \['id', 'a', 'b', 'c'\]"):
        open_array(tables / file, ["a", "z"])
    with pytest.raises(DataError, match="column 'id' holds string, not numbers"):
        open_array(tables / file, ["a", "id"])


def test_the_metadata_of_each_file_are_read_once(tmp_path):
    for number in range(3):
        pq.write_table(pa.table({"a": [1, 2], "b": [3, None]}), tmp_path / f"{number}.parquet")
    read = []

    class Counted(Parquet):
        def head(self, file):
            read.append(file.name)
            return super().head(file)

    names = [f"{number}.parquet" for number in range(3)]
    files = located(tmp_path).files
    assert open_table(Counted(), files, None).dtype == np.float64
    assert read == names
    read.clear()
    assert find_column(Counted(), files, "a").shape == (6,)
    assert read == names


@pytest.mark.parametrize("kind", ["fixed", "list", "large"])
@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_a_column_of_vectors_is_a_matrix(tables, kind, suffix):
    array = open_array(tables / f"{kind}.{suffix}")
    assert array.dtype == np.float32
    assert np.array_equal(pickle.loads(pickle.dumps(array))[120:470], X[120:470])


def test_tables_that_are_no_matrix_are_refused(tables, tmp_path):
    def fails(match, **columns):
        pq.write_table(pa.table(columns), tmp_path / "t.parquet")
        with pytest.raises(DataError, match=match):
            KMeans(1).fit(tmp_path / "t.parquet")

    fails(r"t.parquet has no numeric column, only \['word'\]", word=["a", "b"])
    fails("not every vector in column 'v' has 2 numbers", v=[[1.0, 2.0], [3.0]])
    fails("not every vector in column 'v' has 2 numbers", v=[[1.0, 2.0], None])
    fails(r"vectors \['v'\] and of numbers \['n'\]: select .*--variable", v=[[1.0]], n=[1])
    fails("float64 cannot represent the value 9007199254740993", n=[2**53 + 1], x=[0.5])
    (tmp_path / "t.parquet").write_bytes(b"PAR1 is not all of it")
    with pytest.raises(DataError, match="t.parquet cannot be read as Parquet"):
        open_array(tmp_path / "t.parquet")
    pq.write_table(table_of(names="abd"), tmp_path / "other.parquet")
    pq.write_table(table_of(), tmp_path / "a.parquet")
    (tmp_path / "t.parquet").unlink()
    with pytest.raises(DataError, match=r"other.parquet has no column 'c'"):
        open_array(tmp_path)


def test_missing_values_of_a_table_are_nan_and_integers_stay_integers(tmp_path):
    table = pa.table(
        {"n": pa.array([1, 2, 3], pa.int16()), "m": pa.array([7, None, 9], pa.int16())}
    )
    pq.write_table(table, tmp_path / "t.parquet")
    assert open_array(tmp_path / "t.parquet", ["n"]).dtype == np.int16
    found = open_array(tmp_path / "t.parquet")
    want = table.to_pandas().to_numpy()
    assert found.dtype == np.float32
    assert np.array_equal(found[...], want, equal_nan=True)
    with pytest.raises(DataError, match="NaN"):
        KMeans(2).fit(tmp_path / "t.parquet")
    assert KMeans(2, nodata=np.nan).fit(tmp_path / "t.parquet").labels_.compute()[1] == 255
    write_ipc(table, tmp_path / "t.arrow")
    with pytest.raises(DataError, match="column 'm' has 1 missing values, which int16 cannot"):
        open_array(tmp_path / "t.arrow")[...]


def test_columns_are_weights_and_match_by_name(tables, tmp_path):
    weights = open_array(tables / "parts", "a")  # as a feature
    assert weights.shape == (N, 1)
    pq.write_table(table_of(np.abs(X)), tmp_path / "t.parquet", row_group_size=100)
    columns = (tmp_path / "t.parquet", *by_name("cb"))
    run("fit", *columns, "--weights", "a", "-k", 2, "-o", tmp_path / "m")
    by_hand = KMeans(2, random_state=0).fit(np.abs(X[:, [2, 1]]), sample_weight=np.abs(X[:, 0]))
    assert streamkm.load(tmp_path / "m").inertia_ == pytest.approx(by_hand.inertia_, rel=1e-5)
    model = KMeans(2, random_state=0).fit(open_array(tables / "parts", ["c", "b"]))
    want = model.labels_.compute()
    model.save(tmp_path / "model")
    run("predict", tmp_path / "model", tables / "lz4.arrow", "-o", tmp_path / "labels.npy")
    assert np.array_equal(np.load(tmp_path / "labels.npy"), want)


# ---- rasters ---------------------------------------------------------------------------------

BANDS = RNG.integers(0, 200, (3, 40, 50)).astype("u1")
PLACE = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}


def write_raster(path, values=BANDS, mask=None, **options):
    form = {"count": len(values), "height": values.shape[1], "width": values.shape[2]}
    tiles = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}
    with rasterio.open(
        path, "w", "GTiff", dtype=values.dtype, **form, **tiles, **PLACE, **options
    ) as scene:
        scene.write(values)
        if mask is not None:
            scene.write_mask(mask)


def test_a_raster_is_an_array_of_bands_with_its_place(tmp_path):
    write_raster(tmp_path / "x.tif", nodata=7)
    rows = open_rows(tmp_path / "x.tif", feature_dim="band", nodata="auto")
    assert rows.array.dims == ("band", "y", "x")
    assert rows.array.chunks == (3, 16, 16)
    assert rows.layout.dtype == np.uint8
    kept = ~(BANDS == 7).any(axis=0)
    assert 0 < kept.sum() < kept.size
    assert np.array_equal(values_of(rows), BANDS[:, kept].T)
    assert np.array_equal(rows.array[1:, 3:30, 8], BANDS[1:, 3:30, 8])
    labels = tmp_path / "labels.nc"
    where = (tmp_path / "x.tif", "--feature-dim", "band")
    run("fit", *where, "-k", 2, "-o", tmp_path / "m", "--labels", labels)
    with xr.open_dataset(labels, decode_coords="all") as found:
        assert rasterio.CRS.from_wkt(found.spatial_ref.crs_wkt) == PLACE["crs"]
        assert found.spatial_ref.GeoTransform == "500000.0 10.0 0.0 5000000.0 0.0 -10.0"
        assert found.x.values[:2].tolist() == [500005.0, 500015.0]
        assert np.array_equal(np.isnan(found.labels.values), ~kept)
    with pytest.raises(DataError, match="Its dimensions are .'band', 'y', 'x'"):
        KMeans(2).fit(tmp_path / "x.tif")


def test_pixels_behind_a_mask_or_an_alpha_band_are_left_out(tmp_path):
    mask = np.full(BANDS.shape[1:], 255, "u1")
    mask[3:9, 20:] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write_raster(tmp_path / "mask.tif", mask=mask)
    write_raster(
        tmp_path / "alpha.tif", np.concatenate([BANDS, mask[None]]), photometric="RGB", alpha="yes"
    )
    floats = np.where(mask, BANDS, np.nan).astype("f4")
    write_raster(tmp_path / "floats.tif", floats, nodata=np.nan)
    for name in ("mask", "alpha", "floats"):
        rows = open_rows(tmp_path / f"{name}.tif", feature_dim="band", nodata="auto")
        assert np.array_equal(values_of(rows), BANDS[:, mask > 0].T)


def test_scenes_of_one_grid_are_a_stack_in_the_order_of_their_names(tmp_path, small_blocks):
    for number in (1, 0):
        write_raster(tmp_path / f"{number}.tif", BANDS + np.uint8(number))
    want = np.stack([BANDS, BANDS + np.uint8(1)])
    array = open_array(tmp_path)
    assert array.dims == ("scene", "band", "y", "x")
    assert np.array_equal(array[...], want)
    assert open_rows(tmp_path, feature_dim="band").n_blocks > 4
    store = zarr.create_array(tmp_path / "x.zarr", data=want, chunks=array.chunks)
    found, other = (
        KMeans(3, feature_dim=1, random_state=0, init="random", tol=0.01).fit(data)
        for data in (array, store)
    )
    assert np.array_equal(found.cluster_centers_, other.cluster_centers_)
    assert np.array_equal(found.labels_.compute(), other.labels_.compute())
    write_raster(tmp_path / "2.tif", BANDS[:, :30])
    with pytest.raises(DataError, match="2.tif has another size"):
        open_array(tmp_path)


# ---- all formats -----------------------------------------------------------------------------


def fitted(data, **options):
    model = KMeans(4, random_state=0, init="random", max_iter=2, **options).fit(data)
    return [model.cluster_centers_, np.asarray(model.labels_), model.inertia_]


@pytest.fixture
def small_blocks(monkeypatch, no_table):
    """Blocks of few rows, which are read in every iteration."""
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 90 * (4 * D + 8))
    monkeypatch.setattr("streamkm.rows.opened._UNIT_NBYTES", 1)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_in_place_has_the_bits_of_the_same_array_in_a_store(kind, tmp_path, small_blocks):
    path, values, chunks = WRITERS[kind](tmp_path)
    rows = open_rows(path)
    assert rows.n_blocks >= 8
    assert is_conclusive(fingerprint(rows))
    step = rows.plan.edges[0][1]
    if chunks is not None:
        assert step % chunks[0] == 0
    store = zarr.create_array(tmp_path / "x.zarr", data=values, chunks=(step, D))
    assert open_rows(store).plan == rows.plan
    for one, other in zip(fitted(store), fitted(str(path)), strict=True):
        assert np.array_equal(one, other)


def write_cog(folder):
    cube = np.moveaxis(X.reshape(30, 30, D), -1, 0)
    about = {"width": 30, "height": 30, "count": D, "dtype": "float32", "crs": "EPSG:32633"}
    with rasterio.open(folder / "x.tif", "w", driver="COG", **about) as file:
        file.write(cube)
    return folder / "x.tif", X, None


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
@pytest.mark.parametrize("write", [*map(WRITERS.get, ("npy", "parquet", "netcdf")), write_cog])
def test_a_stopped_run_on_files_resumes_with_the_same_bits(write, tmp_path, small_blocks):
    path = write(tmp_path)[0]
    dim = ("--feature-dim", "band") if path.suffix == ".tif" else ()
    for name in ("whole", "parts"):
        outputs = ("-o", tmp_path / name, "--checkpoint", tmp_path / f"{name}.ckpt")
        command = (
            "fit",
            path,
            *dim,
            "-k",
            5,
            "--seed",
            1,
            "--init",
            "random",
            "--max-iter",
            2,
            *outputs,
        )
        command += ("--memory-limit", "1GiB", "--labels", tmp_path / f"{name}.npy")
        if name == "parts":
            assert "run the same command" in run(*command, "--time-limit", "0.001", code=75).output
            assert not (tmp_path / name).exists()
        run(*command)
    whole, parts = (streamkm.load(tmp_path / name) for name in ("whole", "parts"))
    assert whole.cluster_centers_.tobytes() == parts.cluster_centers_.tobytes()
    labels = [(tmp_path / f"{name}.npy").read_bytes() for name in ("whole", "parts")]
    assert labels[0] == labels[1]


def test_the_commands_take_files_and_labels_keep_their_coordinates(files, tmp_path):
    cube = (files / "x.nc", "--variable", "short", "--feature-dim", "time")
    run("fit", *cube, "-k", 3, "-o", tmp_path / "m", "--labels", tmp_path / "fit.nc")
    run("predict", tmp_path / "m", files / "x.nc", "-o", tmp_path / "labels.nc")
    with (
        xr.open_dataset(tmp_path / "labels.nc") as one,
        xr.open_dataset(tmp_path / "fit.nc") as two,
    ):
        assert one.labels.dims == ("y", "x")
        assert one.equals(two)
    over = (files / "x.nc", "--variable", "short", "--feature-dim", "x")
    run("fit", *over, "-k", 3, "-o", tmp_path / "n", "--labels", tmp_path / "over.nc")
    with xr.open_dataset(tmp_path / "over.nc") as found:
        assert found.time.values[1] == np.datetime64("2001-01-02")
    assert "2001" not in run("info", files / "x.nc", "--variable", "short").output
    np.save(tmp_path / "w.npy", np.ones(SHAPE[1:]))
    run("fit", *cube, "-k", 3, "-o", tmp_path / "w", "--weights", tmp_path / "w.npy")
    known, weighted = (streamkm.load(tmp_path / name).inertia_ for name in "mw")
    assert weighted == pytest.approx(known)
    assert known > 0
    words = run("fit", files / "x.nc", "-k", 3, "-o", tmp_path / "no", code=1).output
    assert "name one of its arrays ['byte'" in words
    assert words.rstrip().endswith("by --variable.")


@pytest.mark.parametrize("kind", ["npy", "shards", "hdf5", "parquet"])
def test_files_are_read_by_url(kind, tmp_path):
    path, values, _ = WRITERS[kind](tmp_path)
    there = fsspec.filesystem("memory")
    suffix = path.suffix or next(path.iterdir()).suffix
    there.put(str(path), f"/{kind}{path.suffix}", recursive=True)
    where = f"memory://{kind}{path.suffix}" if path.suffix else f"memory://{kind}/*{suffix}"
    array = open_array(where)
    assert np.array_equal(array[...], values)
    assert np.array_equal(pickle.loads(pickle.dumps(array))[240:610, 1:], values[240:610, 1:])
    assert is_conclusive(fingerprint(open_rows(where)))


def test_chunks_that_exceed_the_limit_are_refused_and_others_are_read_within_it(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:  # without values, so it is small
        file.create_dataset("large", (2**24, 2), "f4", chunks=(2**24, 2), compression="gzip")
        file.create_dataset("small", (2**24, 2), "f4", chunks=(2**14, 2), compression="gzip")
    budget = Budget(limit=300 * 2**20, threads=2)
    with pytest.raises(MemoryLimitError, match=r"smallest block of whole chunks .*Raise the limit"):
        open_rows(tmp_path / "x.h5", variable="large", budget=budget)
    rows = open_rows(tmp_path / "x.h5", variable="small", budget=budget)
    assert rows.plan.largest * 16 < 2**23
    assert rows.plan.edges[0][1] % 2**14 == 0


def test_a_changed_file_is_not_mixed_with_the_old_one(tmp_path):
    folder = in_shards(tmp_path / "s")
    array, before = open_array(folder), fingerprint(open_rows(folder))
    rows = open_rows(array)
    assert fingerprint(open_rows(folder)) == before
    fit = ("fit", folder, "-k", 2, "--checkpoint", tmp_path / "c", "--checkpoint-every", 0)
    run(*fit, "--max-iter", 1, "-o", tmp_path / "m")
    np.save(folder / "02.npy", X[:350] + 1)
    words = run(*fit, "-o", tmp_path / "n", code=1).output
    assert "other data" in words
    assert fingerprint(open_rows(folder)) != before
    with pytest.raises(ReadError, match=r"02.npy was changed after it was opened"):
        rows.block(0)
    (folder / "02.npy").rename(folder / "9.npy")
    assert fingerprint(open_rows(folder)) != before
