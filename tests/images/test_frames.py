"""Frames of animations as images. The wanted pictures are composed here pixel by pixel, by the
rules of the formats, or are those that Pillow reads from WebP and AVIF."""

from __future__ import annotations

import io
import struct
import zlib
from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import streamkm
from streamkm.cli import main
from streamkm.decoding.animation import Animation
from streamkm.decoding.decode import decode, headers
from streamkm.decoding.header import FRAMES, TIMES
from streamkm.errors import DamagedError
from streamkm.images import Archive, compress, find_palettes
from streamkm.images.sources import find_items
from tests.images.conftest import encoded, noise, put

H, W = 5, 6
TABLE = noise(128, 3, seed=1)
RNG = np.random.default_rng(2)
KEEP, CLEAR, RESTORE = range(3)


def gif(frames, table=TABLE):
    """A GIF of frames (x, y, indices, transparent index or None, after); codes have 8 bits."""
    out = [b"GIF89a", struct.pack("<HHBBB", W, H, 0xF6, 0, 0), table.tobytes()]
    for x, y, indices, clear, after in frames:
        flags = {KEEP: 1, CLEAR: 2, RESTORE: 3}[after] << 2 | (clear is not None)
        out.append(bytes([33, 249, 4, flags, 5, 0, clear or 0, 0]))
        height, width = indices.shape
        codes = b"".join(b"\x80" + bytes([code]) for code in indices.ravel()) + b"\x81"
        out.append(b"," + struct.pack("<HHHHBBB", x, y, width, height, 0, 7, len(codes)))
        out.append(codes + b"\0")
    return b"".join([*out, b";"])


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + zlib.crc32(name + content).to_bytes(4)


def apng(frames, default=None, more=b""):
    """An animated PNG of frames (x, y, values, after, whether blended)."""
    first = frames[0][2] if default is None else default
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[first.shape[-1]]
    head = struct.pack(">IIBBBBB", W, H, 8 * first.itemsize, kind, 0, 0, 0)
    out = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head), more]
    out.append(chunk(b"acTL", struct.pack(">II", len(frames), 0)))
    if default is not None:
        out.append(chunk(b"IDAT", packed(default)))
    number = 0
    for x, y, values, after, over in frames:
        place = struct.pack(">IIIII", number, *values.shape[1::-1], x, y)
        out.append(chunk(b"fcTL", place + struct.pack(">HHBB", 1, 10, after, over)))
        number += 1
        if values is first:
            out.append(chunk(b"IDAT", packed(values)))
        else:
            out.append(chunk(b"fdAT", struct.pack(">I", number) + packed(values)))
            number += 1
    return b"".join([*out, chunk(b"IEND", b"")])


def packed(values):
    rows = values.astype(values.dtype.newbyteorder(">"))
    return zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))


def composed(frames, top=255):
    """Pictures (y, x, colours and alpha) of frames (x, y, values with alpha, after, over)."""
    picture = np.zeros((H, W, frames[0][2].shape[-1]), np.int64)
    for x, y, values, after, over in frames:
        before = picture.copy()
        for (row, column), alpha in np.ndenumerate(values[..., -1].astype(object)):
            if y + row >= H or x + column >= W:
                continue
            new, old = values[row, column].astype(object), picture[y + row, x + column]
            if over and alpha < top:
                share = Fraction(int(alpha), top)
                under = Fraction(int(old[-1]), top) * (1 - share)
                if not alpha:
                    continue
                mixed = [
                    (n * share + int(o) * under) / (share + under)
                    for n, o in zip(new, old, strict=True)
                ]
                new = [int(v + Fraction(1, 2)) for v in (*mixed[:-1], (share + under) * top)]
            picture[y + row, x + column] = new
        yield picture.copy()
        here = slice(y, y + values.shape[0]), slice(x, x + values.shape[1])
        if after == CLEAR:
            picture[here] = 0
        elif after == RESTORE:
            picture[here] = before[here]


