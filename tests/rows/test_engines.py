"""Files that an engine of xarray reads: GRIB by cfgrib, and files that only an engine claims."""

from __future__ import annotations

import gzip
import pickle
import sys

import numpy as np
import pytest
import xarray as xr

import streamkm
from streamkm.errors import DataError, ReadError
from tests.rows.test_in_place import by_name, run

MISSING = 9999
VALUES = np.random.default_rng(0).integers(0, 200, (4, 2, 3, 5)).astype(float)  # time, name, y, x
VALUES[:, 0, 1, 2] = MISSING
HOURS = (0, 6, 12, 18)


def write_grib(path, values, names, hours=HOURS):
    """Write a message of GRIB 2 for each hour and name by ecCodes."""
    codes = pytest.importorskip("eccodes")
    ny, nx = values.shape[2:]
    grid = {"Ni": nx, "Nj": ny, "latitudeOfFirstGridPointInDegrees": 10.0 * (ny - 1)}
    grid |= {"latitudeOfLastGridPointInDegrees": 0, "longitudeOfFirstGridPointInDegrees": 0}
    grid |= {"longitudeOfLastGridPointInDegrees": 10.0 * (nx - 1)}
    grid |= {"iDirectionIncrementInDegrees": 10, "jDirectionIncrementInDegrees": 10}
    grid |= {"dataDate": 20240101, "bitsPerValue": 24, "bitmapPresent": 1, "missingValue": MISSING}
    with path.open("wb") as file:
        for maps, hour in zip(values, hours, strict=True):
            for numbers, name in zip(maps, names, strict=True):
                message = codes.codes_grib_new_from_samples("regular_ll_pl_grib2")
                for key, value in {**grid, "dataTime": hour * 100, "shortName": name}.items():
                    codes.codes_set(message, key, value)
                codes.codes_set_values(message, numbers.ravel())
                codes.codes_write(message, file)
                codes.codes_release(message)
    return path


@pytest.fixture(scope="module")
def grib(tmp_path_factory):
    pytest.importorskip("cfgrib")
    return write_grib(tmp_path_factory.mktemp("grib") / "x.grib2", VALUES, ("t", "u"))


def test_grib_is_read_in_place_with_its_messages_as_chunks(grib):
    array = streamkm.open_array(grib, "t")
    wanted = np.where(VALUES[:, 0] == MISSING, np.nan, VALUES[:, 0])
    assert np.array_equal(array[...], wanted, equal_nan=True)
    assert np.array_equal(array[1:3, :2, 1:], wanted[1:3, :2, 1:], equal_nan=True)
    sent = pickle.loads(pickle.dumps(array))
    assert np.array_equal(sent[0, :2], wanted[0, :2], equal_nan=True)
    assert array.dims == ("time", "latitude", "longitude")
    assert array.chunks == (1, 3, 5)
    assert not list(grib.parent.glob("*.idx"))
    with pytest.raises(DataError, match=r"\['t', 'u'\]"):
        streamkm.open_array(grib)


def test_the_commands_read_grib_and_labels_keep_its_coordinates(grib, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("fit", grib, *by_name("tu"), "-k", 2, "--weights", "cos(latitude)", "-o", "m.zarr")
    run("predict", "m.zarr", grib, "-o", "l.nc")  # the features of the fit are the variables
    centroids = streamkm.load("m.zarr").cluster_centers_
    rows = np.moveaxis(VALUES, 1, -1)
    wanted = ((rows[..., None, :] - centroids) ** 2).sum(-1).argmin(-1)
    with xr.open_dataset("l.nc", engine="h5netcdf", decode_timedelta=True) as found:
        shown = rows[..., 0] != MISSING
        assert np.array_equal(found.labels.values[shown], wanted[shown])
        assert np.isnan(found.labels.values[~shown]).all()
        hours = found.time.values - np.datetime64("2024-01-01")
        assert (hours / np.timedelta64(1, "h")).tolist() == list(HOURS)
        assert found.latitude.values.tolist() == [20, 10, 0]
        assert found.step.values == np.timedelta64(0)


def test_many_grib_files_are_one_array_along_time(tmp_path):
    pytest.importorskip("cfgrib")
    for number in range(2):
        part = slice(2 * number, 2 * number + 2)
        write_grib(tmp_path / f"{number}.grib", VALUES[part, 1:], ("u",), HOURS[part])
    array = streamkm.open_array(tmp_path)
    assert np.array_equal(array[...], VALUES[:, 1])
    model = streamkm.KMeans(1, feature_dim="time").fit(tmp_path)
    np.testing.assert_allclose(model.cluster_centers_[0], VALUES[:, 1].mean(axis=(1, 2)))


def test_damaged_grib_and_a_missing_engine_are_named(tmp_path, monkeypatch):
    (tmp_path / "x.grib").write_bytes(b"GRIB")
    monkeypatch.setitem(sys.modules, "cfgrib", None)
    with pytest.raises(DataError, match=r"GRIB files need cfgrib: pip install 'streamkm\[grib\]'"):
        streamkm.open_array(tmp_path / "x.grib")
    monkeypatch.undo()
    pytest.importorskip("cfgrib")
    with pytest.raises(ReadError, match="cannot be read by the engine 'cfgrib'"):
        streamkm.open_array(tmp_path / "x.grib")


def write_gzip(path):
    """Write a compressed netCDF-3 file, which only the engine `scipy` claims."""
    how = {"x": {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -1}}
    data = xr.Dataset({"x": (("row", "band"), np.arange(12.0).reshape(6, 2))})
    data.x[2] = np.nan
    path.write_bytes(gzip.compress(bytes(data.to_netcdf(engine="scipy", encoding=how))))
    return path


def test_a_file_that_only_an_engine_claims_is_opened_by_it(tmp_path):
    array = streamkm.open_array(write_gzip(tmp_path / "x.nc.gz"))
    wanted = np.delete(np.arange(12.0).reshape(6, 2), 2, axis=0)
    assert np.isnan(array[2]).all()
    model = streamkm.KMeans(1).fit(str(tmp_path / "*.nc.gz"))
    np.testing.assert_allclose(model.cluster_centers_[0], wanted.mean(axis=0))
    write_gzip(tmp_path / "x.nc.gz").write_bytes(b"")
    with pytest.raises(ReadError, match="was changed after it was opened"):
        array[...]


def test_files_that_no_engine_claims_are_refused(tmp_path):
    (tmp_path / "x.unknown").write_bytes(b"123")
    with pytest.raises(DataError, match="is not a Zarr array or group"):
        streamkm.open_array(tmp_path / "x.unknown")
