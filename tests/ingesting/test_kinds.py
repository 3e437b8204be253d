"""The store holds the values of the files, for every kind of file."""

from __future__ import annotations

import functools
import os
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import rasterio
import xarray as xr
import zarr
from PIL import Image

import streamkm
from streamkm.errors import DamagedImagesError, DataError
from streamkm.ingesting.registry import KINDS
from tests.ingesting.conftest import (
    SMALL,
    run,
    write_images,
    write_scene,
    write_table,
    write_tar,
)

SIZES = {"chunk": "1KiB", "shard": "4KiB"}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(1000, 6), (7, 5), (40,), (5, 9, 11, 3), (3, 2, 40, 30, 2)])
def test_an_npy_file_of_any_shape(shape, order, tmp_path):
    x = np.random.default_rng(0).random(shape)
    np.save(tmp_path / "x.npy", np.asarray(x, order=order))
    made = streamkm.ingest(tmp_path / "x.npy", tmp_path / "o.zarr", **SIZES)
    assert np.array_equal(made[...], x.reshape(made.shape))
    assert made.chunks[-1] == made.shape[-1]
    assert made.metadata.dimension_names[-1] == "feature"
    assert np.prod(made.chunks) * 8 <= 1024


def test_npy_files_are_joined_in_the_order_given(x, tmp_path):
    parts = [tmp_path / f"{name}.npy" for name in "bac"]
    for part, rows in zip(parts, (x[:1], x[1:777], x[777:]), strict=True):
        np.save(part, rows)
    made = streamkm.ingest(parts, tmp_path / "o.zarr", **SIZES)
    assert np.array_equal(made[...], x)
    assert made.shards is not None
    assert made.dtype == np.float32
    folder = streamkm.ingest(tmp_path / "*.npy", tmp_path / "sorted.zarr")
    assert np.array_equal(folder[...], np.concatenate([x[1:777], x[:1], x[777:]]))


def test_bytes_of_another_order_come_out_native(x, tmp_path):
    np.save(tmp_path / "x.npy", x.astype(">f4"))
    made = streamkm.ingest(tmp_path / "x.npy", tmp_path / "o.zarr")
    assert made.dtype == np.float32
    assert np.array_equal(made[...], x)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_one_array_of_an_npz_file(save, x, tmp_path):
    save(tmp_path / "x.npz", other=x[:2], x=x)
    made = streamkm.ingest(tmp_path / "x.npz", tmp_path / "o.zarr", variable="x", **SIZES)
    assert np.array_equal(made[...], x)
    with pytest.raises(
        DataError, match=r"contains the arrays \['other', 'x'\]: select one by --variable"
    ):
        streamkm.ingest(tmp_path / "x.npz", tmp_path / "p.zarr")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_numbers_of_a_table(kind, x, tmp_path):
    options = {"row_group_size": 90} if kind == "parquet" else {}
    paths = [
        write_table(tmp_path, x[:600], kind, "a", **options),
        write_table(tmp_path, x[600:], kind, "b", **options),
    ]
    said = run("ingest", *paths, "-o", tmp_path / "o.zarr", *SMALL, "--dtype", "float32")
    assert "left out, because not all of their values are numbers: city" in said.stderr
    store = zarr.open_group(tmp_path / "o.zarr", mode="r")
    made = store["x"]
    assert np.array_equal(made[...], x)
    assert store["feature"][...].tolist() == [f"f{i}" for i in range(6)]
    assert (made.chunks, made.shards) == ((42, 6), (168, 6))
    two = streamkm.ingest(paths, tmp_path / "two.zarr", columns=["f4", "f1"])
    assert np.array_equal(two[...], x[:, [4, 1]])
    assert two.dtype == np.float64


def test_text_in_other_dialects(tmp_path):
    (tmp_path / "a.csv").write_text("1;2\n3;4\n")
    made = streamkm.ingest(
        tmp_path / "a.csv", tmp_path / "a.zarr", no_header=True, delimiter=";", dtype="int16"
    )
    assert made[...].tolist() == [[1, 2], [3, 4]]
    with fsspec.open(tmp_path / "b.tsv.gz", "wt", compression="gzip") as text:
        text.write("p\tq\n1\t\n3\t4.5\n")
    made = streamkm.ingest(tmp_path / "b.tsv.gz", tmp_path / "b.zarr")
    assert np.array_equal(made[...], [[1, np.nan], [3, 4.5]], equal_nan=True)


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float32(), 6)])
def test_a_column_of_vectors(kind, x, tmp_path):
    (tmp_path / "e").mkdir()
    for name, rows in (("0", x[:500]), ("1", x[500:])):
        column = pa.array(rows.tolist(), kind)
        table = pa.table({"id": range(500), "v": column})
        pa.parquet.write_table(table, tmp_path / "e" / f"{name}.parquet", row_group_size=70)
    with pytest.raises(DataError, match=r"of vectors \['v'\] and of numbers \['id'\]"):
        streamkm.ingest(tmp_path / "e", tmp_path / "o.zarr")
    made = streamkm.ingest(tmp_path / "e", tmp_path / "o.zarr", columns=["v"], **SIZES)
    assert np.array_equal(made[...], x)
    assert made.dtype == np.float32


