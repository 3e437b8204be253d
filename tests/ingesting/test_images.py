"""Images are decoded as for archives, in any order of their names."""

from __future__ import annotations

import gzip
import itertools
import tarfile

import numpy as np
import pytest
import rasterio
import zarr
from PIL import Image

import streamkm
from streamkm.errors import DataError
from streamkm.images.sources import find_items
from streamkm.rows.formats.placeless import placeless
from tests.images.conftest import deep_png, encoded, noise, png, put, read, write_raster
from tests.images.test_meaning import WAYS, oriented
from tests.ingesting.conftest import run, write_images, write_tar

GREY, RGB, RGBA = noise(6, 5), noise(6, 5, 3, seed=1), noise(6, 5, 4, seed=2)
GREY16, RGB16 = noise(6, 5, 1, dtype="u2", seed=3), noise(6, 5, 3, dtype="u2", seed=4)


def stored(folder, out="o.zarr", **options):
    """Values of each image by its name."""
    made = streamkm.ingest(folder, folder.parent / out, **options)
    group = zarr.open_group(folder.parent / out, mode="r")
    names = [name.rpartition("/")[2] for name in group["file"][...]]
    return dict(zip(names, made[...], strict=True))


def packed(folder, path):
    with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as tar:
        for file in sorted(folder.iterdir()):
            tar.add(file, f"in/{file.name}")
    return path


@pytest.mark.parametrize("kind", ["folder", "tar", "tgz"])
def test_a_store_is_what_all_of_its_images_need(kind, tmp_path):
    """Grey, colours, alpha and 16 bits, in every order of names."""
    images = {
        "grey": encoded(GREY),
        "rgb": encoded(RGB),
        "rgba": encoded(RGBA),
        "deep": deep_png(RGB16),
    }
    opaque = np.full((6, 5, 1), 65535)
    three = np.repeat(GREY[..., None], 3, -1).astype(int) * 257
    expected = {
        "grey": np.concatenate([three, opaque], -1),
        "rgb": np.concatenate([RGB.astype(int) * 257, opaque], -1),
        "rgba": RGBA.astype(int) * 257,
        "deep": np.concatenate([RGB16, opaque], -1),
    }
    for number, order in enumerate(itertools.permutations(images)):
        folder = tmp_path / f"{number}"
        for place, name in enumerate(order):
            put(folder / "in", f"{place}-{name}.png", images[name])
        source = folder / "in"
        if kind != "folder":
            source = packed(source, folder / f"in.{kind}")
        for name, values in stored(source).items():
            assert values.dtype == np.uint16
            assert np.array_equal(values, expected[name[2:-4]])
        if kind != "folder" and number == 3:
            break


@pytest.mark.parametrize("first", ["grey", "rgb"])
def test_grey_among_colours(first, tmp_path):
    put(tmp_path / "in", "0.png", encoded(GREY if first == "grey" else RGB))
    put(tmp_path / "in", "1.png", encoded(RGB if first == "grey" else GREY))
    found = stored(tmp_path / "in")
    grey, rgb = ("0.png", "1.png") if first == "grey" else ("1.png", "0.png")
    assert np.array_equal(found[grey], np.repeat(GREY[..., None], 3, -1))
    assert np.array_equal(found[rgb], RGB)


def test_colours_of_16_bits_are_not_cut(tmp_path):
    values = np.array([[[540, 720, 900]]], "u2")
    put(tmp_path / "in", "x.png", deep_png(values))
    assert stored(tmp_path / "in")["x.png"].tolist() == [[[540, 720, 900]]]


def test_the_transparent_colour_of_a_png_becomes_alpha(tmp_path):
    put(tmp_path / "in", "x.png", png(2, 1, 2, 0, b"\0\x10", (b"tRNS", b"\0\1")))  # 0, then 1
    put(tmp_path / "in", "y.png", png(2, 1, 8, 2, b"\0\1\2\3\4\5\6", (b"tRNS", b"\0\4\0\5\0\6")))
    found = stored(tmp_path / "in")
    assert found["x.png"].tolist() == [[[0, 0, 0, 255], [85, 85, 85, 0]]]
    assert found["y.png"].tolist() == [[[1, 2, 3, 255], [4, 5, 6, 0]]]


@pytest.mark.parametrize("where", WAYS)
def test_ingest_turns_what_compress_turns(where, tmp_path):
    end = {"tiff": "tif", "jpeg": "jpg"}.get(where.split()[0], where.split()[0])
    path = put(tmp_path / "in", f"x.{end}", oriented(where, 6))
    values = stored(tmp_path / "in", kind="images")[path.name]
    assert np.array_equal(values, read(path)[1].colour)
    assert values.shape[:2] == (4, 6)


