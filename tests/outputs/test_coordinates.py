"""Labels keep the coordinates that Zarr can hold; a warning names the others."""

from __future__ import annotations

import datetime
import warnings

import h5netcdf
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from click.testing import CliRunner

import streamkm
from streamkm.cli import main
from streamkm.errors import DataError, OutputWarning


class RasterSpec:
    """An attribute like one of stackstac."""


@pytest.fixture
def cube():
    """A cube like those of stackstac, with text, times, dicts and sets in its coordinates."""
    x = np.random.default_rng(0).normal(size=(3, 8, 6, 2))
    epsg, objects = np.array(32633), np.empty(3, object)
    objects[:] = [{"a": 1}, None, {"b"}]
    boxes = np.empty((), object)
    boxes[()] = {"proj": "x"}
    return xr.DataArray(
        x,
        dims=("time", "y", "x", "band"),
        coords={
            "time": pd.date_range("2024-01-01", periods=3),
            "y": np.arange(8.0),
            "x": np.arange(6.0),
            "band": ["red", "green"],
            "id": ("time", np.array(["S2A", "S2B", "S2C"])),
            "platform": ("time", np.array(["a", "b", "c"], object)),
            "properties": ("time", objects),
            "proj:bbox": ((), boxes),
            "mixed": ("time", np.array(["a", 1, None], object)),
            "s2:cloud/cover": ("time", [0.1, 0.2, 0.3]),
            "epsg": ((), epsg),
            "height": (("y", "x"), np.ones((8, 6))),
        },
        attrs={"spec": RasterSpec(), "crs": "epsg:32633", "made": datetime.datetime(2024, 1, 1)},
    )


def test_a_cube_of_stackstac_is_labelled(cube, tmp_path):
    km = streamkm.KMeans(2, feature_dim="band", random_state=0).fit(cube)
    cube.coords["y"].attrs["odd"] = RasterSpec()
    with pytest.warns(OutputWarning) as told:
        labels = km.write_labels(cube, tmp_path / "l")
    said = str(told[0].message)
    assert isinstance(cube["y"].attrs["odd"], RasterSpec)  # the input is unchanged
    assert len([one for one in told if one.category is OutputWarning]) == 1
    for name in (
        "properties",
        "proj:bbox",
        "mixed",
        "s2:cloud/cover",
        "attribute spec",
        "odd of y",
    ):
        assert name in said
    assert "objects of NoneType, dict, set" in said
    again = xr.open_zarr(tmp_path / "l", consolidated=False)
    assert set(again.coords) == {"time", "y", "x", "id", "platform", "epsg", "height"}
    for name in again.coords:
        assert np.array_equal(again[name].values, cube[name].values), name
    assert np.array_equal(labels.values, km.predict(cube).values)
    assert again["labels"].attrs["crs"] == "epsg:32633"
    named = set(labels.attrs.get("coordinates", "").split()) or set(labels.coords)
    assert not named & {"properties", "mixed", "s2:cloud/cover"}


@pytest.mark.parametrize("suffix", [".nc", ".parquet", ".tif", ".npy"])
def test_a_lazy_cube_of_stackstac_is_labelled_in_files_with_one_warning(cube, tmp_path, suffix):
    cube = cube.chunk(time=1).assign_coords(year=("time", [23, 23, 24]), part=("time", [3, 4, 1]))
    cube = cube.drop_vars("time").set_index(time=["year", "part"])
    cube.attrs |= {"nested": {"a": [None, {"b": cube.attrs["made"]}]}, "kept": {"a": [1, None]}}
    km = streamkm.KMeans(2, feature_dim="band", random_state=0).fit(cube)
    with pytest.warns(OutputWarning) as told:
        found = km.write_labels(cube, tmp_path / f"l{suffix}")
    assert len(told) == 1
    for lost in (
        "index of time (its levels ['year', 'part']",
        "properties (it holds",
        "made (a date",
    ):
        assert lost in str(told[0].message)
    assert "the attribute nested (a dict)" in str(told[0].message)
    labels = km.labels_.values
    if suffix == ".parquet":
        table = found.read()
        names = ["id", "platform", "year", "part", "y", "x", "label"]
        assert table.column_names == names
        assert table["part"].to_pylist() == [3] * 48 + [4] * 48 + [1] * 48
        assert table["label"].to_pylist() == labels.ravel().tolist()
    elif suffix == ".tif":
        assert np.array_equal(found.read(), labels)
        assert found.crs.to_epsg() == 32633
        assert found.descriptions == ("time 0", "time 1", "time 2")
        found.close()
    elif suffix == ".nc":
        assert np.array_equal(found, labels)
        assert set(found.coords) == {"id", "platform", "year", "part", "y", "x", "epsg", "height"}
        assert found.attrs["kept"] == '{"a": [1, null]}'
        found.close()
    else:
        assert np.array_equal(found, labels)


