"""Labels as GeoTIFF: values by NumPy, and the place of the data by rasterio and rioxarray."""

from __future__ import annotations

import os
import resource
import sys

import dask
import numpy as np
import pandas as pd
import pytest
import rasterio
import rioxarray  # noqa: F401
import xarray as xr
import zarr
from click.testing import CliRunner
from rasterio.transform import Affine

import streamkm
from streamkm.cli import main
from streamkm.errors import DataError, OutputExistsError, OutputWarning

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning:rioxarray")
RNG = np.random.default_rng(0)
CENTROIDS = np.array([[0.0, 0.0], [50.0, 50.0], [100.0, 0.0]])
H, W = 70, 45
X = RNG.integers(0, 120, (2, H, W)).astype("u1")  # (band, y, x)
X[:, 3, 4] = 255
PLACE = Affine(10, 0, 500_000.1, 0, -10, 5_100_000.7)
WANTED = ((np.moveaxis(X, 0, -1)[..., None, :].astype(float) - CENTROIDS) ** 2).sum(-1).argmin(-1)
WANTED[3, 4] = 255


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder with a model of two bands; blocks are small."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 1)
    monkeypatch.setattr("streamkm.outputs.whole_labels._PART", 300)
    streamkm.KMeans.from_centroids(CENTROIDS, feature_dim="band").save("m")
    options = {"driver": "GTiff", "width": W, "height": H, "count": 2, "dtype": "uint8"}
    options |= {"nodata": 255, "crs": "EPSG:32633", "transform": PLACE}
    with rasterio.open("x.tif", "w", tiled=True, blockxsize=16, blockysize=16, **options) as file:
        file.write(X)
    with dask.config.set(num_workers=2):
        yield tmp_path


def scene(**changes):
    """The same scene as a DataArray of rioxarray, which states no transform."""
    y, x = 5_100_000.7 - 10 * np.arange(0.5, H), 500_000.1 + 10 * np.arange(0.5, W)
    data = xr.DataArray(X, {"y": y, "x": x, **changes}, ("band", "y", "x"), attrs={"nodata": 255})
    return data.rio.write_crs("EPSG:32633").drop_attrs(deep=False).assign_attrs(nodata=255)


def placed(path):
    with rasterio.open(path) as file:
        return file.transform, file.crs, file.nodata, file.read()


def model():
    return streamkm.KMeans.from_centroids(CENTROIDS, feature_dim="band")


def test_labels_of_a_geotiff_have_its_place_and_are_cloud_optimised(home):
    run("predict", "m", "x.tif", "-o", "l.tif")
    with rasterio.open("x.tif") as source, rasterio.open("l.tif") as file:
        np.testing.assert_array_equal(file.read(1), WANTED)
        assert (file.transform, file.crs) == (source.transform, source.crs)
        assert (file.count, file.dtypes, file.nodata) == (1, ("uint8",), 255)
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.tags()["flag_meanings"] == "cluster_0 cluster_1 cluster_2"
        table = file.colormap(1)
        assert [table[0], table[255]] == [(0x00, 0x72, 0xB2, 255), (0, 0, 0, 0)]
    assert sorted(os.listdir(".")) == ["l.tif", "m", "x.tif"]  # also no .aux.xml
    before = (home / "l.tif").read_bytes()
    assert "exists" in run("predict", "m", "x.tif", "-o", "l.tif", code=1)
    run("predict", "m", "x.tif", "-o", "l.tif", "--overwrite")
    assert (home / "l.tif").read_bytes() == before
    assert "not local" in run("predict", "m", "x.tif", "-o", "s3://a/l.tif", code=1)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_overviews_have_the_most_frequent_label(home, monkeypatch):
    monkeypatch.setattr("streamkm.outputs.whole_labels._PART", 2**18)
    large = np.zeros((2, 600, 550), "u1")
    large[:, ::2, ::2] = 50  # a quarter of each pixel of the overview
    model().write_labels(xr.DataArray(large, dims=("band", "y", "x")), "l.tif")
    with rasterio.open("l.tif") as file:
        assert file.overviews(1) == [2]
        assert file.crs is None
        assert not file.read(1, out_shape=(300, 275)).any()


@pytest.mark.parametrize("kind", ["centres", "corners", "moved", "rotated"])
def test_the_place_is_that_of_the_coordinates_and_of_the_grid_mapping(home, kind):
    data, want = scene(), PLACE
    if kind == "corners":  # as of stackstac
        data = data.assign_coords(y=data.y + 5, x=data.x - 5, epsg=32633).drop_vars("spatial_ref")
        data.attrs["transform"] = PLACE  # an object, of which the six numbers are kept
    if kind == "moved":  # a part, with the transform of the whole
        data = data.rio.write_transform(PLACE)[:, 10:, 7:]
        want = PLACE @ Affine.translation(7, 10)
    if kind == "rotated":
        want = PLACE @ Affine.rotation(30)
        data = data.drop_vars(["y", "x"]).rio.write_transform(want)
    found = model().write_labels(data, "l.tif")
    assert isinstance(found, rasterio.DatasetReader)
    transform, crs, nodata, values = placed("l.tif")
    assert transform == want if kind == "rotated" else transform.almost_equals(want, 1e-9)
    assert (crs, nodata) == (rasterio.CRS.from_epsg(32633), 255)
    np.testing.assert_array_equal(values[0], WANTED[-data.shape[1] :, -data.shape[2] :])
    with xr.open_dataarray("l.tif", engine="rasterio", mask_and_scale=False) as opened:
        shift = 5 if kind == "corners" else 0
        if kind != "rotated":
            np.testing.assert_allclose(opened.x, data.x + shift, rtol=1e-12)
            np.testing.assert_allclose(opened.y, data.y - shift, rtol=1e-12)
    found.close()


