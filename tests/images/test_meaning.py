"""Samples are converted to displayed pixels: palettes, white zeros, few bits, inks, transparency.

The expected values come from another library that reads the same file (Pillow, GDAL), or from
NumPy.
"""

from __future__ import annotations

import io
import itertools
import struct
import zipfile
import zlib

import numpy as np
import pytest
import rasterio
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image, ImageOps
from rasterio import Affine

from streamkm.errors import DamagedError
from streamkm.images import compress, decompress
from tests.images.conftest import deep_png, encoded, noise, png, put, read, write_raster, write_tar

HERE = {"transform": Affine(10, 0, 500_000, 0, -10, 6_000_000), "crs": "EPSG:32633"}


def by_pillow(path, mode):
    with Image.open(path) as image:
        return np.asarray(image.convert(mode)).reshape(image.height, image.width, -1)


def tiff(entries, pixels, order="<", big=False):
    """A TIFF of one strip; entries: tag to (type, values)."""
    kinds = {1: "B", 2: "c", 3: "H", 4: "L", 6: "b", 8: "h", 9: "l", 16: "Q"}
    word, count, header = ("Q", "Q", 16) if big else ("L", "H", 8)
    entries = entries | {273: (16 if big else 4, [0]), 279: (16 if big else 4, [len(pixels)])}
    size = struct.calcsize(order + word)
    beside = header + struct.calcsize(order + count) + (4 + 2 * size) * len(entries) + size
    lines, more = [], b""
    for tag, (kind, values) in sorted(entries.items()):
        if tag == 273:
            place = len(lines)
        content = struct.pack(f"{order}{len(values)}{kinds[kind]}", *values)
        if len(content) > size:
            at = beside + len(more)
            more += content + b"\0" * (len(content) % 2)
            content = struct.pack(order + word, at)
        lines.append(
            struct.pack(f"{order}HH{word}", tag, kind, len(values)) + content.ljust(size, b"\0")
        )
    start = struct.pack(order + word, beside + len(more))
    lines[place] = lines[place][: 4 + size] + start
    mark = {"<": b"II", ">": b"MM"}[order]
    first = struct.pack(f"{order}HHHQ", 43, 8, 0, 16) if big else struct.pack(f"{order}HL", 42, 8)
    head = mark + first + struct.pack(order + count, len(lines))
    return head + b"".join(lines) + bytes(size) + more + pixels


def tags(height, width, samples, bits, photometric, **more):
    known = {"extra": 338, "orientation": 274}
    return {
        256: (3, [width]),
        257: (3, [height]),
        258: (3, [bits] * samples),
        259: (3, [1]),
        262: (3, [photometric]),
        277: (3, [samples]),
        278: (3, [height]),
        **{known[name]: value for name, value in more.items()},
    }


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_with_a_place_on_earth(bits, tmp_path):
    values = noise(1, 9, 8, seed=bits) >> (8 - bits)
    path = write_raster(tmp_path / "x.tif", values, photometric="palette", nbits=bits, **HERE)
    colours = {code: (*noise(3, seed=code).tolist(), 255) for code in range(2**bits)}
    with rasterio.open(path, "r+") as scene:
        scene.write_colormap(1, colours)
    header, pixels = read(path)
    assert (header.channels, header.alpha, header.dtype) == (3, False, "uint8")
    with rasterio.open(path) as scene:
        table = np.array([scene.colormap(1)[code] for code in range(2**bits)], np.uint8)
    assert np.array_equal(pixels.colour, table[values[0]][..., :3])
    assert np.array_equal(pixels.colour, by_pillow(path, "RGB"))
    assert header.metadata["crs"]


def test_a_palette_of_16_bits(tmp_path):
    table = noise(3, 65536, dtype="u2")
    values = noise(6, 5, dtype="u2", seed=1)
    entries = tags(6, 5, 1, 16, 3) | {320: (3, table.ravel().tolist())}
    header, pixels = read(put(tmp_path, "x.tif", tiff(entries, values.tobytes())))
    assert header.dtype == "uint16"
    assert np.array_equal(pixels.colour, table.T[values])


@pytest.mark.parametrize("place", [{}, HERE])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_of_few_bits(bits, photometric, place, tmp_path):
    values = noise(1, 9, 8, seed=bits) >> (8 - bits)
    path = tmp_path / "x.tif"
    write_raster(path, values, photometric=photometric, nbits=bits, **place)
    assert np.array_equal(read(path)[1].colour, by_pillow(path, "L"))