def rgba_of(indices, clear):
    alpha = np.where(indices == clear, 0, 255) if clear is not None else np.full(indices.shape, 255)
    return np.concatenate([TABLE[indices], alpha[..., None]], -1)


def indexed(*shape):
    return RNG.integers(0, 4, shape)


GIFS = {
    "opaque": [(0, 0, indexed(H, W), None, KEEP), (2, 1, indexed(3, 4), 1, KEEP)] * 2,
    "holes": [
        (0, 0, indexed(H, W), None, CLEAR),
        (1, 1, indexed(3, 3), 2, RESTORE),
        (2, 2, indexed(3, 4), None, KEEP),
    ],
    "first in part": [
        (1, 0, indexed(4, 3), 3, RESTORE),
        (0, 2, indexed(2, 5), None, KEEP),
        (3, 3, indexed(4, 6)[:5], 0, KEEP),  # beyond the edge
    ],
}
ALPHAS = np.array([0, 90, 255], "u1")


def values_of(*shape, alpha=True, dtype="u1"):
    values = RNG.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)
    if alpha:
        values[..., -1] = RNG.choice(ALPHAS, shape[:2]).astype(dtype) * (
            257 if dtype == "u2" else 1
        )
    return values


def mixed_frames(channels, alpha, dtype="u1"):
    def part(height, width):
        return values_of(height, width, channels, alpha=alpha, dtype=dtype)

    return [
        (0, 0, part(H, W), KEEP, 0),
        (1, 2, part(3, 4), CLEAR, 1),
        (0, 0, part(4, 2), RESTORE, 1),
        (2, 1, part(2, 3), KEEP, 0),
        (0, 0, part(H, W), KEEP, 1),
    ]


PNGS = {
    "rgba": mixed_frames(4, True),
    "grey and alpha": mixed_frames(2, True),
    "rgb": mixed_frames(3, False),
    "rgba 16": mixed_frames(4, True, "u2"),
    "rgb 16": mixed_frames(3, False, "u2"),
}


def read_all(path):
    (item,) = find_items([path]).items
    found = headers(item, None, frames=True)
    with Animation() as animation:
        return found, [decode(header, None, animation) for header in found]


def check(path, wanted, channels):
    found, pixels = read_all(path)
    assert len(found) == len(wanted)
    opaque = all(picture[..., -1].all() for picture in wanted)
    for header, own, picture in zip(found, pixels, wanted, strict=True):
        alpha = picture[..., -1]
        assert (header.channels, header.alpha) == (channels, not opaque)
        if own.alpha is not None:
            assert np.array_equal(own.alpha, alpha)
        shown = alpha > 0
        assert np.array_equal(own.colour[shown], picture[shown][:, :-1])
    # The frames in any order, and each by itself.
    with Animation() as animation:
        for number in (len(found) - 1, 0, 1):
            for own in (decode(found[number], None, animation), decode(found[number])):
                assert np.array_equal(own.colour, pixels[number].colour)


@pytest.mark.parametrize("name", GIFS)
def test_frames_of_a_gif_are_whole_pictures(name, tmp_path):
    frames = [(x, y, rgba_of(v, c), after, 1) for x, y, v, c, after in GIFS[name]]
    check(put(tmp_path, "x.gif", gif(GIFS[name])), list(composed(frames)), 3)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
@pytest.mark.parametrize("name", PNGS)
def test_frames_of_a_png_are_whole_pictures(name, tmp_path):
    frames, top = PNGS[name], np.iinfo(PNGS[name][0][2].dtype).max
    channels = frames[0][2].shape[-1]
    if name.startswith("rgb") and "a" not in name:
        opaque = [np.full((*v.shape[:2], 1), top, v.dtype) for _, _, v, _, _ in frames]
        wanted = [
            (x, y, np.concatenate([v, a], -1), after, over)
            for (x, y, v, after, over), a in zip(frames, opaque, strict=True)
        ]
    else:
        wanted, channels = frames, channels - 1
    check(put(tmp_path, "x.png", apng(frames)), list(composed(wanted, top)), channels)