def test_times_that_cannot_be_decoded_are_refused_before_any_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with h5netcdf.File("x.nc", "w") as file:
        file.dimensions = {"time": 3, "f": 2}
        file.create_variable("x", ("time", "f"), "f4", data=np.eye(3, 2))
        times = file.create_variable("time", ("time",), "i4", data=np.arange(3))
        times.attrs.update(units="days since 2001-01-01", calendar="of_a_model")
    command = ["fit", "x.nc", "-k", "2", "-o", "m", "--labels"]
    said = CliRunner().invoke(main, [*command, "l.parquet"])
    assert said.exit_code == 1
    assert "Calendars of models need cftime" in said.output
    assert not (tmp_path / "m").exists()
    assert CliRunner().invoke(main, [*command, "l.nc"]).exit_code == 0  # copies the numbers
    with h5netcdf.File("l.nc") as file:
        assert file["time"].attrs["calendar"] == "of_a_model"
        assert file["time"][...].tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", ["a/b", "/a", "..", "__reserved", "labels", "zarr.json", 7])
def test_names_that_zarr_does_not_take(tmp_path, name):
    x = np.random.default_rng(0).normal(size=(30, 2))
    coords = {name: ("row", np.arange(30)), "row": range(30)}
    given = xr.DataArray(x, dims=("row", "f"), coords=coords)
    km = streamkm.KMeans(2, feature_dim="f", random_state=0).fit(given)
    with pytest.warns(OutputWarning, match="without"):
        labels = km.write_labels(given, tmp_path / "l")
    assert set(labels.coords) == {"row"}
    assert np.array_equal(labels.values, km.predict(given).values)
    assert [path.name for path in tmp_path.iterdir()] == ["l"]


@pytest.mark.parametrize(
    "values",
    [
        pd.interval_range(0, 30, 30),
        pd.Categorical(["a", "b", "c"] * 10),
        np.array([1 + 2j] * 30),
        np.array([b"x"] * 30),
        np.array([datetime.date(2024, 1, 1)] * 30),
        pd.period_range("2024-01", periods=30, freq="M"),
        np.array([np.timedelta64(1, "s")] * 30),
        np.array([(1, 2.0)] * 30, [("a", "i4"), ("b", "f8")]),
    ],
    ids=["intervals", "categories", "complex", "bytes", "dates", "periods", "deltas", "structs"],
)
def test_coordinates_of_every_kind_are_kept_or_named(tmp_path, values):
    x = np.random.default_rng(0).normal(size=(30, 2))
    given = xr.DataArray(x, dims=("row", "f")).assign_coords(odd=("row", values))
    km = streamkm.KMeans(2, feature_dim="f", random_state=0).fit(given)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        labels = km.write_labels(given, tmp_path / "l")
    named = any("without odd" in str(one.message) for one in told)
    assert named != ("odd" in labels.coords)
    assert np.array_equal(labels.values, km.predict(given).values)


def test_a_dimension_without_a_text_as_its_name_is_refused(tmp_path):
    given = xr.DataArray(np.eye(4), dims=(0, "f"))
    km = streamkm.KMeans(2, feature_dim="f", random_state=0).fit(given)
    with pytest.raises(DataError, match="rename it"):
        km.write_labels(given, tmp_path / "l")