@pytest.mark.parametrize("place", [{}, HERE])
@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
def test_grey_of_many_bits(bits, place, tmp_path):
    values = noise(1, 9, 8, dtype="u2") >> (16 - bits)
    values[0, 0, :2] = 0, 2**bits - 1
    shown = np.floor(values[0] * (65535 / (2**bits - 1)) + 0.5)[..., None]
    for photometric, expected in (("minisblack", shown), ("miniswhite", 65535 - shown)):
        path = tmp_path / f"{photometric}.tif"
        write_raster(path, values, photometric=photometric, nbits=bits, **place)
        header, pixels = read(path)
        assert (header.dtype, header.metadata["bits"]) == ("uint16", 16)
        assert np.array_equal(pixels.colour, expected)


def test_bands_are_measurements_and_stay(tmp_path):
    values = noise(4, 9, 8, dtype="u2") >> 4
    path = write_raster(tmp_path / "x.tif", values, photometric="minisblack", nbits=12, **HERE)
    assert np.array_equal(read(path)[1].colour, np.moveaxis(values, 0, -1))


def test_inks_of_16_bits_are_rgb(tmp_path):
    inks = noise(4, 9, 8, dtype="u2")
    header, pixels = read(write_raster(tmp_path / "x.tif", inks, photometric="cmyk"))
    assert (header.channels, header.alpha, header.dtype) == (3, False, "uint16")
    light = 1 - inks / 65535
    expected = np.moveaxis(light[:3] * light[3], 0, -1) * 65535
    assert np.abs(pixels.colour - expected).max() <= 0.5
    eight = Image.fromarray(np.moveaxis(inks >> 8, 0, -1).astype("u1"), "CMYK").convert("RGB")
    assert np.abs(pixels.colour / 257 - np.asarray(eight)).max() < 2


def test_inks_of_8_bits_with_a_place_on_earth(tmp_path):
    inks = noise(4, 9, 8)
    path = write_raster(tmp_path / "x.tif", inks, photometric="cmyk", **HERE)
    header, pixels = read(path)
    assert (header.channels, header.alpha) == (3, False)
    assert np.abs(pixels.colour.astype(int) - by_pillow(path, "RGB")).max() <= 1


@pytest.mark.parametrize("samples", [2, 4])
def test_colours_that_were_multiplied_by_alpha(samples, tmp_path):
    plain = noise(6, 5, samples - 1, dtype="u2").astype(float)
    alpha = noise(6, 5, 1, dtype="u2", seed=1).astype(float)
    alpha[0, 0], alpha[0, 1] = 0, 65535
    stored = np.concatenate([np.round(plain * alpha / 65535), alpha], -1).astype("<u2")
    entries = tags(6, 5, samples, 16, {2: 1, 4: 2}[samples], extra=(3, [1]))
    header, pixels = read(put(tmp_path, "x.tif", tiff(entries, stored.tobytes())))
    assert header.alpha
    assert np.array_equal(pixels.alpha, alpha[..., 0])
    off = np.abs(pixels.colour - plain)[alpha[..., 0] > 0]
    assert (off <= 0.5 + 0.5 * 65535 / alpha[alpha[..., 0] > 0]).all()
    assert (pixels.colour[0, 0] == 0).all()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(("samples", "bits"), [(1, 8), (3, 8), (1, 16), (3, 16)])
def test_tiff_and_bigtiff_of_either_order_of_bytes(samples, bits, big, order, tmp_path):
    values = noise(6, 5, samples, dtype=f"u{bits // 8}")
    entries = tags(6, 5, samples, bits, {1: 1, 3: 2}[samples], orientation=(3, [6]))
    content = tiff(entries, values.astype(values.dtype.newbyteorder(order)).tobytes(), order, big)
    header, pixels = read(put(tmp_path, "x.tif", content))
    assert header.metadata["orientation"] == 6
    assert np.array_equal(pixels.colour, np.rot90(values, -1))


def test_kinds_of_colour_that_are_not_read_are_named(tmp_path):
    for photometric, name in ((8, "CIE L"), (32803, "mosaic"), (32999, "interpretation 32999")):
        entries = tags(6, 5, 3, 16, photometric)
        path = put(tmp_path, f"{photometric}.tif", tiff(entries, bytes(180)))
        with pytest.raises(DamagedError, match=f"holds .*{name}.*convert it to RGB"):
            read(path)


