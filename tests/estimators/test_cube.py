"""A cube of real scenes, larger than the memory limit: from xarray to a GeoTIFF."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rioxarray
import xarray as xr
from PIL import Image

from streamkm import KMeans
from tests import landsat, reference

# rioxarray multiplies transforms in a way that affine deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul")
EXAMPLE = Path(__file__).parents[2] / "examples/land_cover_of_a_cube.py"
TILES, LIMIT = 22, 670


@pytest.fixture(scope="module")
def scene():
    return rioxarray.open_rasterio(landsat.scene())


def test_a_cube_over_the_limit_becomes_a_map(scene, tmp_path):
    out = tmp_path / "map.png"
    command = [sys.executable, EXAMPLE, out, landsat.scene(), str(TILES), f"{LIMIT}MiB"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    size, peak = (int(re.search(p, said)[1]) for p in (r"(\d+) MiB of 2 dates", r"peak \w+ (\d+)"))
    assert size > LIMIT > peak
    with rioxarray.open_rasterio(out.with_suffix(".tif"), chunks={"y": 352}) as chart:
        assert chart.dtype == np.uint8
        assert chart.rio.crs == scene.rio.crs
        assert chart.rio.nodata == 255
        assert chart.rio.shape == (352 * TILES, 349 * TILES)
        assert chart.rio.resolution() == pytest.approx(scene.rio.resolution(), rel=1e-9)
        assert chart.rio.bounds()[0] == pytest.approx(scene.rio.bounds()[0], rel=1e-9)
        corners = chart[0, :352, :349].values, chart[0, 352:704, 349:698].values
    # Stripes move from tile to tile; outside of them, equal pixels have equal labels.
    present = (corners[0] != 255) & (corners[1] != 255)
    assert 0.8 < present.mean() < 1
    assert np.array_equal(corners[0][present], corners[1][present])
    assert len(np.unique(corners[0])) == 9
    picture = np.asarray(Image.open(out))
    assert np.array_equal((picture[:352, :349] == 0).all(-1), corners[0] == 255)


CHUNKS = [
    {"time": 1, "y": 100},
    {"x": 33, "band": 1},
    {"y": 351, "x": 348},
    {"time": 2, "band": 4, "y": 17},
]


def test_labels_are_the_same_for_any_chunking_and_those_of_the_oracle(scene):
    earlier = xr.where(scene > 200, 0, scene // 2).astype("u1")
    cube = xr.concat([scene, earlier], "time").assign_attrs(scene.attrs, _FillValue=0)
    found = [
        KMeans(5, feature_dim="band", random_state=0).fit(cube.chunk(chunks)) for chunks in CHUNKS
    ]
    for one in found[1:]:
        assert np.array_equal(one.cluster_centers_, found[0].cluster_centers_)
        assert one.labels_.equals(found[0].labels_)
    rows = cube.transpose("time", "y", "x", "band").values.reshape(-1, 6)
    want = reference.labels(rows, found[0].cluster_centers_)
    want[(rows == 0).any(axis=1)] = 255
    assert np.array_equal(found[0].labels_.values.ravel(), want)
    assert 0 < np.mean(want == 255) < 0.2


@pytest.mark.parametrize("chunks", CHUNKS)
def test_no_rows_are_stacked_or_rechunked(scene, chunks):
    cube = xr.concat([scene, scene], "time").chunk(chunks)
    labels = KMeans.from_centroids(np.eye(6), feature_dim="band").predict(cube)
    assert labels.chunks == tuple(cube.chunksizes[dim] for dim in labels.dims)
    added = set(labels.data.dask.layers) - set(cube.data.dask.layers)
    joined = {name for name in added if "rechunk" in name}  # bands of the same rows
    assert bool(joined) == (len(cube.chunksizes["band"]) > 1)
    assert not {n for n in added if any(w in n for w in ("stack", "reshape", "concatenate"))}
