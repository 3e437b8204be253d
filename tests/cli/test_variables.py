"""Several variables of a group as features, compared with an xarray.Dataset in Python."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner

import streamkm
import streamkm.rows.memory
from streamkm.cli import main
from streamkm.rows import StoredRows, open_rows

K = 4
T, Y, X = 8, 15, 20
DIMS = ("time", "lat", "lon")
CHUNKS = {"t2m": (2, 15, 20), "u10": (4, 5, 20), "turned": (20, 15, 8), "height": (15, 20)}


@pytest.fixture
def store(tmp_path):
    """A group of floats with NaN, of integers with fill values, and of arrays on other grids."""
    rng = np.random.default_rng(0)

    def values(*shape):
        return rng.integers(K, size=shape) * 10 + rng.normal(size=shape)

    data = xr.Dataset(
        {
            "t2m": (DIMS, values(T, Y, X).astype("f4")),
            "u10": (DIMS, values(T, Y, X).astype("f4")),
            "turned": (DIMS[::-1], values(X, Y, T)),
            "height": (DIMS[1:], values(Y, X).astype("f4")),
            "fewer": (("x",), np.arange(3.0)),
            "a": (DIMS, rng.integers(-3, 9, (T, Y, X)).astype("i2"), {"_FillValue": np.int16(-3)}),
            "b": (DIMS, rng.integers(-2, 9, (T, Y, X)).astype("i2"), {"_FillValue": np.int16(-2)}),
            "c": (DIMS, rng.integers(-3, 9, (T, Y, X)).astype("i4"), {"_FillValue": np.int32(-3)}),
        },
        coords={"time": np.arange(T), "lat": np.arange(Y) / 4, "lon": np.arange(X) / 8},
    )
    data["t2m"][1, 2, 3] = np.nan
    encoding = {name: {"chunks": chunks} for name, chunks in CHUNKS.items()}
    data.to_zarr(tmp_path / "cube", consolidated=False, encoding=encoding)
    return tmp_path / "cube"


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def by_name(names):
    return [word for name in names for word in ("--variable", name)]


def fit(store, names, *more, code=0):
    at = store.parent
    return run(
        "fit",
        store,
        *by_name(names),
        "-k",
        K,
        "-o",
        at / "m",
        "--labels",
        at / "l",
        *more,
        code=code,
    )


def dataset(store, names):
    return xr.open_zarr(store, consolidated=False, mask_and_scale=False)[list(names)]


@pytest.mark.parametrize(
    "names",
    [
        ["t2m", "u10"],
        ["u10", "t2m"],
        ["t2m", "turned", "height"],
        ["a", "b"],
        ["a", "c"],
        ["a", "t2m"],
    ],
)
def test_the_model_and_the_labels_are_those_of_a_dataset(store, names):
    fit(store, names)
    data = dataset(store, names)
    expected = streamkm.KMeans(K, random_state=0).fit(data.load())
    found = streamkm.load(store.parent / "m")
    assert found.inertia_ == pytest.approx(expected.inertia_, rel=1e-12)
    assert found.cluster_centers_ == pytest.approx(expected.cluster_centers_, rel=1e-12)
    assert found.counts_.tolist() == expected.counts_.tolist()
    assert found.feature_names_in_.tolist() == names
    labels = zarr.open_array(store.parent / "l")
    assert labels.metadata.dimension_names == DIMS
    assert np.array_equal(labels[...], expected.labels_.transpose(*DIMS))
    stored = expected.predict(data)  # by name, also in Python
    assert np.array_equal(found.predict(data), stored)


def test_an_explicit_value_is_missing_in_every_variable_and_fill_values_then_are_not(store):
    fit(store, ["a", "b"], "--nodata", 5)
    data = dataset(store, "ab")
    valid = ((data["a"] != 5) & (data["b"] != 5)).values
    assert np.array_equal(zarr.open_array(store.parent / "l")[...] < K, valid)
    lows = streamkm.load(store.parent / "m").cluster_centers_.min()
    assert lows < 0  # -3 and -2 are values


def test_labels_match_variables_by_name(store):
    fit(store, ["t2m", "u10"])
    for names in (["t2m", "u10"], ["u10", "t2m"]):
        run("predict", store.parent / "m", store, *by_name(names), "-o", store.parent / "again")
        again = zarr.open_array(store.parent / "again")[...]
        assert np.array_equal(again, zarr.open_array(store.parent / "l")[...])
        shutil.rmtree(store.parent / "again")
    wrong = by_name(["t2m", "turned"])
    said = run(
        "predict", store.parent / "m", store, *wrong, "-o", store.parent / "x", code=1
    ).output
    assert "without ['u10'], with ['turned']" in said


def test_blocks_are_cached_after_their_only_read(store, monkeypatch):
    monkeypatch.setattr(streamkm.rows.memory, "TABLE_NBYTES", 0)
    found = json.loads(fit(store, ["t2m", "turned"], "--json").stdout)
    assert found["reads"] == 1
    rows = open_rows(store, variable=["t2m", "u10"])
    assert isinstance(rows, StoredRows)
    # Whole chunks of both: t2m has chunks of 2 times, u10 of 4 times and 5 latitudes.
    assert rows.array.chunks == (4, 15, 20, 2)


def test_a_checkpoint_belongs_to_all_its_variables(store, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    more = ["--checkpoint", store.parent / "ckpt"]
    fit(store, ["t2m", "u10"], *more)
    assert "is complete" in fit(store, ["t2m", "u10"], *more).stderr
    assert f"data={store / 't2m'}" in run("info", store.parent / "ckpt").output
    said = fit(store, ["u10", "t2m"], *more, code=1).output
    assert "belongs to other data" in said
    zarr.open_group(store)["u10"][0, 0, 0] = 5
    said = fit(store, ["t2m", "u10"], *more, code=1).output
    assert "belongs to other data: data u10 " in said
    said = fit(store, ["t2m", "u10"], "--checkpoint", store / "u10" / "ckpt", code=1).output
    assert "lies inside" in said


def test_weights_and_a_mask_of_the_group(store):
    group = zarr.open_group(store)
    mask = np.random.default_rng(1).random((Y, X)) < 0.5
    group.create_array("land", data=mask, dimension_names=DIMS[1:])
    fit(store, ["t2m", "u10"], "--mask", "land", "--weights", "height", "--nodata", "nan", code=1)
    group["height"][...] = np.abs(group["height"][...]) + 0.1
    fit(store, ["t2m", "u10"], "--mask", "land", "--weights", "height")
    data = dataset(store, ["t2m", "u10"]).load()
    beside = dataset(store, ["height", "land"])
    expected = streamkm.KMeans(K, random_state=0).fit(
        data, sample_weight=beside["height"], mask=beside["land"]
    )
    found = streamkm.load(store.parent / "m")
    assert found.cluster_centers_ == pytest.approx(expected.cluster_centers_, rel=1e-12)


def test_a_sweep_with_validation_data(store):
    at = store.parent
    names = by_name(["t2m", "u10"])
    run("sweep", store, *names, "-k", "1:3", "--validation", store, "-o", at / "s")
    found = streamkm.open_sweep(at / "s")
    assert found.attrs["features"] == ["t2m", "u10"]
    assert json.loads(found.attrs["parameters"])["variable"] == ["t2m", "u10"]
    np.testing.assert_allclose(found["train_min"], found["validation_min"], rtol=1e-6)
    run("predict", at / "s", store, *names, "-k", 2, "-o", at / "l2")


def test_info_shows_the_variables(store):
    fit(store, ["t2m", "u10"])
    said = run("info", store.parent / "m").output
    assert "variable=['t2m', 'u10']" in " ".join(said.split())
    assert "u10" in said.splitlines()[-K - 1]
    said = run("info", store, *by_name(["t2m", "height"])).output
    assert "(8, 15, 20)" in said
    assert "(15, 20)" in said


def test_the_command_for_labels_that_failed_names_the_variables(store, monkeypatch):
    def fail(*_, **__):
        raise OSError("full")

    monkeypatch.setattr("streamkm.runs.labels.writing", fail)
    said = fit(store, ["t2m", "u10"], code=1).output
    assert "--variable t2m --variable u10" in said


def test_a_damaged_chunk_is_named(store):
    (store / "u10" / "c" / "0" / "0" / "0").write_bytes(b"damaged")
    said = fit(store, ["t2m", "u10"], code=1).output
    assert "chunk c/0/0/0 of" in said
    assert "u10" in said


def grid(store, name, values, dims, lon=None):
    group = zarr.open_group(store)
    group.create_array(name, data=values, dimension_names=dims)
    if lon is not None:
        other, _, _ = name.rpartition("/")
        group[other].create_array("lon", data=lon, dimension_names=("lon",))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            ["t2m", "fewer"],
            "'fewer' has the dimensions ['x'], but 't2m' has ['time', 'lat', 'lon']",
        ),
        (["t2m", "u11"], "without 'u11': name one of its arrays"),
        (["t2m", "words"], "'words' has dtype"),
        (["t2m", "short"], "'short' has the shape {'lat': 15, 'lon': 19}, but 't2m' has"),
        (["t2m", "plain"], "'plain' has the dimensions 3 without names"),
        (["t2m", "big"], "the variable 'big' holds the integer 9007199254740993"),
        (["t2m", "other/v"], "'other/v' has the coordinates along 'lon' that begin with [7.0, 8.0"),
    ],
)
def test_variables_of_other_grids_are_one_error(store, names, expected):
    grid(store, "words", np.zeros((Y, X), complex), DIMS[1:])
    grid(store, "short", np.zeros((Y, X - 1)), DIMS[1:])
    grid(store, "plain", np.zeros((T, Y, X)), None)
    grid(store, "big", np.full((T, Y, X), 2**53 + 1), DIMS)
    grid(store, "other/v", np.zeros((Y, X)), DIMS[1:], np.arange(X) + 7.0)
    said = fit(store, names, code=1).output
    assert expected in said
    assert "Restore" not in said
    assert not (store.parent / "m").exists()


def test_a_feature_dimension_does_not_apply(store):
    said = fit(store, ["t2m", "u10"], "--feature-dim", "lat", code=1).output
    assert "the features are the variables ['t2m', 'u10']" in said


def test_arrays_without_names_of_dimensions(tmp_path):
    x = np.random.default_rng(0).normal(size=(500, 2))
    group = zarr.create_group(tmp_path / "g")
    for place, name in enumerate("pq"):
        group.create_array(name, data=x[:, place])
    run("fit", tmp_path / "g", *by_name("pq"), "-k", 3, "-o", tmp_path / "m")
    expected = streamkm.KMeans(3, random_state=0).fit(x)
    assert streamkm.load(tmp_path / "m").cluster_centers_ == pytest.approx(
        expected.cluster_centers_, rel=1e-12
    )


def test_each_variable_keeps_its_units(store, tmp_path):
    group = zarr.open_group(store, mode="r+")
    group["t2m"].attrs["units"], group["a"].attrs["units"] = "K", "1"
    group["u10"].attrs.update(units="m s-1", scale_factor=0.5)  # the unit of decoded values
    model = tmp_path / "m.zarr"
    fit = ["fit", str(store), "-k", "2", "-o", str(model)]
    for name in ("t2m", "u10", "a"):
        fit += ["--variable", name]
    done = CliRunner().invoke(main, fit)
    assert done.exit_code == 0, done.output
    assert list(streamkm.load(model).feature_units_) == ["K", "m s-1", "1"]
    assert "t2m [K]" in CliRunner().invoke(main, ["info", str(model)]).output


def test_a_decoded_chunk_of_any_variable_counts_in_the_memory(store, tmp_path):
    """A variable in one chunk, beside one whose chunks give small blocks."""
    group = zarr.open_group(store, mode="r+")
    whole = group.create_array(
        "whole", shape=(T, Y, X), chunks=(T, Y, X), dtype="f8", dimension_names=DIMS
    )
    whole[...] = np.arange(T * Y * X).reshape(T, Y, X)
    rows = open_rows(store, variable=["t2m", "whole"])
    assert rows.array.chunk_nbytes == T * Y * X * 8