def test_tiffs_mean_what_they_mean_in_an_archive(tmp_path):
    (tmp_path / "in").mkdir()
    for photometric, count in (("miniswhite", 1), ("cmyk", 4), ("rgb", 3)):
        values = noise(count, 9, 8, dtype="u2")
        write_raster(tmp_path / "in" / f"{photometric}.tif", values, photometric=photometric)
    values = noise(1, 9, 8) >> 4
    path = write_raster(tmp_path / "in" / "p.tif", values, photometric="palette", nbits=4)
    with placeless(), rasterio.open(path, "r+") as scene:
        scene.write_colormap(1, {code: (code, 9 * code, 255 - code, 255) for code in range(16)})
    for name, values in stored(tmp_path / "in", kind="images").items():
        colour = read(tmp_path / "in" / name)[1].colour.astype(int)
        colour *= 257 if name == "p.tif" else 1
        assert np.array_equal(values, np.broadcast_to(colour, (9, 8, 3)))


def write_pages(path, pages):
    first, *more = [Image.fromarray(page) for page in pages]
    path.parent.mkdir(exist_ok=True)
    first.save(path, save_all=True, append_images=more)
    return path


@pytest.mark.parametrize("kind", ["folder", "tar", "tgz"])
def test_pages_of_a_tiff_are_images(kind, tmp_path):
    pages = noise(5, 6, 5, 3)
    write_pages(tmp_path / "in" / "a.tif", pages[:3])
    put(tmp_path / "in", "b.png", encoded(pages[3]))
    write_pages(tmp_path / "in" / "c.tif", pages[4:])
    names = ["a.tif", "a.tif#2", "a.tif#3", "b.png", "c.tif"]
    assert len(find_items([tmp_path / "in"]).items) == 3
    source, options = tmp_path / "in", {"kind": "images"}
    if kind != "folder":
        source, options = packed(source, tmp_path / f"in.{kind}"), {}
    sizes = {"chunk": 6 * 5 * 3, "shard": 6 * 5 * 3}  # one shard per image
    found = stored(source, **options, **sizes)
    assert list(found) == names
    assert np.array_equal(list(found.values()), pages)
    for done in range(1, 5):  # a resumed run starts between two pages of a file
        seen = []
        out = tmp_path / f"{done}.zarr"

        def stop(progress, done=done, seen=seen):
            seen.append(progress)
            if len(seen) == done:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            streamkm.ingest(source, out, watch=[stop], **options, **sizes)
        assert np.array_equal(streamkm.ingest(source, out, **options, **sizes)[...], pages)


def test_a_scene_of_several_pages_is_refused_with_the_fix(tmp_path):
    path = write_pages(tmp_path / "in" / "a.tif", noise(3, 6, 5, 3))
    with pytest.raises(DataError, match="a.tif has 3 pages.*--kind images"):
        streamkm.ingest(path, tmp_path / "o.zarr")
    assert len(stored(path.parent, kind="images")) == 3


def test_overviews_of_a_scene_are_no_pages(tmp_path):
    values = noise(3, 64, 64)
    path = write_raster(tmp_path / "a.tif", values)
    with placeless(), rasterio.open(path, "r+") as scene:
        scene.build_overviews([2, 4])
    assert np.array_equal(streamkm.ingest(path, tmp_path / "o.zarr")[...], values)


def test_bands_are_not_mixed_with_colours(tmp_path):
    (tmp_path / "in").mkdir()
    write_raster(tmp_path / "in" / "a.tif", noise(5, 6, 5))
    put(tmp_path / "in", "b.png", encoded(RGB))
    with pytest.raises(
        DataError, match="b.png has 3 channels, but the first image, .*a.tif, has 5"
    ):
        streamkm.ingest(tmp_path / "in", tmp_path / "o.zarr", kind="images")
    assert not list(tmp_path.glob("*o.zarr*"))


def test_what_is_not_taken_is_said_once_and_by_info(tmp_path):
    frames = [Image.fromarray(noise(6, 5, 3, seed=seed)) for seed in range(3)]
    (tmp_path / "in").mkdir()
    for name in "ab":
        frames[0].save(tmp_path / "in" / f"{name}.png", save_all=True, append_images=frames[1:])
    put(tmp_path / "in", "c.png", encoded(RGB, icc_profile=b"p" * 200))
    said = run("ingest", tmp_path / "in", "-o", tmp_path / "o.zarr").stderr
    assert said.count("only the first frame of an animation is read") == 1
    assert "2 images (" in said
    assert "in/c.png: colour profiles are not stored" in said
    shown = " ".join(run("info", tmp_path / "o.zarr").stdout.split())
    assert "only the first frame of an animation is read" in shown


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["tar", "tgz"])
def test_an_invalid_header_is_an_error_and_not_the_end_of_a_tar(compress, tmp_path):
    write_images(tmp_path / "im", 3)
    content = bytearray(write_tar(tmp_path / "im.tar", tmp_path / "im").read_bytes())
    second = content.index(b"photos/001.png")
    content[second : second + 50] = b"x" * 50
    (tmp_path / "im.tar").write_bytes(compress(content))
    with pytest.raises(DataError, match=r"im.tar is damaged \(the header of a member is invalid"):
        streamkm.ingest(tmp_path / "im.tar", tmp_path / "o.zarr")
