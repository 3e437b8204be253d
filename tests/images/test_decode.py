"""Every kind of file is decoded to its pixels, and its header agrees with them."""

from __future__ import annotations

import base64
import io
import zipfile

import fsspec
import numpy as np
import pytest
import rasterio
from PIL import Image, ImageCms, ImageOps

from streamkm.decoding.decode import decode, headers
from streamkm.decoding.tiff import pages
from streamkm.images.sources import find_items
from tests.images.conftest import deep_png, encoded, noise, png, put, read, write_raster, write_tar

RGB, GREY = noise(40, 30, 3), noise(40, 30)


def pillow(content, mode):
    with Image.open(io.BytesIO(content)) as image:
        values = np.asarray(ImageOps.exif_transpose(image).convert(mode))
    return values if values.ndim == 3 else values[..., None]


def palette(**options):
    image = Image.fromarray(RGB).quantize(16)
    return encoded(image, **options)


# Content, and the mode in which Pillow returns the expected pixels.
KINDS = {
    "rgb.png": (encoded(RGB), "RGB"),
    "rgba.png": (encoded(noise(40, 30, 4)), "RGBA"),
    "grey.png": (encoded(GREY), "L"),
    "greya.png": (encoded(Image.fromarray(noise(40, 30, 4)).convert("LA")), "LA"),
    "bits.png": (encoded(GREY, mode="1"), "L"),
    "palette.png": (palette(), "RGB"),
    "palette_transparent.png": (palette(transparency=3), "RGBA"),
    "palette_alphas.png": (palette(transparency=bytes(range(0, 160, 10))), "RGBA"),
    "key.png": (encoded(GREY, transparency=int(GREY[0, 0])), "LA"),
    "key_rgb.png": (encoded(RGB, transparency=tuple(map(int, RGB[0, 0]))), "RGBA"),
    "rgb.jpg": (encoded(RGB, "JPEG"), "RGB"),
    "progressive.jpg": (encoded(RGB, "JPEG", progressive=True), "RGB"),
    "grey.jpg": (encoded(GREY, "JPEG"), "L"),
    "cmyk.jpg": (encoded(RGB, "JPEG", "CMYK"), "RGB"),
    "rgb.webp": (encoded(RGB, "WEBP", lossless=True), "RGB"),
    "rgba.webp": (encoded(noise(40, 30, 4), "WEBP", lossless=True), "RGBA"),
    "rgb.bmp": (encoded(RGB, "BMP"), "RGB"),
    "rgb.gif": (encoded(RGB, "GIF"), "RGB"),
    "rgb.ppm": (encoded(RGB, "PPM"), "RGB"),
    "grey.pgm": (encoded(GREY, "PPM"), "L"),
    "rgb.tif": (encoded(RGB, "TIFF"), "RGB"),
    "deflate.tif": (encoded(RGB, "TIFF", compression="tiff_adobe_deflate"), "RGB"),
    "rgba.tiff": (encoded(noise(40, 30, 4), "TIFF"), "RGBA"),
    "palette.tif": (palette(kind="TIFF"), "RGB"),
    "cmyk.tif": (encoded(RGB, "TIFF", "CMYK"), "RGB"),
    "bits.tif": (encoded(GREY, "TIFF", "1", compression="group4"), "L"),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_8_bits(name, tmp_path):
    content, mode = KINDS[name]
    header, pixels = read(put(tmp_path, name, content))
    expected = pillow(content, mode)
    alpha = mode in ("LA", "RGBA")
    assert (header.height, header.width, header.dtype) == (40, 30, "uint8")
    assert (header.channels, header.alpha) == (expected.shape[-1] - alpha, alpha)
    assert np.array_equal(pixels.colour, expected[..., : header.channels])
    assert pixels.colour.flags.c_contiguous
    assert np.array_equal(pixels.alpha, expected[..., -1]) if alpha else pixels.alpha is None


def test_avif(tmp_path):
    content = encoded(RGB, "AVIF")
    assert np.array_equal(read(put(tmp_path, "x.avif", content))[1].colour, pillow(content, "RGB"))


@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_a_png_of_16_bits_keeps_them(samples, tmp_path):
    values = noise(40, 30, samples, dtype="u2")
    header, pixels = read(put(tmp_path, "x.png", deep_png(values)))
    assert (header.dtype, header.channels, header.alpha) == (
        "uint16",
        1 if samples < 3 else 3,
        samples in (2, 4),
    )
    assert np.array_equal(pixels.colour, values[..., : header.channels])
    if header.alpha:
        assert np.array_equal(pixels.alpha, values[..., -1])


@pytest.mark.parametrize("samples", [1, 3])
def test_a_transparent_colour_of_16_bits(samples, tmp_path):
    values = noise(9, 8, samples, dtype="u2")
    path = put(tmp_path, "x.png", deep_png(values, values[0, 0]))
    header, pixels = read(path)
    assert header.alpha
    assert np.array_equal(pixels.colour, values)
    expected = np.where((values == values[0, 0]).all(axis=-1), 0, 65535)
    assert np.array_equal(pixels.alpha, expected)


def test_a_ppm_of_16_bits(tmp_path):
    values = noise(9, 8, 3, dtype="u2")
    content = b"P6\n# made by hand\n8 9\n65535\n" + values.astype(">u2").tobytes()
    header, pixels = read(put(tmp_path, "x.ppm", content))
    assert header.dtype == "uint16"
    assert np.array_equal(pixels.colour, values)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("bands", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_bands_are_channels(bands, dtype, interleave, tmp_path):
    values = noise(bands, 40, 30, dtype=dtype)
    options = {"photometric": "minisblack", "interleave": interleave, "compress": "deflate"}
    header, pixels = read(write_raster(tmp_path / "x.tif", values, **options))
    assert (header.channels, header.alpha) == (bands, False)
    assert np.array_equal(np.moveaxis(pixels.colour, -1, 0), values)


def test_a_scene_keeps_its_place_on_earth(tmp_path):
    at = rasterio.Affine(10, 0, 500_000, 0, -10, 6_000_000)
    values = noise(3, 40, 30)
    path = write_raster(tmp_path / "x.tif", values, crs="EPSG:32633", transform=at, nodata=0)
    header, pixels = read(path)
    assert np.array_equal(np.moveaxis(pixels.colour, -1, 0), values)
    assert header.metadata["transform"] == list(at)[:6]
    assert header.metadata["nodata"] == 0
    assert "32633" in header.metadata["crs"]


def test_colour_of_16_bits_in_a_tiff_with_alpha(tmp_path):
    values = noise(4, 40, 30, dtype="u2")
    header, pixels = read(write_raster(tmp_path / "x.tif", values, photometric="rgb", alpha="yes"))
    assert (header.channels, header.alpha, header.dtype) == (3, True, "uint16")
    assert np.array_equal(pixels.colour, np.moveaxis(values[:3], 0, -1))
    assert np.array_equal(pixels.alpha, values[3])


@pytest.mark.parametrize("dtype", ["f4", "i2", "u4"])
def test_values_that_are_no_image_are_refused(dtype, tmp_path):
    path = write_raster(tmp_path / "x.tif", np.ones((1, 9, 9), dtype))
    with pytest.raises(ValueError, match="x.tif has dtype .*; images need uint8 or uint16"):
        read(path)


@pytest.mark.parametrize("turned", range(1, 9))
@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.webp", "x.tif", "deep.tif", "deep.png"])
def test_images_are_upright(name, turned, tmp_path):
    kind = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "tif": "TIFF"}[name.split(".")[1]]
    exif = Image.Exif()
    exif[274], exif[270] = turned, "a hill"
    # Two rows of 16 pixels of one colour each; JPEG would mix smaller areas.
    values = np.repeat(np.repeat(noise(2, 3, 3), 16, axis=0), 16, axis=1)
    content = encoded(values, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    expected = pillow(content, "RGB")
    if name == "deep.tif":
        path = write_raster(tmp_path / name, np.moveaxis(values.astype("u2"), -1, 0))
        with path.open("rb") as stream:
            at = next(pages(stream)).at
        turn_tiff(path, at, turned)
    elif name == "deep.png":
        raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
        path = put(tmp_path, name, png(48, 32, 16, 2, raw, (b"eXIf", exif.tobytes()[6:])))
    else:
        path = put(tmp_path, name, content)
    header, pixels = read(path)
    assert (header.height, header.width) == ((48, 32) if turned > 4 else (32, 48))
    assert np.array_equal(pixels.colour, expected)
    assert header.metadata.get("orientation", 1) == turned
    if name != "deep.tif":
        kept = Image.Exif()
        kept.load(base64.b64decode(header.metadata["exif"]))
        assert (kept.get(274, 1), kept[270]) == (1, "a hill")


def turn_tiff(path, at, turned):
    """Overwrite a tag that the image does not need."""
    content = bytearray(path.read_bytes())
    count = int.from_bytes(content[at : at + 2], "little")
    tags = [at + 2 + 12 * i for i in range(count)]
    place = next(t for t in tags if int.from_bytes(content[t : t + 2], "little") == 284)
    entry = (274).to_bytes(2, "little") + (3).to_bytes(2, "little") + (1).to_bytes(4, "little")
    entry += turned.to_bytes(4, "little")
    others = [bytes(content[t : t + 12]) for t in tags if t != place]
    directory = sorted([*others, entry], key=lambda tag: int.from_bytes(tag[:2], "little"))
    content[at + 2 : at + 2 + 12 * count] = b"".join(directory)
    path.write_bytes(content)


def test_what_a_header_keeps(tmp_path):
    icc = b"a profile of colours"
    header, _ = read(put(tmp_path, "x.jpg", encoded(RGB, "JPEG", icc_profile=icc, dpi=(72, 300))))
    assert header.icc == icc
    assert header.metadata["dpi"] == [72, 300]
    assert len(header.metadata["icc"]) == 16
    assert header.metadata["format"] == "JPEG"
    assert (
        read(put(tmp_path / "p", "p.png", palette(transparency=1)))[0].metadata["transparency"]
        == "palette"
    )


@pytest.mark.parametrize("big", ["YES", "NO"])
@pytest.mark.parametrize("bands", [3, 5])
def test_what_the_header_of_a_raster_keeps(bands, big, tmp_path):
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = write_raster(
        tmp_path / "x.tif",
        noise(bands, 9, 8, dtype="u2"),
        {"TIFFTAG_ARTIST": "somebody", "AREA_OR_POINT": "Area"},
        SOURCE_ICC_PROFILE=base64.b64encode(icc).decode(),
        bigtiff=big,
    )
    header, _ = read(path)
    assert header.icc == icc
    kept = Image.Exif()
    kept.load(base64.b64decode(header.metadata["exif"]))
    assert dict(kept) == {315: "somebody"}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning")  # Pillow's, when it decodes
@pytest.mark.parametrize("at", [None, 6, 10**6])
def test_exif_of_a_tiff(at, tmp_path):
    """EXIF lies elsewhere in the file; if it is damaged, it is left out, not the image."""
    taken, place = {36867: "2026:11:22 04:00:00", 40965: {1: "R98"}}, {1: "N", 2: (50.0, 5.0)}
    exif, stored = Image.Exif(), Image.Exif()
    exif[271], exif[34665], exif[34853] = "a maker", taken, place
    stored.load(exif.tobytes())
    content = bytearray(encoded(RGB, "TIFF", exif=stored))

    def point(tag, at):
        begin = content.index(tag.to_bytes(2, "little") + b"\4\0\1\0\0\0") + 8
        content[begin : begin + 4] = at.to_bytes(4, "little")

    point(40965, len(content))  # Pillow writes an invalid offset
    content += b"\1\0" + b"\1\0\2\0\4\0\0\0R98\0" + b"\0\0\0\0"
    if at is not None:
        point(34665, at)
    header, pixels = read(put(tmp_path, "x.tif", bytes(content)))
    assert np.array_equal(pixels.colour, RGB)
    kept = Image.Exif()
    kept.load(base64.b64decode(header.metadata["exif"]))
    assert kept[271] == "a maker"
    assert kept.get_ifd(34853) == place
    inner = kept.get_ifd(34665)
    assert inner.get(36867) == (taken[36867] if at is None else None)
    # Without the outer directory, Pillow before 12.3 raises KeyError for the inner one.
    assert (kept.get_ifd(40965) if inner else {}) == (taken[40965] if at is None else {})


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame(kind, tmp_path):
    frames = [Image.fromarray(noise(20, 20, 3, seed=seed)) for seed in range(3)]
    how = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **how)
    header, pixels = read(put(tmp_path, f"x.{kind.lower()}", content))
    assert header.metadata["frames"] == "the first of several"
    if kind != "GIF":
        assert np.array_equal(pixels.colour, np.asarray(frames[0]))


def test_pages_of_a_tiff(tmp_path):
    """Pages have several sizes and kinds; reduced copies do not count as pages."""
    several = [noise(20 + i, 30, 3, seed=i) for i in range(3)]
    images = [*map(Image.fromarray, several), Image.fromarray(noise(9, 9, dtype="u2"))]
    content = encoded(images[0], "TIFF", save_all=True, append_images=images[1:])
    (item,) = find_items([put(tmp_path, "x.tif", content)]).items
    found = headers(item)
    assert [header.name for header in found] == ["x.tif", "x.tif#2", "x.tif#3", "x.tif#4"]
    for header, values in zip(found, [*several, np.asarray(images[3])[..., None]], strict=True):
        assert np.array_equal(decode(header).colour, values)
    at = rasterio.Affine(10, 0, 5, 0, -10, 6)
    path = write_raster(tmp_path / "deep.tif", noise(3, 64, 64, dtype="u2"), transform=at)
    with rasterio.open(path, "r+") as scene:
        scene.build_overviews([2, 4])
    assert [h.name for h in headers(find_items([path]).items[0])] == ["deep.tif"]


def test_a_later_page_that_gdal_reads(tmp_path):
    first, second = noise(3, 20, 30, dtype="u2"), noise(5, 9, 8, dtype="u2", seed=1)
    path = write_raster(tmp_path / "x.tif", first)
    write_raster(path, second, APPEND_SUBDATASET="YES")
    one, two = headers(find_items([path]).items[0])
    assert np.array_equal(decode(one).colour, np.moveaxis(first, 0, -1))
    assert np.array_equal(decode(two).colour, np.moveaxis(second, 0, -1))


@pytest.mark.parametrize("where", ["tar", "zip", "far", "far and large"])
def test_what_gdal_reads_is_read_wherever_it_lies(where, tmp_path, monkeypatch):
    scene, deep = noise(5, 40, 30, dtype="u2"), noise(9, 8, 3, dtype="u2")
    members = {
        "s.tif": write_raster(tmp_path / "s.tif", scene, compress="deflate").read_bytes(),
        "d.png": deep_png(deep),
    }
    if where == "tar":
        sources = [write_tar(tmp_path / "t.tar", members)]
    elif where == "zip":
        sources = [tmp_path / "t.zip"]
        with zipfile.ZipFile(sources[0], "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in members.items():
                packed.writestr(name, content)
    else:
        far = fsspec.filesystem("memory")
        sources = [f"memory://gdal/{name}" for name in members]
        for name, content in members.items():
            far.pipe(f"/gdal/{name}", content)
        if where == "far and large":
            monkeypatch.setattr("streamkm.files.items._WHOLE", 100)
    one, two = (headers(item)[0] for item in find_items(sources).items)
    assert np.array_equal(decode(one).colour, np.moveaxis(scene, 0, -1))
    assert np.array_equal(decode(two).colour, deep)


def test_an_image_over_the_limit_is_refused_by_its_numbers(tmp_path):
    path = put(tmp_path, "x.png", encoded(RGB))
    (item,) = find_items([path]).items
    (header,) = headers(item, 40 * 30 * 3)
    assert decode(header, 40 * 30 * 3).colour.nbytes == header.nbytes
    for refused in (lambda: headers(item, 3599), lambda: decode(header, 3599)):
        with pytest.raises(
            ValueError, match=r"x.png declares 30 x 40 pixels, 3.5 KiB decoded, over"
        ):
            refused()


def test_pillows_limit_is_not_in_the_way(tmp_path, monkeypatch):
    """The limit is global to the process and is not changed; bands of an image are below it."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 30)
    tall = noise(64 * 5, 30, 3)
    _, pixels = read(put(tmp_path, "x.png", encoded(tall)))
    assert np.array_equal(pixels.colour, tall)
    assert Image.MAX_IMAGE_PIXELS == 64 * 30
