"""Scenes of a stack: bands are matched by name, and scales and offsets kept for each scene."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio import Affine
from rasterio.enums import ColorInterp
from rasterio.env import get_gdal_config

import streamkm
from streamkm import KMeans
from streamkm.errors import DataError
from streamkm.files.find import File, entries
from streamkm.rows.formats.scenes import opened_scene

RGB = np.arange(3 * 40 * 30, dtype="u2").reshape(3, 40, 30)
BGR = [2, 1, 0]
HOW = {
    "driver": "GTiff",
    "width": 30,
    "height": 40,
    "dtype": "uint16",
    "transform": Affine(10, 0, 500_000, 0, -10, 6_000_000),
}


def write(folder, name, values, **properties):
    folder.mkdir(exist_ok=True)
    how = HOW | {"count": len(values)}
    options = {key: properties.pop(key) for key in ("nodata", "dtype") if key in properties}
    with rasterio.open(folder / name, "w", **how | options) as scene:
        for key, value in properties.items():
            setattr(scene, key, value)
        scene.write(values)


def test_bands_are_matched_by_their_descriptions(tmp_path):
    names = ("red", "green", "blue")
    scales = (1.0, 0.5, 0.1)
    write(tmp_path / "s", "0.tif", RGB, descriptions=names, scales=scales)
    write(tmp_path / "s", "1.tif", RGB[BGR], descriptions=names[::-1], scales=scales[::-1])
    made = streamkm.ingest(tmp_path / "s", tmp_path / "o.zarr")
    assert np.array_equal(made[...], [RGB, RGB])
    assert list(made.attrs["long_name"]) == list(names)
    with xr.open_zarr(tmp_path / "o.zarr", consolidated=False) as found:
        assert found.scale_factor.dims == ("band",)
        assert found.scale_factor.values.tolist() == list(scales)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_masks_and_nodata_of_reordered_bands(dtype, tmp_path):
    values = RGB.astype(dtype)
    for name, order in (("0.tif", [0, 1, 2]), ("1.tif", BGR)):
        names = [("red", "green", "blue")[i] for i in order]
        write(tmp_path / "s", name, values[order], dtype=dtype, nodata=7, descriptions=names)
    made = streamkm.ingest(tmp_path / "s", tmp_path / "o.zarr", dtype="float64")
    assert np.array_equal(made[0], made[1])
    assert np.array_equal(made[0], values)


def test_bands_without_descriptions_are_matched_by_their_colours(tmp_path):
    colours = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    write(tmp_path / "s", "0.tif", RGB, colorinterp=colours)
    write(tmp_path / "s", "1.tif", RGB[BGR], colorinterp=colours[::-1])
    write(tmp_path / "s", "2.tif", RGB)  # no colours: by position
    made = streamkm.ingest(tmp_path / "s", tmp_path / "o.zarr")
    assert np.array_equal(made[...], [RGB, RGB, RGB])


@pytest.mark.parametrize(
    ("key", "one", "two", "said"),
    [
        ("descriptions", ("B4", "B3", "B2"), ("B8", "B4", "B3"), "'B8'.*descriptions"),
        ("descriptions", ("a", "b", "b"), ("b", "a", "b"), "'b'.*descriptions"),
        ("descriptions", ("red", None, None), ("blue", None, None), "'blue'.*descriptions"),
        ("units", ("m", "m", "m"), ("m", "m", "ft"), "ft.*units"),
    ],
)
def test_bands_of_other_meaning_are_refused(key, one, two, said, tmp_path):
    write(tmp_path / "s", "0.tif", RGB, **{key: one})
    write(tmp_path / "s", "1.tif", RGB, **{key: two})
    with pytest.raises(DataError, match=f"1.tif.*{said}"):
        streamkm.ingest(tmp_path / "s", tmp_path / "o.zarr")


def test_descriptions_that_are_the_same_or_on_one_side_only_are_taken_by_position(tmp_path):
    for name, names in (("0", ("a", "b", "b")), ("1", ("a", "b", "b")), ("2", (None, "b", None))):
        write(tmp_path / "s", f"{name}.tif", RGB, descriptions=names)
    write(tmp_path / "s", "3.tif", RGB)
    assert np.array_equal(streamkm.ingest(tmp_path / "s", tmp_path / "o.zarr")[...], [RGB] * 4)


@pytest.mark.parametrize("by_band", [False, True])
def test_scales_and_offsets_that_differ_by_scene_are_coordinates(by_band, tmp_path):
    """Sentinel-2 before and after baseline 04.00."""
    offsets = [(0.0, 0.0, 0.0), (-0.1, -0.1, -0.2 if by_band else -0.1)]
    for day, offset in enumerate(offsets):
        write(tmp_path / "s", f"{day}.tif", RGB, scales=(1e-4,) * 3, offsets=offset)
    want = []
    for day in range(2):
        with rasterio.open(tmp_path / "s" / f"{day}.tif") as scene:
            scales, shifts = np.array(scene.scales), np.array(scene.offsets)
        want.append(RGB * scales[:, None, None] + shifts[:, None, None])
    made = streamkm.ingest(tmp_path / "s", tmp_path / "o.zarr")
    assert "add_offset" not in made.attrs
    with xr.open_zarr(tmp_path / "o.zarr", consolidated=False) as found:
        assert found.add_offset.dims == (("scene", "band") if by_band else ("scene",))
        meant = found.pixels * found.scale_factor + found.add_offset
        assert np.allclose(meant, want)
    model = KMeans(1, feature_dim="band").fit(tmp_path / "o.zarr")
    assert np.allclose(model.cluster_centers_[0], np.mean(want, axis=(0, 2, 3)))


def test_gdal_caches_the_blocks_of_a_read(tmp_path):
    """rasterio takes numbers as bytes; tiles that the cache does not hold are decoded again."""
    write(tmp_path / "s", "0.tif", RGB)
    fs, found, _ = entries(str(tmp_path / "s" / "0.tif"))
    (path,) = found
    with opened_scene(File.from_info(fs, path, found[path])):
        assert get_gdal_config("GDAL_CACHEMAX") == 64 * 2**20