def test_inks_of_8_bits_with_alpha_are_refused(tmp_path):
    """GDAL converts them to RGB and drops the alpha."""
    content = tiff(tags(6, 5, 5, 8, 5, extra=(3, [2])), noise(6, 5, 5).tobytes())
    with pytest.raises(DamagedError, match="holds CMYK with alpha of 8 bits.*convert it to RGB"):
        read(put(tmp_path, "x.tif", content))


def test_inks_of_16_bits_with_alpha(tmp_path):
    values = noise(6, 5, 5, dtype="u2")
    content = tiff(tags(6, 5, 5, 16, 5, extra=(3, [2])), values.tobytes())
    pixels = read(put(tmp_path, "x.tif", content))[1]
    light = 1 - values[..., :4] / 65535
    assert np.abs(pixels.colour - light[..., :3] * light[..., 3:] * 65535).max() <= 0.5
    assert np.array_equal(pixels.alpha, values[..., 4])


def test_a_palette_whose_colours_are_written_as_8_bits(tmp_path):
    """Read them like libtiff (checkcmap of tiff2rgba)."""
    table, values = noise(3, 256), noise(6, 5, seed=1)
    entries = tags(6, 5, 1, 8, 3) | {320: (3, table.ravel().tolist())}
    header, pixels = read(put(tmp_path, "x.tif", tiff(entries, values.tobytes())))
    assert header.dtype == "uint8"
    assert np.array_equal(pixels.colour, table.T[values])


def test_nodata_is_kept_of_pixels_that_are_as_stored(tmp_path):
    values = noise(1, 9, 8, dtype="u2") >> 4
    for bits, kept in ((16, 7), (12, None)):
        path = write_raster(tmp_path / f"{bits}.tif", values, nbits=bits, nodata=7)
        assert read(path)[0].metadata.get("nodata") == kept


