"""Images at the doors of docs/values.md: `ingest --kind images`, `compress` and `palette` decode
them alike. The wanted pixels are those that Pillow or GDAL reads, or worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from PIL import Image

import streamkm
from streamkm.images import compress, find_palettes
from tests.images.conftest import deep_png, encoded, noise, png, put
from tests.images.test_meaning import (
    GREY,
    VALUES,
    exif_of,
    packed_png,
    tags,
    tiff,
    with_chunk,
    write_raster,
)

SHAPE = (6, 5)
FEW = noise(*SHAPE, 3) // 64 * 85  # at most 64 colours
CODES = noise(*SHAPE) % 8
INKS = noise(*SHAPE, 4) // 128 * 255
HIDDEN = noise(*SHAPE, seed=3) < 90
TABLE = noise(8, 3, seed=4)
TOP = 255


def palette_image(**options):
    image = Image.fromarray(CODES, "P")
    image.putpalette(TABLE.tobytes())
    return encoded(image, **options)


def with_alpha(colour, alpha):
    return np.concatenate([colour, np.broadcast_to(alpha[..., None], (*SHAPE, 1))], -1)


def premultiplied():
    colour = np.where(HIDDEN[..., None], 0, FEW)
    alpha = np.where(HIDDEN, 0, 255).astype("u1")
    return tiff(tags(*SHAPE, 4, 8, 2, extra=(3, [1])), with_alpha(colour, alpha).tobytes())


def masked(folder):
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        path = write_raster(folder / "masked.tif", np.moveaxis(FEW, -1, 0), photometric="rgb")
        with rasterio.open(path, "r+") as scene:
            scene.write_mask(~HIDDEN)
    return path.read_bytes()


OPAQUE = np.where(HIDDEN, 0, TOP)
LIGHT = 255 - INKS.astype(int)
FILES = {  # content, or a function of a folder; pixels (y, x, channel)
    "palette.png": (palette_image(), TABLE[CODES]),
    "palette alpha.png": (
        palette_image(transparency=bytes([0, 90])),
        with_alpha(TABLE[CODES], np.choose(np.minimum(CODES, 2), [0, 90, 255])),
    ),
    "palette.gif": (palette_image(kind="GIF"), TABLE[CODES]),
    "1 bit.png": (encoded(Image.fromarray(CODES > 3)), np.where(CODES[..., None] > 3, 255, 0)),
    "2 bits key.png": (
        packed_png(CODES % 4, 2, [3]),
        with_alpha((CODES.astype(int) % 4 * 85)[..., None], np.where(CODES % 4 == 3, 0, TOP)),
    ),
    "key.png": (
        png(5, 6, 8, 2, b"".join(b"\0" + r.tobytes() for r in FEW), (b"tRNS", bytes(6))),
        with_alpha(FEW, np.where(FEW.any(-1), TOP, 0)),
    ),
    "maxval.pgm": (b"P5 5 6 7\n" + CODES.tobytes(), np.floor(CODES[..., None] * 255.0 / 7 + 0.5)),
    "white zero.tif": (tiff(tags(*SHAPE, 1, 8, 0), CODES.tobytes()), 255 - CODES[..., None]),
    "inks.tif": (
        tiff(tags(*SHAPE, 4, 8, 5), INKS.tobytes()),
        LIGHT[..., :3] * LIGHT[..., 3:] // 255,
    ),
    "multiplied.tif": (premultiplied(), with_alpha(np.where(HIDDEN[..., None], 0, FEW), OPAQUE)),
    "masked.tif": (masked, with_alpha(FEW, OPAQUE)),
    "12 bits.tif": (
        lambda folder: write_raster(
            folder / "t.tif", CODES[None].astype("u2") * 585, nbits=12
        ).read_bytes(),
        np.floor(CODES[..., None] * 585.0 * 65535 / 4095 + 0.5),
    ),
    "16 bits.png": (deep_png(FEW.astype("u2") * 257), FEW.astype("u2") * 257),
    "turned.png": (with_chunk(GREY, b"eXIf", exif_of(6)), np.rot90(VALUES, -1)[..., None]),
    "turned.jpg": (
        encoded(np.full((6, 4), 77, "u1"), "JPEG", exif=b"Exif\0\0" + exif_of(8)),
        np.full((4, 6, 1), 77),
    ),
    "alpha.webp": (
        encoded(with_alpha(FEW, OPAQUE).astype("u1"), "WEBP", lossless=True, exact=True),
        with_alpha(FEW, OPAQUE),
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("doors")
    (folder / "im").mkdir()
    for name, (content, _) in FILES.items():
        put(folder / "im", name, content(folder) if callable(content) else content)
    return folder


@pytest.fixture(scope="module")
def archive(folder):
    return compress(folder / "im", folder / "archive.zarr", per="image")


def same(found, want):
    """Hidden pixels may have any colour."""
    assert found.shape == want.shape
    shown = want[..., -1] > 0 if want.shape[-1] in (2, 4) else np.ones(want.shape[:2], bool)
    assert np.array_equal(found[shown], want[shown])
    if not shown.all():
        assert not found[~shown, -1].any()


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
@pytest.mark.parametrize("name", FILES)
def test_images_have_the_same_pixels_at_every_door(name, folder, archive, tmp_path):
    want = np.asarray(FILES[name][1])
    same(np.asarray(archive[name]), want)
    made = streamkm.ingest(folder / "im" / name, tmp_path / "x.zarr", kind="images")[0]
    same(made if want.shape[-1] != 2 else made[..., [0, 3]], want)


def test_palettes_count_the_colours_that_are_shown(folder):
    found = find_palettes(folder / "im" / "masked.tif", 256)["rgb", 256]
    shown = {tuple(colour) for colour in FEW[~HIDDEN].tolist()}
    assert {tuple(colour) for colour in found.colours.tolist()} == shown