def test_a_scene_as_xarray_reads_it(tmp_path):
    values = write_scene(tmp_path / "s.tif")
    with rasterio.open(tmp_path / "s.tif", "r+") as scene:
        scene.descriptions = ("red", "green", "nir")
    made = streamkm.ingest(tmp_path / "s.tif", tmp_path / "o.zarr", **SIZES)
    assert np.array_equal(made[...], values)
    assert made.chunks[0] == 3
    with xr.open_zarr(tmp_path / "o.zarr", consolidated=False) as found:
        pixels = found["pixels"]
        assert pixels.dims == ("band", "y", "x")
        assert pixels.encoding["_FillValue"] == 0
        assert pixels.attrs["long_name"] == ["red", "green", "nir"]
        with rasterio.open(tmp_path / "s.tif") as scene:
            x, y = scene.xy(69, 49)
            assert (found.x[-1], found.y[-1]) == (x, y)
            grid = found["spatial_ref"].attrs
            assert rasterio.CRS.from_wkt(grid["crs_wkt"]) == scene.crs
            assert tuple(map(float, grid["GeoTransform"].split())) == scene.transform.to_gdal()
        assert pixels.attrs["grid_mapping"] == "spatial_ref"
        assert "spatial_ref" in found.coords


def test_scenes_of_one_grid_are_a_stack(tmp_path):
    (tmp_path / "s").mkdir()
    options = {"dtype": "float32", "nodata": float("nan")}
    values = [write_scene(tmp_path / "s" / f"{day}.tif", day, **options) for day in range(3)]
    made = streamkm.ingest(tmp_path / "s", tmp_path / "o.zarr", **SIZES)
    assert np.array_equal(made[...], values)
    assert made.metadata.dimension_names == ("scene", "band", "y", "x")
    with xr.open_zarr(tmp_path / "o.zarr", consolidated=False) as found:
        assert found.file.values.tolist() == ["0.tif", "1.tif", "2.tif"]
        assert np.isnan(found["pixels"].encoding["_FillValue"])
    write_scene(tmp_path / "s" / "9.tif", crs="EPSG:32632", **options)
    with pytest.raises(DataError, match=r"9.tif has another CRS \(EPSG:32632\) than .*0.tif"):
        streamkm.ingest(tmp_path / "s", tmp_path / "p.zarr")


@pytest.mark.parametrize("sizes", [SIZES, {"chunk": "64", "shard": "64"}, {"shard": None}])
def test_images_from_a_folder_and_from_tars(sizes, tmp_path):
    pixels = write_images(tmp_path / "im", 30)
    (tmp_path / "im" / "notes.txt").write_text("no image")
    made = streamkm.ingest(tmp_path / "im", tmp_path / "o.zarr", **sizes)
    assert np.array_equal(made[...], pixels)
    assert made.metadata.dimension_names == ("image", "y", "x", "channel")
    names = zarr.open_group(tmp_path / "o.zarr")["file"][...]
    assert [os.path.basename(name) for name in names] == [f"{i:03}.png" for i in range(30)]
    (tmp_path / "im" / "notes.txt").unlink()
    tars = [write_tar(tmp_path / name, tmp_path / "im") for name in ("a.tar", "b.tgz")]
    made = streamkm.ingest(tars, tmp_path / "t.zarr", **sizes)
    assert np.array_equal(made[...], np.concatenate([pixels, pixels]))
    names = zarr.open_group(tmp_path / "t.zarr")["file"][...]
    assert (names[0], names[-1]) == ("a.tar/photos/000.png", "b.tgz/photos/029.png")


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_photographs_stand_upright(orientation, tmp_path):
    upright = np.zeros((16, 24), np.uint8)
    upright[:8, :12] = 255
    turns = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    (tmp_path / "im").mkdir()
    for name in "ab":
        lying = Image.fromarray(np.rot90(upright, turns))
        lying.save(tmp_path / "im" / f"{name}.png", exif=exif)
    made = streamkm.ingest(tmp_path / "im", tmp_path / "o.zarr")
    assert np.array_equal(made[1, :, :, 0], upright)


def test_gray_images_join_colour_and_others_are_refused(tmp_path):
    pixels = write_images(tmp_path / "im", 2)
    Image.fromarray(pixels[0, :, :, 0]).save(tmp_path / "im" / "002.png")
    made = streamkm.ingest(tmp_path / "im", tmp_path / "o.zarr")
    assert np.array_equal(made[2, :, :, 1], pixels[0, :, :, 0])
    Image.fromarray(pixels[0, :5]).save(tmp_path / "im" / "003.png")
    Image.fromarray(pixels[0, :4]).save(tmp_path / "im" / "004.png")
    with pytest.raises(
        DataError, match=r"003.png has the size \(5, 10\), but .*000.png, has \(12, 10\)"
    ):
        streamkm.ingest(tmp_path / "im", tmp_path / "p.zarr")


