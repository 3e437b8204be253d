"""A map of land cover from a cube of satellite scenes that is larger than the memory limit.

    python examples/land_cover_of_a_cube.py OUTPUT.png [SCENE.tif [TILES [LIMIT]]]

A scene with a CRS (a made one, where none is given) is laid out TILES times in both directions and
twice in time, with stripes of nodata as a broken scanner leaves them, and stored as an
xarray-readable Zarr cube. Then the cube is opened lazily, clustered by its bands, each scaled by
its own mean and deviation, and labelled; the first date's map is written as a GeoTIFF beside
OUTPUT, window by window, and a picture of its corner as OUTPUT. Neither the cube nor the map is
ever in memory whole.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import rioxarray
import xarray as xr
import zarr
from PIL import Image

import streamkm

K = 8
COLOURS = np.array(
    [
        *[(31, 119, 180), (152, 223, 138), (44, 160, 44), (219, 219, 141), (255, 187, 120)],
        *[(140, 86, 75), (199, 199, 199), (214, 39, 40)],
    ],
    np.uint8,
)


def made_scene() -> xr.DataArray:
    """Six bands of hills with water in the valleys."""
    y, x = np.mgrid[0:240, 0:250] / 25
    height = np.sin(x) + np.cos(y * 1.3) + 0.4 * np.sin(3 * x + y)
    noise = np.random.default_rng(0).normal(0, 4, (6, 240, 250))
    bands = [90 + 35 * np.tanh(height * (band - 2.5)) for band in range(6)]
    scene = xr.DataArray(
        (np.stack(bands) + noise).clip(1, 255).astype(np.uint8),
        dims=("band", "y", "x"),
        coords={"band": range(1, 7), "y": 9e6 - 28.5 * y[:, 0], "x": 3e5 + 28.5 * x[0]},
    )
    return scene.rio.write_crs("EPSG:32725")


def write_cube(scene: xr.DataArray, tiles: int, path: Path) -> None:
    """The cube, a row of tiles at a time."""
    _, height, width = scene.shape
    one = np.tile(np.maximum(scene.values, 1), (1, 1, tiles))
    stripes = (np.arange(height)[:, None] + np.arange(width * tiles) // 9) % 40 < 3
    step = {name: float(scene[name][1] - scene[name][0]) for name in ("y", "x")}
    coords = {name: float(scene[name][0]) + step[name] * np.arange(n * tiles)
              for name, n in (("y", height), ("x", width))}  # fmt: skip
    cube = xr.Dataset(coords={"time": [0, 16], "band": scene["band"].values, **coords})
    cube["time"].attrs["units"] = "days since 2000-08-01"
    cube = cube.rio.write_crs(scene.rio.crs)
    cube.to_zarr(path, zarr_format=3, consolidated=False)
    store = zarr.open_group(path).create_array(
        "scene",
        shape=(2, len(one), height * tiles, width * tiles),
        chunks=(1, len(one), height, min(5, tiles) * width),
        dtype="u1",
        dimension_names=("time", "band", "y", "x"),
        attributes={"_FillValue": 0, "grid_mapping": "spatial_ref", "coordinates": "spatial_ref"},
    )
    for tile in range(tiles):
        rows = slice(tile * height, (tile + 1) * height)
        store[0, :, rows] = np.where(stripes, 0, one)
        store[1, :, rows] = np.where(stripes[::-1], 0, one // 8 * 7 + 1)


def peak_memory() -> int:
    """Bytes, as Linux tells them; `resource` would count what started this process as well."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if "VmHWM" in line)


def main(output: str, source: str | None = None, tiles: str = "4", limit: str = "1GiB") -> None:
    with tempfile.TemporaryDirectory(dir=Path(output).resolve().parent) as folder:
        path = Path(folder) / "cube.zarr"
        scene = rioxarray.open_rasterio(source) if source else made_scene()
        write_cube(scene, int(tiles), path)
        # As they are stored: bytes, of which 0 is nodata. Decoded, they would be floats.
        opened = xr.open_zarr(path, consolidated=False, chunks={}, mask_and_scale=False)
        cube = opened["scene"]
        model = streamkm.KMeans(
            K, feature_dim="band", scale="standard", memory_limit=limit, random_state=0
        ).fit(cube)
        labels = model.write_labels(cube, Path(folder) / "labels.zarr")
        chart = Path(output).with_suffix(".tif")
        tiled = {"tiled": True, "blockxsize": 512, "blockysize": 512}
        labels.isel(time=0).rio.to_raster(chart, windowed=True, **tiled)
        shown = labels[0, :800, :800].values
    order = model.cluster_centers_.sum(axis=1).argsort().argsort()
    colours = np.append(COLOURS[order], np.zeros((256 - K, 3), np.uint8), axis=0)
    Image.fromarray(colours[shown]).save(output)
    print(f"{cube.nbytes / 2**20:.0f} MiB of {cube.sizes['time']} dates, {model.n_passes_} reads")
    print(
        f"stopped by {model.stop_reason_}; {np.mean(shown == 255):.1%} of these pixels are nodata"
    )
    print(f"peak memory {peak_memory() / 2**20:.0f} MiB of {limit}")


if __name__ == "__main__":
    main(*sys.argv[1:])