def test_a_store_of_several_dates_becomes_a_band_for_each_in_any_order(home):
    dates = pd.to_datetime(["2024-01-01", "2024-01-05"])
    data = xr.concat([scene(), scene() // 2], pd.Index(dates, name="time"))
    ordered = data.transpose("x", "time", "band", "y")
    ordered.to_dataset(name="cube").to_zarr("x.zarr", zarr_format=3, consolidated=False)
    run("predict", "m", "x.zarr", "--variable", "cube", "-o", "l.tiff")
    transform, crs, _, values = placed("l.tiff")
    assert transform.almost_equals(PLACE, 1e-9)
    assert crs.to_epsg() == 32633
    np.testing.assert_array_equal(values[0], WANTED)
    assert values.shape == (2, H, W)
    with rasterio.open("l.tiff") as file:
        assert file.descriptions == ("time 2024-01-01", "time 2024-01-05")


def test_degrees_without_a_grid_mapping_are_of_wgs_84(home):
    lat, lon = np.linspace(-60, 60, H, dtype="f4"), np.linspace(0, 359.1, W, dtype="f4")
    data = xr.DataArray(X, {"lat": lat, "lon": lon}, ("band", "lat", "lon"))
    data["lat"].attrs["units"] = "degrees_north"
    data.to_dataset(name="x").to_netcdf("x.nc", engine="h5netcdf")
    run("predict", "m", "x.nc", "-o", "l.tif")
    transform, crs, _, values = placed("l.tif")
    assert crs.to_epsg() == 4326
    step = 120 / (H - 1)
    np.testing.assert_allclose(transform.f, -60 - step / 2, rtol=1e-6)
    np.testing.assert_allclose(transform.e, step, rtol=1e-6)  # in the order of the data
    np.testing.assert_array_equal(values[0][WANTED < 255], WANTED[WANTED < 255])


def test_an_unknown_crs_is_named(home):
    data = scene().drop_vars("spatial_ref")
    with pytest.warns(OutputWarning, match="the GeoTIFF has no CRS"):
        model().write_labels(data, "l.tif")
    assert placed("l.tif")[0].almost_equals(PLACE, 1e-9)


@pytest.mark.parametrize(
    ("dims", "coords", "message"),
    [
        (("row", "band"), {}, r"needs the dimensions y and x, but the labels have \['row'\]"),
        (("time", "x", "band"), {}, r"but the labels have \['time', 'x'\]: write the labels to"),
        (("a", "time", "y", "x", "band"), {}, "at most three dimensions"),
        (("time", "y", "x", "band"), {"n": 300}, "have 300 maps, but a GeoTIFF .* at most 256"),
        (("y", "x", "band"), {"y": [0.0, 1, 3]}, "'y' is not evenly spaced"),
    ],
)
def test_labels_that_are_no_map_are_refused_before_any_read(home, dims, coords, message):
    sizes = {"band": 2, "y": 3, "x": 4, "row": 5, "time": coords.get("n", 2), "a": 2}
    group = zarr.create_group("x.zarr")
    shape = tuple(sizes[dim] for dim in dims)
    array = group.create_array("x", shape=shape, dtype="f8", dimension_names=dims)
    if "y" in coords:
        group.create_array("y", data=np.array(coords["y"]), dimension_names=["y"])
    (home / "x.zarr" / "x" / "c").mkdir()  # a read would need chunks
    array = zarr.open_group("x.zarr", mode="r")["x"]
    with pytest.raises(DataError, match=message):
        model().write_labels(array, "l.tif")
    fit = ["fit", "x.zarr", "--variable", "x", "--feature-dim", "band", "-k", 2, "-o", "n"]
    for more in ([], ["--algorithm", "bisecting"], ["--dry-run"]):
        run(*fit, *more, "--labels", "l.tif", code=1)
        assert not (home / "n").exists()
    assert sorted(os.listdir(".")) == ["m", "x.tif", "x.zarr"]


def test_a_missing_package_is_named_and_a_folder_is_never_replaced(home, monkeypatch):
    (home / "l.tif").mkdir()
    with pytest.raises(OutputExistsError, match="is a folder"):
        model().write_labels(scene(), "l.tif", overwrite=True)
    monkeypatch.setitem(sys.modules, "rasterio", None)
    assert "pip install 'streamkm[ingest]'" in run("predict", "m", "x.zarr", "-o", "a.tif", code=1)


@pytest.mark.filterwarnings("ignore:the labels so far are in")
def test_a_full_disk_leaves_no_file_and_the_next_run_reads_nothing_again(home):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        said = run("predict", "m", "x.tif", "-o", "l.tif", code=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "could not be written" in said
    assert "Is there enough space on the disk?" in said
    assert not (home / "l.tif").exists()
    assert "resuming the labels" in run("predict", "m", "x.tif", "-o", "l.tif")
    np.testing.assert_array_equal(placed("l.tif")[-1][0], WANTED)
    assert sorted(os.listdir(".")) == ["l.tif", "m", "x.tif"]