@pytest.mark.parametrize("packed", [False, True])
def test_damaged_images_are_named_or_skipped(packed, tmp_path):
    pixels = write_images(tmp_path / "im", 6)
    (tmp_path / "im" / "000.png").write_bytes(b"no image")
    whole = (tmp_path / "im" / "004.png").read_bytes()
    (tmp_path / "im" / "004.png").write_bytes(whole[: len(whole) // 2])
    source = write_tar(tmp_path / "im.tar", tmp_path / "im") if packed else tmp_path / "im"
    out = ("-o", tmp_path / "o.zarr")
    assert (
        "000.png is not an image of a supported format"
        in run("ingest", source, *out, code=1).stderr
    )
    said = run("ingest", source, *out, "--skip-bad", *SMALL).stderr
    assert "left out 2 damaged images: " in said
    assert "000.png, " in said
    group = zarr.open_group(tmp_path / "o.zarr")
    assert np.array_equal(group["pixels"][...], pixels[[1, 2, 3, 5]])
    assert [name[-7:] for name in group.attrs["skipped"]] == ["000.png", "004.png"]
    assert [name[-7:-4] for name in group["file"][...]] == ["001", "002", "003", "005"]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("part", [0, 0.5])
def test_all_damaged_images_are_listed(packed, part, tmp_path):
    """With damaged headers, and with damaged pixels behind headers that can be read."""
    write_images(tmp_path / "im", 6)
    for name in ("001.png", "004.png"):
        path = tmp_path / "im" / name
        whole = path.read_bytes()
        path.write_bytes(whole[: int(part * len(whole))] or b"no image")
    source = write_tar(tmp_path / "im.tar", tmp_path / "im") if packed else tmp_path / "im"
    with pytest.raises(DamagedImagesError, match="2 files cannot be processed") as caught:
        streamkm.ingest(source, tmp_path / "o.zarr")
    assert [name[-7:] for name, _ in caught.value.images] == ["001.png", "004.png"]
    assert [path.suffix for path in tmp_path.iterdir()].count(".zarr") == 0


def on_memory(path):
    """The same file in a file system in memory."""
    url = f"memory://{path.name}"
    with fsspec.open(url, "wb") as copy:
        copy.write(path.read_bytes())
    return url


def test_urls_of_every_kind(x, tmp_path):
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x)
    scene = write_scene(tmp_path / "s.tif")
    pixels = write_images(tmp_path / "im", 4)
    paths = {
        "npy": (tmp_path / "x.npy", x),
        "npz": (tmp_path / "x.npz", x),
        "csv": (write_table(tmp_path, x, "csv"), x.astype("f8")),
        "parquet": (write_table(tmp_path, x, "parquet"), x.astype("f8")),
        "geotiff": (tmp_path / "s.tif", scene),
        "images": (tmp_path / "im" / "000.png", pixels[:1]),
        "tar": (write_tar(tmp_path / "im.tar", tmp_path / "im"), pixels),
    }
    assert set(paths) == set(KINDS)
    for kind, (path, values) in paths.items():
        made = streamkm.ingest(on_memory(path), tmp_path / f"{kind}.zarr", **SIZES)
        assert np.array_equal(made[...], values), kind
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as packed:
        packed.write(tmp_path / "x.npy", "deep/x.npy")
    url = f"zip://deep/x.npy::{tmp_path / 'z.zip'}"
    assert np.array_equal(streamkm.ingest(url, tmp_path / "z.zarr")[...], x)


def test_a_server_without_ranges_serves_text_and_says_so_of_arrays(x, tmp_path):
    write_table(tmp_path, x, "csv")
    np.save(tmp_path / "x.npy", np.zeros((100_000, 8)))
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        made = streamkm.ingest(f"{url}/t.csv", tmp_path / "t.zarr")
        said = run("ingest", f"{url}/x.npy", "-o", tmp_path / "o.zarr", code=1).stderr
        server.shutdown()
    assert np.array_equal(made[...], x)
    assert "support range requests" in said
    assert "ingest a copy on this machine" in said


def test_what_is_ingested_is_fitted(tmp_path):
    scene = write_scene(tmp_path / "s.tif")
    said = run("ingest", tmp_path / "s.tif", "-o", tmp_path / "o.zarr", *SMALL).stdout
    command = said.splitlines()[-1].replace(" K ", " 4 ").replace("MODEL.zarr", str(tmp_path / "m"))
    run(*command.split()[1:], "--labels", tmp_path / "l")
    centroids = streamkm.load_model(tmp_path / "m").centroids
    rows = np.moveaxis(scene, 0, -1).astype(float)
    distances = ((rows[..., None, :] - centroids) ** 2).sum(axis=-1)
    assert np.array_equal(zarr.open_array(tmp_path / "l")[...], distances.argmin(axis=-1))