def packed_png(values, bits, key, kind=0):
    """A PNG of few bits; values (h, w) or (h, w, 3)."""
    rows = b""
    for row in values.reshape(len(values), -1):
        line = "".join(f"{value:0{bits}b}" for value in row)
        line = line.ljust(-(-len(line) // 8) * 8, "0")
        rows += b"\0" + int(line, 2).to_bytes(len(line) // 8)
    height, width = values.shape[:2]
    return png(width, height, bits, kind, rows, (b"tRNS", struct.pack(f">{len(key)}H", *key)))


@pytest.mark.parametrize(
    ("kind", "bits", "above"),
    [(0, bits, above) for bits in (1, 2, 4, 8) for above in (0, 0x300)]
    + [(2, 8, 0), (2, 8, 0x300), (0, 16, 0), (2, 16, 0)],
)
def test_the_transparent_colour_of_a_png(kind, bits, above, tmp_path):
    """For samples of few bits, the higher bits of the key are ignored (PNG, 11.3.1.1)."""
    channels = {0: 1, 2: 3}[kind]
    top = 2**bits - 1
    values = np.random.default_rng(0).integers(0, top + 1, (7, 9, channels))
    values[3:5, 2:6] = key = values[0, 0]
    content = packed_png(values, bits, [int(k) + above for k in key], kind)
    header, pixels = read(put(tmp_path, "x.png", content))
    full = {True: 65535, False: 255}[bits == 16]
    assert header.alpha
    assert header.metadata["transparency"] == "key"
    assert np.array_equal(pixels.colour, values * full // top)
    assert np.array_equal(pixels.alpha, np.where((values == key).all(-1), 0, full))


@pytest.mark.parametrize("top", [1, 3, 7, 100, 254, 255, 256, 257, 1023, 4095, 16383, 40000, 65535])
@pytest.mark.parametrize("kind", ["P2", "P3", "P5", "P6"])
def test_every_white_of_a_pnm(kind, top, tmp_path):
    values = np.random.default_rng(0).integers(0, top + 1, (6, 5, {"P2": 1, "P5": 1}.get(kind, 3)))
    values[0, 0], values[0, 1] = 0, top
    head = f"{kind} # a remark\n5 6\n# another 7\n{top}\n".encode()
    if kind in ("P2", "P3"):
        body = "\n".join(map(str, values.ravel())).encode()
    else:
        body = values.astype(">u2" if top > 255 else "u1").tobytes()
    header, pixels = read(put(tmp_path, "x.pnm", head + body))
    full = 65535 if top > 255 else 255
    assert header.dtype == {255: "uint8", 65535: "uint16"}[full]
    assert np.abs(pixels.colour - values * full / top).max() <= 0.5


@pytest.mark.parametrize("body", [b"\x07\xff" * 30, b"\x00\x01" * 29])
def test_a_pnm_that_lies(body, tmp_path):
    with pytest.raises(DamagedError, match="the value 2047|after 29 of 30 values"):
        read(put(tmp_path, "x.pgm", b"P5 5 6 1000\n" + body))


def exif_of(value, kind=3, order="<"):
    """EXIF with only an orientation."""
    pad = {1: "BBBB", 3: "HH", 4: "L"}[kind]
    mark = {"<": b"II", ">": b"MM"}[order]
    number = struct.pack(order + pad, value, *[0] * (len(pad) - 1))
    entry = struct.pack(f"{order}HHL", 274, kind, 1) + number
    return mark + struct.pack(f"{order}HLH", 42, 8, 1) + entry + bytes(4)


def xmp_of(value):
    return f'<x:xmpmeta><rdf:Description tiff:Orientation="{value}"/></x:xmpmeta>'.encode()


def with_chunk(content, name, body, after=False):
    at = content.index(b"IEND" if after else b"IDAT") - 4
    chunk = struct.pack(">I", len(body)) + name + body
    return content[:at] + chunk + struct.pack(">I", zlib.crc32(name + body)) + content[at:]


VALUES = np.arange(24, dtype="u1").reshape(6, 4) * 10
GREY = encoded(VALUES)


def oriented(where, value):
    """The same image with each orientation."""
    exif, late = exif_of(value, 4 if "LONG" in where else 3), "after pixels" in where
    prefixed = b"Exif\0\0" + exif
    raw = f"\nexif\n{len(prefixed):8}\n{prefixed.hex()}\n".encode()
    text = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp_of(value)
    zipped = b"Raw profile type exif\0\0" + zlib.compress(raw)
    chunk = {"eXIf": (b"eXIf", exif), "raw": (b"zTXt", zipped), "XMP": (b"iTXt", text)}
    kind, of = where.split()[:2]
    if kind == "png":
        return with_chunk(GREY, *chunk[of], late)
    if kind == "tiff":
        more = {"XMP": (700, (1, list(xmp_of(value)))), "SHORT": (274, (3, [value]))}
        tag, entry = more.get(of, (274, (4, [value])))
        return tiff(tags(6, 4, 1, 8, 1) | {tag: entry}, VALUES.tobytes())
    beside = {"XMP": {"xmp": xmp_of(value)}, "both": {"exif": prefixed, "xmp": xmp_of(5)}}
    beside = beside.get(of, {"exif": prefixed})
    if kind == "webp":
        return encoded(VALUES, "WEBP", mode="RGB", lossless=True, **beside)
    return encoded(VALUES, "JPEG", **beside)


END = {"png": "png", "tif": "tif", "jpe": "jpg"}
WAYS = [
    *("jpeg SHORT", "jpeg LONG", "jpeg XMP", "jpeg both", "webp SHORT", "webp LONG", "webp XMP"),
    *("png eXIf", "png eXIf LONG", "png eXIf after pixels", "png raw", "png raw after pixels"),
    *("png XMP", "png XMP after pixels", "tiff SHORT", "tiff LONG", "tiff XMP"),
]


@pytest.mark.parametrize("where", WAYS)
def test_upright_wherever_it_says_so(where, tmp_path):
    for value in range(1, 9):
        path = put(tmp_path, f"{value}", oriented(where, value))
        # Pillow 13 maps a TIFF from a path into memory with its sides exchanged.
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            image.load()  # it rotates a TIFF, and finds chunks after the pixels of a PNG
            if image.format != "TIFF":
                image = ImageOps.exif_transpose(image)
            expected = np.asarray(image.convert("L"))
        header, pixels = read(path)
        assert header.metadata.get("orientation", 1) == value
        assert np.array_equal(pixels.colour[..., 0], expected)


@pytest.mark.parametrize("where", ["png eXIf after pixels", "png XMP", "tiff XMP", "jpeg LONG"])
def test_upright_in_archives_and_far_away_too(where, tmp_path):
    content = oriented(where, 8)
    put(tmp_path, "in.zip", b"")
    with zipfile.ZipFile(tmp_path / "in.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(f"x.{END[where[:3]]}", content)
    write_tar(tmp_path / "in.tar", {f"x.{END[where[:3]]}": content})
    far = f"memory://{tmp_path.name}-{END[where[:3]]}"
    MemoryFileSystem().pipe_file(f"/{far.partition('://')[2]}/x", content)
    expected = read(put(tmp_path, "x", content))[1].colour
    assert expected.shape[:2] == (4, 6)
    for source in (tmp_path / "in.zip", tmp_path / "in.tar", f"{far}/x"):
        assert np.array_equal(read(source)[1].colour, expected)


def test_grey_of_16_bits_in_a_tiff_is_upright_by_xmp(tmp_path):
    values = noise(6, 4, dtype="u2")
    entries = tags(6, 4, 1, 16, 1) | {700: (1, list(xmp_of(6)))}
    path = put(tmp_path, "x.tif", tiff(entries, values.tobytes()))
    assert np.array_equal(read(path)[1].colour[..., 0], np.rot90(values, -1))


def test_exif_comes_out_upright_whatever_type_the_orientation_has(tmp_path):
    """The oriented image is not rotated a second time."""
    put(tmp_path / "in", "a.png", with_chunk(GREY, b"eXIf", exif_of(6, 4)))
    compress(tmp_path / "in", tmp_path / "a.zarr", 256)
    (file,) = decompress(tmp_path / "a.zarr", tmp_path / "out")
    with Image.open(file) as image:
        assert image.getexif()[274] == 1
        assert np.array_equal(np.asarray(image.convert("L")), np.rot90(VALUES, -1))


def profile(space):
    """The part of an ICC profile that declares its colour space."""
    return struct.pack(">I12x4s4s12x4s", 132, space, b"XYZ ", b"acsp") + bytes(92)


@pytest.mark.parametrize(
    ("mode", "space", "kept"),
    [
        ("CMYK", b"CMYK", False),
        ("RGB", b"CMYK", False),
        ("RGB", b"GRAY", False),
        ("L", b"RGB ", False),
        ("L", b"CMYK", False),
        ("L", b"GRAY", True),
        ("RGB", b"RGB ", True),
    ],
)
def test_a_profile_of_other_colours_is_not_written(mode, space, kept, tmp_path):
    for kind in ("JPEG", "TIFF"):
        content = encoded(noise(6, 5, 3), kind, mode=mode, icc_profile=profile(space))
        header, _ = read(put(tmp_path / "in", f"{kind}.img", content))
        assert header.icc == (profile(space) if kept else None)
        assert ("icc" in header.metadata) == kept
    compress([tmp_path / "in" / "JPEG.img"], tmp_path / "a.zarr", 256)
    (file,) = decompress(tmp_path / "a.zarr", tmp_path / "out")
    with Image.open(file) as image:
        assert image.info.get("icc_profile") == (profile(space) if kept else None)


def test_deep_png_with_a_key_and_a_turn(tmp_path):
    values = noise(6, 4, 3, dtype="u2")
    content = with_chunk(deep_png(values, values[2, 1]), b"eXIf", exif_of(8), after=True)
    header, pixels = read(put(tmp_path, "x.png", content))
    assert (header.height, header.width, header.alpha) == (4, 6, True)
    assert np.array_equal(pixels.colour, np.rot90(values))
    assert pixels.alpha.argmin() == np.rot90(np.arange(24).reshape(6, 4) == 9).argmax()


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        *itertools.product(["u1", "u2"], [{}, HERE]),
        ("u1", {"compress": "jpeg", "photometric": "ycbcr"}),  # JPEG has 8 bits
    ],
)
def test_a_mask_in_a_tiff_is_alpha(dtype, options, tmp_path):
    """Such as that of orthophotos, which JPEG cannot give an alpha band; also with overviews."""
    hidden = noise(48, 32) < 80
    values = noise(3, 48, 32, dtype=dtype)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        path = write_raster(tmp_path / "x.tif", values, **{"photometric": "rgb"} | options)
        with rasterio.open(path, "r+") as scene:
            scene.write_mask(~hidden)
            scene.build_overviews([2])
    header, pixels = read(path)
    assert header.alpha
    assert np.array_equal(pixels.alpha, np.where(hidden, 0, np.iinfo(dtype).max))
    with rasterio.open(path) as scene:
        assert np.array_equal(scene.dataset_mask() == 0, hidden)
        assert np.array_equal(pixels.colour, np.moveaxis(scene.read(), 0, -1))
    assert header.lost == ("reduced copies and masks among the pages of a TIFF are left out",)
