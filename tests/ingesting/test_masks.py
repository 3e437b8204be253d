"""Masks, alpha and nodata of a raster leave out the pixels that rasterio masks."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import xarray as xr
import zarr
from rasterio import Affine

import streamkm
from streamkm import KMeans
from streamkm.errors import DataError, PackedDataWarning
from streamkm.rows import missing_in

SIZES = {"chunk": "1KiB", "shard": "4KiB"}
RNG = np.random.default_rng(0)
GONE = RNG.random((40, 30)) < 0.3
HOW = {
    "driver": "GTiff",
    "width": 30,
    "height": 40,
    "count": 3,
    "crs": "EPSG:32633",
    "transform": Affine(10, 0, 500_000, 0, -10, 6_000_000),
    "tiled": True,
    "blockxsize": 16,
    "blockysize": 16,
}


def write(path, how, dtype="uint8", values=None):
    """Write a raster with missing pixels, by one of the supported ways."""
    if values is None:
        values = RNG.integers(0, 101, (3, 40, 30)).astype(dtype)
        values[:, 0, :2] = np.array([0, 100])  # no value of a byte is free
    options = HOW | {"dtype": dtype, "count": len(values)}
    options |= {"alpha": "YES", "photometric": "RGB"} if how == "alpha" else {}
    extra = {"GDAL_TIFF_INTERNAL_MASK": how != "msk"}
    with rasterio.Env(**extra), rasterio.open(path, "w", **options) as scene:
        scene.write(values)
        if how in ("internal", "msk"):
            scene.write_mask(~GONE)
    return values


@pytest.mark.parametrize(
    ("how", "dtype"),
    [
        *(("internal", dtype) for dtype in ("uint8", "int16", "uint32", "int64", "float32")),
        *(("msk", dtype) for dtype in ("uint8", "float32")),
        *(("alpha", dtype) for dtype in ("uint8", "uint16", "int16")),
    ],
)
def test_masked_pixels_are_left_out_of_a_fit(how, dtype, tmp_path):
    values = RNG.integers(0, 101, (3, 40, 30)).astype(dtype)
    if how == "alpha":
        opaque = {"uint8": 200, "uint16": 60000}.get(dtype, 1)
        values = np.concatenate([values, np.where(GONE, 0, opaque)[None].astype(dtype)])
    path = tmp_path / "s.tif"
    write(path, how, dtype, values)
    with rasterio.open(path) as scene:
        want = scene.read([1, 2, 3], masked=True)
        if how != "alpha" or dtype in ("uint8", "uint16"):  # GDAL supports no other alpha
            assert np.array_equal(np.ma.getmaskarray(want)[0], GONE)
    made = streamkm.ingest(path, tmp_path / "o.zarr", **SIZES)
    assert made.shape == (3, 40, 30)
    assert np.array_equal(made[:][:, ~GONE], want.data[:, ~GONE])
    present = missing_in(made).present(made[:].reshape(3, -1).T)
    assert np.array_equal(present, ~GONE.ravel())
    model = KMeans(4, feature_dim="band", random_state=0).fit(tmp_path / "o.zarr")
    assert np.array_equal(model.labels_.compute() == 255, GONE)
    with xr.open_zarr(tmp_path / "o.zarr", consolidated=False) as found:
        assert found.band.values.tolist() == [1, 2, 3]
        assert np.array_equal(np.isnan(found.pixels.values[0]), GONE)
        mine = KMeans(4, feature_dim="band", random_state=0).fit(found.pixels.compute())
        assert np.array_equal(mine.labels_.values == 255, GONE)


def test_bytes_that_are_all_taken_become_wider_and_only_those(tmp_path):
    values = np.arange(256, dtype="u1").repeat(5)[:1200].reshape(1, 40, 30)
    write(tmp_path / "s.tif", "internal", values=values)
    assert streamkm.ingest(tmp_path / "s.tif", tmp_path / "o.zarr").dtype == np.uint16
    write(tmp_path / "t.tif", "none", values=values)
    assert streamkm.ingest(tmp_path / "t.tif", tmp_path / "p.zarr").dtype == np.uint8


def test_a_dtype_that_is_asked_for_is_kept_where_a_value_is_free(tmp_path):
    values = RNG.integers(0, 256, (3, 40, 30)).astype("u1")
    values[:, ~GONE] = np.minimum(values[:, ~GONE], 254)
    write(tmp_path / "s.tif", "internal", values=values)
    made = streamkm.ingest(tmp_path / "s.tif", tmp_path / "o.zarr", dtype="uint8", **SIZES)
    assert made.dtype == np.uint8
    assert np.array_equal(made[0] == 255, GONE)
    floats = streamkm.ingest(tmp_path / "s.tif", tmp_path / "f.zarr", dtype="float32", **SIZES)
    assert np.array_equal(np.isnan(floats[0]), GONE)
    values[1, ~GONE] = 255
    write(tmp_path / "s.tif", "internal", values=values)
    with pytest.raises(DataError, match="pixels of the value 255, which uint8 needs"):
        streamkm.ingest(tmp_path / "s.tif", tmp_path / "p.zarr", dtype="uint8", **SIZES)


def test_scenes_of_which_one_has_a_mask_are_one_stack(tmp_path):
    (tmp_path / "s").mkdir()
    plain = write(tmp_path / "s" / "0.tif", "none")
    write(tmp_path / "s" / "1.tif", "internal")
    made = streamkm.ingest(tmp_path / "s", tmp_path / "o.zarr", **SIZES)
    assert np.array_equal(made[0], plain)
    assert np.array_equal(made[1, 0] == 65535, GONE)


@pytest.mark.parametrize("said", ["-3.4e38", "-3.40282e+38", "-3.4028234663852886e+38", "-9999"])
@pytest.mark.parametrize("stored", [-3.4028234663852886e38, -3.4e38, -9999.001])
def test_float_nodata_is_what_gdal_masks(said, stored, tmp_path):
    path = tmp_path / "s.tif"
    values = RNG.normal(size=(2, 40, 30)).astype("f4")
    values[1, GONE] = np.float32(stored)
    with rasterio.open(path, "w", **HOW | {"count": 2, "dtype": "float32"}) as scene:
        scene.write(values)
    with rasterio.open(path, "r+") as scene:
        scene.nodata = float(said)
    with rasterio.open(path) as scene:
        want = (scene.read_masks() == 0).any(axis=0)
    made = streamkm.ingest(path, tmp_path / "o.zarr", **SIZES)
    present = missing_in(made).present(made[:].reshape(2, -1).T)
    assert np.array_equal(present, ~want.ravel())


def test_nodata_that_the_dtype_cannot_hold_leaves_all_pixels_as_gdal_does(tmp_path):
    path = tmp_path / "s.tif"
    values = write(path, "none")
    with rasterio.open(path, "r+") as scene:
        scene.nodata = 200
    content = path.read_bytes()
    assert content.count(b"200\0") == 1
    path.write_bytes(content.replace(b"200\0", b"-99\0"))
    with rasterio.open(path) as scene:
        assert scene.read_masks().all()
    made = streamkm.ingest(path, tmp_path / "o.zarr", **SIZES)
    assert np.array_equal(made[:], values)
    assert missing_in(made) is None


def test_scales_that_differ_by_band_are_coordinates(tmp_path):
    values = write(tmp_path / "s.tif", "none", "uint16")
    with rasterio.open(tmp_path / "s.tif", "r+") as scene:
        scene.scales, scene.offsets = (1.0, 0.1, 10.0), (0.0, -5.0, 0.0)
    made = streamkm.ingest(tmp_path / "s.tif", tmp_path / "o.zarr", **SIZES)
    assert np.array_equal(made[:], values)
    with xr.open_zarr(tmp_path / "o.zarr", consolidated=False) as found:
        meant = found.pixels * found.scale_factor + found.add_offset
        with rasterio.open(tmp_path / "s.tif") as scene:
            scales, offsets = np.array(scene.scales), np.array(scene.offsets)
        want = values * scales[:, None, None] + offsets[:, None, None]
        assert np.allclose(meant, want)
        assert {"scale_factor", "add_offset"} <= set(found.coords)
        with pytest.warns(PackedDataWarning, match="scale_factor"):
            KMeans(2, feature_dim="band").fit(found.pixels)
    with pytest.raises(DataError, match="open the array from its group"):
        KMeans(1, feature_dim="band").fit(zarr.open_array(tmp_path / "o.zarr" / "pixels"))
    for data in (tmp_path / "o.zarr", zarr.open_group(tmp_path / "o.zarr")["pixels"]):
        model = KMeans(1, feature_dim="band").fit(data)
        assert np.allclose(model.cluster_centers_[0], want.mean(axis=(1, 2)))