def test_the_image_of_other_programs_and_a_transparent_colour_of_a_png(tmp_path):
    default, first = np.full((H, W, 3), 9, "u1"), np.full((H, W, 3), 7, "u1")
    part = np.full((2, 2, 3), 8, "u1")
    part[0, 0] = 7
    frames = [(0, 0, first, KEEP, 0), (1, 1, part, KEEP, 1)]
    content = apng(frames, default, chunk(b"tRNS", struct.pack(">HHH", 7, 7, 7)))
    found, pixels = read_all(put(tmp_path, "x.png", content))
    assert [header.name for header in found] == ["x.png", "x.png#2", "x.png#3"]
    assert (pixels[0].colour == 9).all()
    assert [(own.alpha > 0).sum() for own in pixels] == [H * W, 0, 3]


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
def test_frames_of_other_formats_are_those_of_pillow(kind, tmp_path):
    first, *more = [Image.fromarray(noise(H, W, 4, seed=seed)) for seed in range(3)]
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(first, kind, save_all=True, append_images=more, **options)
    _, pixels = read_all(put(tmp_path, f"x.{kind.lower()}", content))
    image = Image.open(io.BytesIO(content))
    for number, own in enumerate(pixels):
        image.seek(number)
        wanted = np.asarray(image)
        assert np.array_equal(own.colour, wanted[..., :3])
        assert np.array_equal(own.alpha, wanted[..., 3])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    put(folder, "a.gif", gif(GIFS["opaque"]))
    put(folder, "b.png", encoded(noise(H, W, 3)))
    return folder


@pytest.fixture(scope="module")
def pictures(folder):
    return [own.colour for own in read_all(folder / "a.gif")[1]]


def test_every_door_takes_the_frames_on_request(folder, pictures, tmp_path):
    arguments = ["compress", str(folder), "-o", str(tmp_path / "x.zarr"), "--frames"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    archive = Archive(tmp_path / "x.zarr")
    names = ["a.gif", "a.gif#2", "a.gif#3", "a.gif#4", "b.png"]
    assert sorted(archive) == names
    assert archive.notices == [(TIMES, 1, "a.gif")]
    for name, picture in zip(names, pictures, strict=False):
        assert np.array_equal(archive[name], picture)
    about = [archive[name].attrs["frames"] for name in names[:4]]
    assert about == [4] * 4
    with pytest.warns(streamkm.errors.LeftOutWarning, match=TIMES):
        found = find_palettes(folder / "a.gif", 256, frames=True)["rgb", 256]
    shown = {tuple(colour) for picture in pictures for colour in picture.reshape(-1, 3).tolist()}
    assert {tuple(colour) for colour in found.colours.tolist()} == shown
    made = streamkm.ingest(folder / "a.gif", tmp_path / "i.zarr", frames=True)
    assert np.array_equal(made[:], pictures)


def test_without_the_option_the_first_frame_is_the_image(folder, pictures, tmp_path):
    archive = compress(folder, tmp_path / "x.zarr")
    assert sorted(archive) == ["a.gif", "b.png"]
    assert archive.notices == [(FRAMES, 1, "a.gif")]
    assert np.array_equal(archive["a.gif"], pictures[0])


def test_frames_of_a_damaged_file_are_refused_or_left_out(tmp_path):
    whole = gif(GIFS["holes"])
    start = whole.rindex(b",") + 1
    huge = whole[: start + 4] + struct.pack("<HH", 60_000, 60_000) + whole[start + 8 :]
    (item,) = find_items([put(tmp_path, "x.gif", huge)]).items
    *good, bad = headers(item, frames=True)
    assert all(decode(header).colour.any() for header in good)
    with pytest.raises(DamagedError, match="frame 3 is larger than the image"):
        decode(bad)
    content = bytearray(apng(PNGS["rgb"]))
    content[content.rindex(b"fdAT") + 12] ^= 1
    (item,) = find_items([put(tmp_path, "x.png", bytes(content))]).items
    with pytest.raises(DamagedError, match="the checksum of frame 5 does not match"):
        decode(headers(item, frames=True)[-1])
