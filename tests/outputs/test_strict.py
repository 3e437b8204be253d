"""Metadata are strict JSON, also for numbers that JSON does not have."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.cli import main


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.output


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


def check_strict(folder):
    found = list(folder.rglob("zarr.json"))
    assert found
    for path in found:
        json.loads(path.read_text(), parse_constant=refuse)


@pytest.fixture
def data(tmp_path):
    x = np.random.default_rng(0).normal(size=(100, 2)).astype("f4")
    x[3] = np.nan
    zarr.create_array(tmp_path / "x", data=x, chunks=(50, 2))
    return tmp_path / "x"


@pytest.mark.parametrize("nodata", ["nan", "0,nan", "inf,nan"])
def test_every_store_of_a_run_is_strict_json(data, tmp_path, nodata):
    outputs = ["-o", tmp_path / "m", "--labels", tmp_path / "l", "--checkpoint", tmp_path / "c"]
    run("fit", data, "-k", 2, "--nodata", nodata, "--loss-tol", 0, *outputs)
    run("sweep", data, "-k", "1:3", "--nodata", nodata, "-o", tmp_path / "s")
    run("predict", tmp_path / "m", data, "-o", tmp_path / "p")
    run("predict", tmp_path / "s", data, "-k", 2, "-o", tmp_path / "q")
    check_strict(tmp_path)
    for name in ("l", "p", "q"):
        assert zarr.open_array(tmp_path / name)[3] == 255
    given = streamkm.load_model(tmp_path / "m").parameters["nodata"]
    assert str(given) == str([float(part) for part in nodata.split(",")])
    run(
        "fit", data, "-k", 2, "--nodata", nodata, "--loss-tol", 0, *outputs
    )  # done, according to its record


@pytest.mark.parametrize("nodata", [math.nan, [0.0, math.nan]])
def test_an_estimator_comes_back_with_its_nodata(data, tmp_path, nodata):
    x = np.asarray(zarr.open_array(data)[...])
    km = streamkm.KMeans(2, nodata=nodata, random_state=0, tol=0.0).fit(x)
    km.save(tmp_path / "m")
    check_strict(tmp_path / "m")
    again = streamkm.load(tmp_path / "m")
    assert str(again.nodata) == str(nodata)
    assert np.array_equal(again.predict(x), km.labels_)


def test_labels_of_data_with_strange_attributes_are_strict_json(tmp_path):
    x = np.random.default_rng(0).normal(size=(20, 10, 2))
    attributes = {"a": math.nan, "b": [1.0, -math.inf], "c": np.float32("nan"), "d": np.arange(3)}
    given = xr.DataArray(
        x, dims=("y", "x", "band"), coords={"y": np.arange(20.0)}, attrs=attributes
    )
    given.coords["y"].attrs |= {"odd": math.inf, "_FillValue": math.nan, "missing_value": math.nan}
    km = streamkm.KMeans(2, feature_dim="band", random_state=0).fit(given)
    labels = km.write_labels(given, tmp_path / "l")
    check_strict(tmp_path / "l")
    assert labels.attrs["d"] == [0, 1, 2]
    assert labels.attrs["a"] == "nan"
