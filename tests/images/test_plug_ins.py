"""JPEG 2000, which GDAL reads, and HEIC and JPEG XL, which plug-ins of Pillow read if installed.

The wanted pixels are those that were written without loss, or those of the plug-in's functions.
"""

from __future__ import annotations

import io

import numpy as np
import pytest
import rasterio
from PIL import Image, ImageOps

import streamkm
from streamkm.decoding.decode import decode, headers
from streamkm.decoding.header import MAIN
from streamkm.decoding.jxl import jxl_of
from streamkm.errors import DamagedError
from streamkm.images import Archive, compress, find_palettes
from streamkm.images.sources import find_items
from tests.images.conftest import encoded, noise, put, read
from tests.images.test_meaning import exif_of

SHAPE = (12, 10)
RGB = noise(*SHAPE, 3) // 64 * 85
RGBA = np.concatenate([RGB, noise(*SHAPE, 1, seed=1) // 128 * 255], -1)
GREY = noise(*SHAPE, 1)
DEEP = noise(*SHAPE, 1, dtype="u2")
KINDS = {"rgb": RGB, "rgba": RGBA, "grey": GREY, "deep": DEEP}
pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")


def jp2(values, **options):
    with rasterio.MemoryFile(ext=".jp2") as memory:
        bands = np.moveaxis(values, -1, 0)
        about = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2]}
        with memory.open(
            driver="JP2OpenJPEG",
            dtype=values.dtype,
            **about,
            **{"QUALITY": 100, "REVERSIBLE": True, "YCBCR420": False} | options,
        ) as scene:
            scene.write(bands)
        return memory.read()


TWELVE = DEEP % 4096
JP2S = {
    "rgb.jp2": (lambda: encoded(RGB, "JPEG2000"), RGB),
    "alpha.jp2": (lambda: encoded(RGBA, "JPEG2000"), RGBA),
    "grey.j2k": (lambda: encoded(GREY[..., 0], "JPEG2000", no_jp2=True), GREY),
    "16 bits.jp2": (lambda: jp2(np.repeat(DEEP, 3, -1)), np.repeat(DEEP, 3, -1)),
    "12 bits.jp2": (
        lambda: jp2(TWELVE, NBITS=12),
        np.floor(TWELVE * 65535.0 / 4095 + 0.5).astype("u2"),
    ),
    "bands.jp2": (lambda: jp2(np.repeat(DEEP, 5, -1)), np.repeat(DEEP, 5, -1)),
}


def joined(pixels):
    if pixels.alpha is None:
        return pixels.colour
    return np.concatenate([pixels.colour, pixels.alpha[..., None]], -1)


@pytest.mark.parametrize("name", JP2S)
def test_jpeg_2000_has_its_values_in_the_full_range(name, tmp_path):
    content, wanted = JP2S[name]
    header, pixels = read(put(tmp_path, name, content()))
    assert np.array_equal(joined(pixels), wanted)
    assert header.metadata["format"] == "JPEG2000"


def test_jpeg_2000_keeps_its_place_in_an_archive_and_is_an_image_of_ingest(tmp_path):
    place = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)
    path = put(tmp_path, "x.jp2", jp2(RGB, crs="EPSG:32633", transform=place))
    archive = compress(path, tmp_path / "x.zarr")
    assert np.array_equal(archive["x.jp2"], RGB)
    assert archive.metadata("x.jp2")["transform"] == list(place)[:6]
    made = streamkm.ingest(path, tmp_path / "i.zarr", kind="images")
    assert np.array_equal(made[0], RGB)


def heic(values, **options):
    pillow_heif = pytest.importorskip("pillow_heif")
    out = io.BytesIO()
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[values.shape[-1]] + (";16" if values.itemsize > 1 else "")
    image = pillow_heif.from_bytes(mode, values.shape[1::-1], values.tobytes())
    image.save(out, quality=-1, chroma=444, **options)
    return out.getvalue()


