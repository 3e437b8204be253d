"""A palette that is given: every form of it holds the same colours, in its own order."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from streamkm import KMeans
from streamkm.errors import DataError
from streamkm.images import Archive, Palette, compress
from streamkm.images.compression.given import given_colours
from tests.images.conftest import noise

COLOURS = np.array([[250, 240, 10], [0, 0, 0], [30, 200, 90], [255, 255, 255], [9, 9, 200]], "u1")
HEX = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in COLOURS]
GREYS = np.array([[0], [80], [255]], "u1")


def padded(colours):
    return colours.tobytes().ljust(768, b"\7")


def jasc(colours):
    lines = [" ".join(map(str, colour)) for colour in colours.tolist()]
    return "\r\n".join(["JASC-PAL", "0100", str(len(lines)), *lines, ""]).encode()


FILES = {
    "x.gpl": Palette(COLOURS).to_gpl("five").encode(),
    "x.json": Palette(COLOURS).to_json().encode(),
    "x.pal": jasc(COLOURS),
    "x.act": padded(COLOURS) + bytes([0, 5, 255, 255]),
    "x.hex": "\n".join(name[1:].upper() for name in HEX).encode(),
    "shares.txt": "\n".join(f"   {name}   20.0%" for name in HEX).encode(),
    "paint.txt": "\n".join([";paint.net", *(f"FF{name[1:]}" for name in HEX)]).encode(),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    (folder / "im").mkdir()
    Image.fromarray(noise(12, 15, 3)).save(folder / "im" / "x.png")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    np.save(folder / "x.npy", COLOURS.astype("i8"))
    KMeans.from_centroids(COLOURS + 0.3).save(folder / "model.zarr")
    compress(folder / "im", folder / "archive.zarr", palette=COLOURS)
    return folder


def of(given, folder):
    return folder / given if isinstance(given, str) else given


KINDS = [*FILES, "x.npy", "model.zarr", "archive.zarr", COLOURS, Palette(COLOURS)]


@pytest.mark.parametrize("given", KINDS, ids=lambda given: str(given)[:12])
def test_every_form_holds_the_same_colours(given, folder):
    found = given_colours(of(given, folder))
    assert found.dtype == np.uint8
    assert np.array_equal(found, COLOURS)


def test_pixels_get_the_nearest_colour_and_codes_have_the_order_of_the_file(folder):
    archive = Archive(folder / "archive.zarr")
    pixels = noise(12, 15, 3).astype(int)
    apart = np.square(pixels[:, :, None] - COLOURS.astype(int)).sum(-1)
    assert np.array_equal(archive.codes("x.png"), apart.argmin(-1))
    assert np.array_equal(archive.palette("x.png"), COLOURS)
    assert "palette" in archive.parameters


def test_images_of_16_bits_grey_and_hidden_pixels(tmp_path):
    grey = noise(6, 7, dtype="u2")
    Image.fromarray(grey).save(tmp_path / "g.png")
    archive = compress(tmp_path / "g.png", tmp_path / "g.zarr", palette=GREYS)
    nearest = np.abs(grey[..., None].astype(int) - GREYS[:, 0].astype(int) * 257).argmin(-1)
    assert np.array_equal(archive["g.png"][..., 0], GREYS[nearest][..., 0].astype("u2") * 257)
    pixels = np.dstack([noise(6, 7, 3), np.where(noise(6, 7) > 99, 255, 0)]).astype("u1")
    Image.fromarray(pixels).save(tmp_path / "a.png")
    rgb = compress(tmp_path / "a.png", tmp_path / "a.zarr", palette=GREYS)
    assert rgb.palette("a.png").tolist() == [[0] * 3, [80] * 3, [255] * 3]


WRONG = {
    "there is no palette": "no.gpl",
    "x.png is not a palette": "im/x.png",
    "line 2 is not a colour": "bad.txt",
    "has 3 bytes, not 768": "bad.act",
    "no centroid is above 1": "small.zarr",
    "has the shape": np.zeros((3, 4), "u1"),
    "whole numbers from 0 to 255": np.array([[0.5, 1, 1]]),
    "to 70000": np.array([[70000, 1, 1]]),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_no_palette_is_an_error_before_a_read(message, folder, tmp_path):
    (folder / "bad.txt").write_text("#000000\nblue\n")
    (folder / "bad.act").write_bytes(b"123")
    if message.startswith("no centroid"):
        KMeans.from_centroids(COLOURS / 255).save(folder / "small.zarr", overwrite=True)
    with pytest.raises(DataError, match=message):
        compress(folder / "im", tmp_path / "o.zarr", palette=of(WRONG[message], folder))
    assert not list(tmp_path.iterdir())


def test_options_and_images_that_a_given_palette_excludes(folder, tmp_path):
    with pytest.raises(DataError, match="leave out n_colors, per, quality"):
        compress(folder / "im", tmp_path / "o", 4, per="image", quality=30, palette=COLOURS)
    Image.fromarray(noise(6, 7)).save(tmp_path / "g.png")
    with pytest.raises(DataError, match="grey images cannot have a palette with other colours"):
        compress(tmp_path / "g.png", tmp_path / "o", palette=COLOURS)
    with pytest.raises(DataError, match="the palette has 16 bits, but images have 8"):
        compress(tmp_path / "g.png", tmp_path / "o", palette=GREYS.astype("u2") + 1)
    assert [path.name for path in tmp_path.iterdir()] == ["g.png"]
