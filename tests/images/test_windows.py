"""Windows of images are those of the whole image, and only their chunks are read."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from zarr.storage import LocalStore

from streamkm.cli import main
from streamkm.errors import DataError
from streamkm.images import Archive, compress, decompress
from tests.images.conftest import encoded, noise, put, write_raster

WINDOW = 515, 3, 70, 41  # within one chunk of 512 codes
WAYS = {"palette": {}, "own": {"per": "image"}, "patches": {"patch": (2, 2)}}
SIDE = 1200


def rgba(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA"))


def archive_of(tmp_path, way):
    rough = np.kron(noise(30, 30, 3) // 64 * 60, np.ones((40, 40, 1), "u1"))
    put(tmp_path / "in", "rgb.png", encoded(rough + noise(SIDE, SIDE, 3) // 32))
    put(tmp_path / "in", "grey.png", encoded(noise(600, 700)))
    alpha = np.concatenate([noise(50, 800, 3), noise(50, 800, 1, seed=1)], axis=-1)
    put(tmp_path / "in", "alpha.png", encoded(alpha))
    return compress(tmp_path / "in", tmp_path / "o.zarr", 16, **WAYS[way])


@pytest.mark.parametrize("way", WAYS)
def test_a_window_is_a_part_of_the_image(way, tmp_path):
    archive = archive_of(tmp_path, way)
    x, y, width, height = WINDOW
    decompress(archive, tmp_path / "whole")
    files = decompress(archive, tmp_path / "part", window=WINDOW)
    assert len(files) == 3
    for file in files:
        whole, part = rgba(tmp_path / "whole" / file.name), rgba(file)
        np.testing.assert_array_equal(part, whole[y : y + height, x : x + width])


@pytest.mark.parametrize("way", WAYS)
def test_only_the_chunks_of_the_window_are_read(way, tmp_path, monkeypatch):
    archive_of(tmp_path, way)
    read = []
    plain = LocalStore.get

    async def get(self, key, prototype, byte_range=None):
        found = await plain(self, key, prototype, byte_range)
        if "/codes/c/" in f"/{key}" and found is not None:
            read.append(len(found))
        return found

    monkeypatch.setattr(LocalStore, "get", get)
    decompress(Archive(tmp_path / "o.zarr"), tmp_path / "whole", ["rgb.png"])
    in_whole = sum(read)
    read.clear()
    decompress(Archive(tmp_path / "o.zarr"), tmp_path / "part", ["rgb.png"], window=(5, 3, 70, 41))
    assert len(read) == 2  # the index of the shard, and one of nine chunks, or four of patches
    assert sum(read) < in_whole


def test_windows_of_bands(tmp_path):
    bands = noise(5, 60, 70)
    (tmp_path / "in").mkdir()
    write_raster(tmp_path / "in" / "scene.tif", bands)
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 16)
    [file] = decompress(archive, tmp_path / "part", window=(10, 20, 30, 40))
    rasterio = pytest.importorskip("rasterio")
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning), rasterio.open(file) as part:
        found = np.moveaxis(part.read(), 0, -1)
    np.testing.assert_array_equal(found, archive["scene.tif"].values[20:60, 10:40])


def test_windows_that_are_refused_before_a_file_is_written(tmp_path):
    put(tmp_path / "in", "a.png", encoded(noise(50, 60, 3)))
    put(tmp_path / "in", "b.png", encoded(noise(50, 61, 3)))
    archive = compress(tmp_path / "in", tmp_path / "o.zarr", 4)
    for window, reason in [
        ((0, 0, 61, 50), r"ends at column 61 and row 50, but a.png has 60 x 50 pixels"),
        ((0, 1, 60, 50), r"ends at column 60 and row 51"),
        ((-1, 0, 5, 5), "x of the window=-1"),
        ((0, 0, 0, 5), "width of the window=0"),
        ((0, 0, 5), "give four numbers"),
    ]:
        with pytest.raises(DataError, match=reason):
            decompress(archive, tmp_path / "out", window=window)
    assert not (tmp_path / "out").exists()
    assert len(decompress(archive, tmp_path / "out", window=(0, 0, 60, 50))) == 2


def test_the_command(tmp_path):
    put(tmp_path / "in", "a.png", encoded(noise(50, 60, 3)))
    compress(tmp_path / "in", tmp_path / "o.zarr", 4)

    def run(window):
        given = ("o.zarr", "a.png", "--window", window, "-o", "out")
        paths = [str(tmp_path / part) if part in ("o.zarr", "out") else part for part in given]
        return CliRunner().invoke(main, ["decompress", *paths])

    said = run("10,20,5")
    assert said.exit_code == 2
    assert "give x, y, width and height, as in 100,50,640,480" in said.output
    assert run("10,20,50,30").exit_code == 0
    with Image.open(tmp_path / "out" / "a.png") as part:
        assert part.size == (50, 30)