@pytest.mark.parametrize("name", ["rgb", "rgba", "grey"])
def test_heic_has_the_pixels_of_its_library(name, tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    content = heic(KINDS[name])
    header, pixels = read(put(tmp_path, "x.heic", content))
    wanted = np.asarray(pillow_heif.open_heif(io.BytesIO(content)))
    assert np.array_equal(joined(pixels), wanted.reshape(*SHAPE, -1))
    assert header.lost == ()


TEN = noise(*SHAPE, 4, dtype="u2") % 1024
TEN[..., 3] |= 512  # hidden pixels have no colour in some versions


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_heic_of_10_bits_has_its_values_in_the_full_range(channels, tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    content = heic(TEN[..., :channels] << 6)
    header, pixels = read(put(tmp_path, "x.heic", content))
    stored = np.asarray(pillow_heif.open_heif(io.BytesIO(content), convert_hdr_to_8bit=False)) >> 6
    if channels == 1:  # without loss; colours are stored as YCbCr
        assert np.array_equal(stored, TEN[..., 0])
    wanted = np.floor(stored * 65535.0 / 1023 + 0.5).reshape(*SHAPE, -1)
    assert np.array_equal(joined(pixels), wanted)
    assert (header.dtype, header.lost) == ("uint16", ())


def test_the_main_image_of_a_heic_file_is_read_upright(tmp_path):
    """The library writes the orientation of EXIF as a rotation, which its decoder applies."""
    pillow_heif = pytest.importorskip("pillow_heif")
    file, out = pillow_heif.HeifFile(), io.BytesIO()
    for values in (GREY, np.repeat(GREY, 3, -1)[:6]):
        file.add_frombytes("L", values.shape[1::-1], values[..., :1].tobytes())
    file.save(out, quality=-1, primary_index=1, exif=b"Exif\0\0" + exif_of(6))
    (header,) = headers(find_items([put(tmp_path, "x.heic", out.getvalue())]).items[0], frames=True)
    assert header.lost == (MAIN,)
    assert np.array_equal(decode(header).colour, np.rot90(GREY[:6], -1))


def jxl(values, **options):
    pytest.importorskip("pillow_jxl.JpegXLImagePlugin")
    return encoded(values.squeeze(), "JXL", lossless=True, **options)


@pytest.mark.parametrize("name", KINDS)
def test_jpeg_xl_has_the_pixels_that_were_written(name, tmp_path):
    values = KINDS[name]
    content = jxl(values, exif=exif_of(6))  # which does not count in this format
    header, pixels = read(put(tmp_path, "x.jxl", content))
    assert np.array_equal(joined(pixels), values)
    assert (header.lost, header.metadata["format"]) == ((), "JXL")
    assert jxl_of(io.BytesIO(content)).bits == 8 * values.itemsize


def test_a_jpeg_in_jpeg_xl_is_turned_by_its_exif(tmp_path):
    pytest.importorskip("pillow_jxl.JpegXLImagePlugin")
    jpeg = put(tmp_path, "x.jpg", encoded(RGB, "JPEG", exif=b"Exif\0\0" + exif_of(6)))
    Image.open(jpeg).save(tmp_path / "x.jxl", lossless_jpeg=True)
    _, pixels = read(tmp_path / "x.jxl")
    wanted = ImageOps.exif_transpose(Image.open(jpeg))
    assert wanted.size == SHAPE
    assert np.array_equal(pixels.colour, np.asarray(wanted))


def codestream(fields):
    """The start of a JPEG XL file: numbers of some bits, the lowest bit first."""
    value = at = 0
    for number, bits in fields:
        value, at = value | number << at, at + bits
    return b"\xff\x0a" + value.to_bytes(at // 8 + 60, "little")


def test_jpeg_xl_is_checked_before_it_is_decoded(tmp_path):
    jxl(GREY)
    most = (2**30 - 1, 30)
    size = [(0, 1), (3, 2), most, (0, 3), (3, 2), most]
    (item,) = find_items([put(tmp_path, "x.jxl", codestream([*size, (1, 1)]))]).items
    with pytest.raises(DamagedError, match="1,073,741,824 x 1,073,741,824 pixels.*over the limit"):
        headers(item, 10**9)
    small = [(1, 1), (0, 5), (1, 3)]  # 8 x 8
    more = [(0, 1), (1, 1), (0, 3), (0, 1), (0, 1), (1, 1)]
    (item,) = find_items([put(tmp_path, "y.jxl", codestream(small + more))]).items
    with pytest.raises(DamagedError, match="y.jxl is an animation in JPEG XL"):
        headers(item)
    (item,) = find_items([put(tmp_path, "z.jxl", jxl(GREY)[:40])]).items
    with pytest.raises(DamagedError, match="z.jxl is damaged"):
        headers(item)


def test_every_door_takes_formats_of_installed_plug_ins(tmp_path):
    folder = tmp_path / "in"
    put(folder, "a.jxl", jxl(RGB))
    put(folder, "b.png", encoded(RGB))
    archive = compress(folder, tmp_path / "x.zarr")
    assert sorted(archive) == ["a.jxl", "b.png"]
    assert archive.skipped == []
    assert np.array_equal(Archive(tmp_path / "x.zarr")["a.jxl"], RGB)
    made = streamkm.ingest(folder, tmp_path / "i.zarr")
    assert np.array_equal(made[:], [RGB, RGB])
    assert len(find_palettes(folder / "a.jxl", 256)["rgb", 256]) == len(
        np.unique(RGB.reshape(-1, 3), axis=0)
    )
