"""Rasters keep their place on earth and their nodata value when they are decompressed."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from streamkm.images import compress, decompress
from tests.images.conftest import noise, write_raster

AT = rasterio.Affine(10, 0, 500_000, 0, -10, 6_000_000)
HOW = {"crs": "EPSG:32633", "transform": AT, "nodata": 0}
FEW = noise(3, 12, 10) // 128 * 255


@pytest.mark.parametrize(
    ("values", "suffix", "nodata"),
    [
        (FEW, "png", None),  # indexed: checked below
        (noise(3, 40, 30), "png", [0, 0, 0]),
        (noise(1, 12, 10), "png", [0]),
        (noise(3, 12, 10, dtype="u2"), "png", [0, 0, 0]),
        (noise(5, 12, 10), "tif", [0] * 5),
    ],
)
def test_rasters_keep_their_place_and_nodata(values, suffix, nodata, tmp_path):
    path = write_raster(
        tmp_path / "x.tif", values, **HOW, **({"photometric": "rgb"} if len(values) == 3 else {})
    )
    archive = compress(path, tmp_path / "x.zarr", 4 if len(values) == 5 else 4096)
    (file,) = decompress(archive, tmp_path / "out")
    (part,) = decompress(archive, tmp_path / "part", window=(2, 3, 4, 5))
    assert file.name == f"x.{suffix}"
    with rasterio.open(file) as made, rasterio.open(part) as cut:
        assert (made.crs.to_epsg(), made.transform) == (32633, AT)
        assert cut.transform == AT @ rasterio.Affine.translation(2, 3)
        if nodata is None:
            code = int(made.nodatavals[0])
            assert made.colormap(1)[code][:3] == (0, 0, 0)
            assert np.array_equal(made.read(1) == code, ~values.any(0))
        else:
            assert list(made.nodatavals) == nodata


def test_other_images_have_no_file_beside_them(tmp_path):
    archive = compress(write_raster(tmp_path / "x.tif", FEW, photometric="rgb"), tmp_path / "a", 8)
    decompress(archive, tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["x.png"]
