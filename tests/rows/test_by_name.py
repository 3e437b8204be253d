"""Weights and masks by the name of a coordinate or a variable, compared with NumPy."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr

import streamkm
import streamkm.xarray
from streamkm.errors import DataError
from streamkm.rows import fingerprint, is_conclusive, open_rows

LAT, LON = np.linspace(-90, 90, 7), np.arange(4.0)
AREA = np.cos(np.deg2rad(LAT)).clip(0)
VALUES = np.random.default_rng(0).normal(size=(7, 4, 3))
CURVED = np.random.default_rng(1).uniform(-80, 80, size=(7, 4))


def cube(**units):
    """Values (lat, lon, time) with two latitudes, in degrees unless a unit is given."""
    lat = LAT if units.get("units") != "radians" else np.deg2rad(LAT)
    return xr.DataArray(
        VALUES,
        dims=("lat", "lon", "time"),
        coords={
            "lat": ("lat", lat, units),
            "lon": LON,
            "curved": (("lat", "lon"), CURVED, {"units": "degrees_north"}),
            "far": ("lat", LAT * 3, {"units": "degrees"}),
            "km": ("lat", LAT, {"units": "km"}),
            "level": 3.0,
        },
        name="t",
    )


def weights_of(data, text, **more):
    """The weights of all rows, in their order."""
    rows = open_rows(data, feature_dim="time", sample_weight=text, **more)
    return np.broadcast_to(np.asarray(rows.weights), (7, 4))


@pytest.mark.parametrize("unit", [{}, {"units": "degrees_north"}, {"units": "radians"}])
def test_the_cosine_of_a_latitude_is_that_of_numpy_and_is_never_negative(unit):
    found = weights_of(cube(**unit), "cos(lat)")
    np.testing.assert_allclose(found, np.broadcast_to(AREA[:, None], (7, 4)), rtol=1e-15)
    assert found.min() >= 0
    single = cube(**unit).assign_coords(lat=("lat", cube(**unit)["lat"].values.astype("f4"), unit))
    assert weights_of(single, " cos( lat )").min() == 0  # the cosine of 90 degrees is -4e-8 here


def test_a_latitude_of_two_dimensions_and_a_plain_coordinate():
    expected = np.cos(np.deg2rad(CURVED))
    np.testing.assert_array_equal(weights_of(cube(), "cos(curved)"), expected)
    turned = open_rows(cube().T, feature_dim="time", sample_weight="cos(curved)")
    np.testing.assert_array_equal(turned.weights, expected.T)
    lazy = cube().assign_coords(curved=(("lat", "lon"), da.from_array(CURVED, chunks=3)))
    np.testing.assert_array_equal(weights_of(lazy, "cos(curved)"), expected)
    np.testing.assert_array_equal(weights_of(cube(), "curved"), CURVED)


def test_names_in_stores_and_files_are_those_beside_the_array(tmp_path):
    data = cube(units="degrees_north").to_dataset().assign(land=(("lat", "lon"), CURVED > 0))
    data.drop_encoding().to_zarr(tmp_path / "deep.zarr", group="a/b", consolidated=False)
    data.drop_vars("land").to_netcdf(tmp_path / "t.nc")
    array = zarr.open_group(tmp_path / "deep.zarr")["a/b/t"]
    places = [(array, None), (tmp_path / "deep.zarr", "a/b/t"), (tmp_path / "t.nc", "t")]
    for source, variable in places:
        found = weights_of(source, "cos(lat)", variable=variable)
        np.testing.assert_array_equal(found, np.broadcast_to(AREA[:, None], (7, 4)))
        found = weights_of(source, "cos(curved)", variable=variable)
        np.testing.assert_array_equal(found, np.cos(np.deg2rad(CURVED)))
    rows = open_rows(array, feature_dim="time", mask="land")
    np.testing.assert_array_equal(rows.mask[...], CURVED > 0)


def test_many_netcdf_files_and_a_packed_latitude(tmp_path):
    for number, part in enumerate((slice(0, 3), slice(3, 7))):
        data = cube(units="degrees_north")[part, 0].drop_vars(("curved", "far", "km", "level"))
        packed = {"lat": {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -1}}
        data.to_netcdf(tmp_path / f"{number}.nc", encoding=packed)
    rows = open_rows(tmp_path / "*.nc", variable="t", feature_dim="time", sample_weight="cos(lat)")
    np.testing.assert_allclose(rows.weights, AREA, rtol=1e-15)


def test_packed_weights_of_many_netcdf_files_are_those_of_each_file(tmp_path):
    expected, dims = np.arange(1.0, 29.0).reshape(7, 4), ("lat", "lon")
    for number, part in enumerate((slice(0, 3), slice(3, 7))):
        variables = {"t": ((*dims, "time"), VALUES[part]), "area": (dims, expected[part])}
        data = xr.Dataset(variables, coords={"lat": LAT[part]})
        packing = {"dtype": "i2", "scale_factor": 0.5 / (number + 1), "_FillValue": -1}
        data.to_netcdf(tmp_path / f"{number}.nc", encoding={"area": packing})
    rows = open_rows(tmp_path / "*.nc", variable="t", feature_dim="time", sample_weight="area")
    np.testing.assert_array_equal(rows.weights[...], expected)


def test_a_packed_latitude_that_xarray_has_not_decoded():
    packing = {"scale_factor": 0.5, "add_offset": -90.0, "_FillValue": np.int16(-1)}
    packed = np.round((LAT + 90) * 2).astype("i2")
    for values in (packed, da.from_array(packed, chunks=3)):
        data = cube().assign_coords(lat=("lat", values, packing | {"units": "degrees_north"}))
        found = weights_of(data, "cos(lat)")
        np.testing.assert_allclose(found, np.broadcast_to(AREA[:, None], (7, 4)), rtol=1e-15)
    packed[2] = -1
    data = cube().assign_coords(lat=("lat", packed, packing))
    with pytest.raises(DataError, match="negative or non-finite sample_weight"):
        data.streamkm.fit(2, "time", sample_weight="cos(lat)")


def test_a_variable_of_a_dataset_that_weighs_rows_is_no_feature():
    t = cube()
    data = xr.Dataset({"a": t[..., 0], "b": t[..., 1], "area": (("lat", "lon"), CURVED + 100)})
    model = data.streamkm.fit(2, sample_weight="area", random_state=0)
    expected = data[["a", "b"]].streamkm.fit(2, sample_weight=data["area"], random_state=0)
    assert model.feature_names_in_.tolist() == ["a", "b"]
    assert np.array_equal(model.cluster_centers_, expected.cluster_centers_)
    assert model.counts_.sum() == pytest.approx((CURVED + 100).sum())
    assert model.score(data, sample_weight="area") == pytest.approx(-model.inertia_)
    assert np.array_equal(model.predict(data), expected.labels_)  # the other variables are ignored
    by_name = data.streamkm.sweep(range(1, 3), sample_weight="area")
    by_array = data[["a", "b"]].streamkm.sweep(range(1, 3), sample_weight=data["area"])
    assert np.array_equal(by_name["train_distortion"], by_array["train_distortion"])


def test_a_weight_of_two_is_a_row_twice_and_zero_is_none():
    t, times = cube(), np.random.default_rng(2).integers(0, 3, size=(7, 4))
    start = VALUES.reshape(-1, 3)[[1, 9]]
    weighted = t.assign_coords(times=(("lat", "lon"), times)).streamkm.fit(
        2, "time", sample_weight="times", init=start, tol=0
    )
    repeated = np.repeat(VALUES.reshape(-1, 3), times.ravel(), axis=0)
    plain = streamkm.KMeans(2, init=start, tol=0).fit(repeated)
    np.testing.assert_allclose(weighted.cluster_centers_, plain.cluster_centers_, rtol=1e-12)
    assert np.array_equal(weighted.counts_, plain.counts_)


WRONG = [
    ("cos(lta)", "'lta' is no coordinate or array of the data, which have .*Did you mean 'lat'"),
    ("sqrt(lat)", r"or cos\(NAME\); other expressions are not evaluated"),
    ("cos(lat) * 2", "other expressions are not evaluated"),
    ("cos(far)", "is negative for some values .* range from -270 to 270"),
    ("cos(km)", "the units of this coordinate are 'km'; the cosine needs degrees or radians"),
    ("cos(time)", "'time' is no coordinate"),
    ("level", "one value per row needs"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_other_texts_are_one_error_before_any_read(text, message):
    with pytest.raises(DataError, match=message):
        cube().streamkm.fit(2, "time", sample_weight=text)


def test_data_without_coordinates_and_a_mask_that_is_a_cosine():
    with pytest.raises(DataError, match="which have no coordinates. Give an array"):
        streamkm.KMeans(2).fit(VALUES[:, 0], sample_weight="cos(lat)")
    with pytest.raises(DataError, match="mask 'cos.lat.' is not true or false"):
        cube().streamkm.fit(2, "time", mask="cos(lat)")


def test_weights_by_latitude_identify_the_rows_so_that_labels_resume(tmp_path):
    data = cube(units="degrees_north").drop_vars(("curved", "far", "km", "level"))
    found = []
    for number, lat in enumerate((LAT, np.append(LAT[:-1], 80.0))):
        path = tmp_path / str(number)
        data.assign_coords(lat=("lat", lat)).to_dataset().to_zarr(path, consolidated=False)
        rows = open_rows(path, variable="t", feature_dim="time", sample_weight="cos(lat)")
        found.append(fingerprint(rows))
        assert is_conclusive(found[-1])
    assert found[0]["weights"] != found[1]["weights"]
