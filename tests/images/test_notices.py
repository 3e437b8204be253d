"""Parts of a source that are left out are reported in one line, on reading and by ``info``."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import streamkm
from streamkm.cli import main
from streamkm.decoding.decode import headers
from streamkm.decoding.header import COPIES, FRAMES, GAMMA
from streamkm.errors import DamagedError, DataError, LeftOutWarning
from streamkm.images import Archive, compress, find_palettes
from streamkm.images.sources import find_items
from tests.images.conftest import encoded, noise, put, read, write_tar
from tests.images.test_meaning import profile, tags, tiff, with_chunk

RGB = noise(6, 5, 3)


def run(*arguments):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result


def animated(kind):
    """Three frames, as an animation of the given format."""
    first, *more = [Image.fromarray(noise(6, 5, 3, seed=seed)) for seed in range(3)]
    return encoded(first, kind, save_all=True, append_images=more)


def pyramid():
    """A TIFF of two pages; the second is a reduced copy of the first."""
    first = tiff(tags(6, 5, 3, 8, 2), RGB.tobytes())
    small = tags(3, 2, 3, 8, 2) | {254: (4, [1])}
    second = tiff(small, RGB[::2, ::2][:, :2].tobytes())
    shift = len(first) + len(first) % 2
    # The second directory, with offsets for the position where it is appended.
    whole = bytearray(first.ljust(shift, b"\0") + second)
    moved = {258, 273}  # values that lie beside the directory
    count = int.from_bytes(second[8:10], "little")
    for entry in range(count):
        at = shift + 10 + 12 * entry
        if int.from_bytes(whole[at : at + 2], "little") in moved:
            place = int.from_bytes(whole[at + 8 : at + 12], "little") + shift
            whole[at + 8 : at + 12] = place.to_bytes(4, "little")
    end = 10 + 12 * int.from_bytes(first[8:10], "little")
    whole[end : end + 4] = (shift + 8).to_bytes(4, "little")
    return bytes(whole)


LOST = {
    "gif": (animated("GIF"), FRAMES),
    "webp": (animated("WEBP"), FRAMES),
    "png": (animated("PNG"), FRAMES),
    "gamma.png": (with_chunk(encoded(RGB), b"gAMA", (100_000).to_bytes(4)), GAMMA),
    "tif": (pyramid(), COPIES),
    "jpg": (
        encoded(RGB, "JPEG", mode="CMYK", icc_profile=profile(b"CMYK")),
        "a colour profile for CMYK colours is ignored, because the pixels are RGB",
    ),
}
NOTHING = {
    "a.png": encoded(RGB),
    "b.png": with_chunk(encoded(RGB), b"gAMA", (45_455).to_bytes(4)),
    "c.jpg": encoded(RGB, "JPEG", icc_profile=profile(b"RGB ")),
    "d.gif": encoded(RGB, "GIF"),
}


@pytest.mark.parametrize("name", LOST)
def test_a_header_says_what_is_not_taken(name, tmp_path):
    content, text = LOST[name]
    header, _ = read(put(tmp_path, f"x.{name}", content))
    assert header.lost == (text,)


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_is_said_where_all_is_taken(name, tmp_path):
    assert read(put(tmp_path, name, NOTHING[name]))[0].lost == ()


def test_compress_and_info_report_it_once(tmp_path):
    for name, (content, _) in LOST.items():
        put(tmp_path / "in", f"x.{name}", content)
    for name, content in NOTHING.items():
        put(tmp_path / "in", name, content)
    texts = {text for _, text in LOST.values()}
    said = run("compress", tmp_path / "in", "-o", tmp_path / "a.zarr", "-k", 4).stderr
    shown = run("info", tmp_path / "a.zarr").stdout
    for text in texts:
        assert said.count(text) == shown.count(text) == 1
    assert f"3 images (x.gif, ...): {FRAMES}" in said
    assert f"x.gamma.png: {GAMMA}" in shown
    found = {text: (count, name) for text, count, name in Archive(tmp_path / "a.zarr").notices}
    assert found.keys() == texts
    assert found[FRAMES] == (3, "x.gif")


def test_palette_reports_it_too(tmp_path):
    put(tmp_path, "x.gif", animated("GIF"))
    with pytest.warns(LeftOutWarning, match=FRAMES):
        find_palettes(tmp_path, 4)
    with pytest.warns(LeftOutWarning, match=FRAMES):  # printed by the command line
        run("palette", tmp_path, "-k", 4)


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
UNREAD = {
    "IMG_1.HEIC": (HEIC, "HEIC needs pillow-heif: pip install pillow-heif, or .* .heif-convert"),
    "x.heif": (HEIC, "HEIC needs pillow-heif"),
    "x.jxl": (b"\xff\x0a__", "JPEG XL needs pillow-jxl-plugin: pip install .* .djxl"),
    "x.CR2": (b"II*\0\x10\0\0\0CR\2\0", "a camera raw file is not supported"),
    "x.dng": (b"II*\0\x08\0\0\0", "a camera raw file is not supported"),
    "x.psd": (b"8BPS\0\1", "a layered image is not supported"),
    "x.svg": (b"<svg></svg>", "a vector graphic is not supported"),
    "x.exr": (b"\x76\x2f\x31\x01", "a floating-point image is not supported"),
}


@pytest.fixture(autouse=True)
def no_plug_ins(monkeypatch):
    """Python then raises the error of a package that is not installed."""
    for module in ("pillow_heif", "pillow_jxl"):
        monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.parametrize("name", UNREAD)
def test_images_that_are_not_read_are_named_with_what_converts_them(name, tmp_path):
    content, reason = UNREAD[name]
    path = put(tmp_path / "in", name, content)
    with pytest.raises(DamagedError, match=f"{name}: {reason}"):
        compress(path, tmp_path / "a.zarr")
    with pytest.raises(DataError, match=f"{name} contains no files.*: {reason}"):
        streamkm.ingest(path, tmp_path / "a.zarr")
    put(tmp_path / "in", "a.png", encoded(RGB))
    archive = compress(tmp_path / "in", tmp_path / "a.zarr")
    ((left, why),) = archive.skipped
    assert left == name
    assert why.startswith(reason[:20])
    with pytest.warns(LeftOutWarning, match=f"left out .*{name}: {reason}"):
        store = streamkm.ingest(tmp_path / "in", tmp_path / "i.zarr")
    assert np.array_equal(store[0], RGB)


@pytest.mark.parametrize("name", ["IMG_1.HEIC", "x.jxl", "x.psd", "x.svg", "x.exr"])
def test_they_are_known_by_their_first_bytes_too(name, tmp_path):
    content, reason = UNREAD[name]
    put(tmp_path / "in", "x.jpg", content)
    with pytest.raises(DamagedError, match=f"x.jpg: {reason}"):
        compress(tmp_path / "in", tmp_path / "a.zarr")


def test_an_image_that_is_named_is_read_by_what_it_is(tmp_path):
    """Phones store some JPEG photographs under names with the suffix of HEIC."""
    path = put(tmp_path / "in", "x.heic", encoded(RGB))
    assert np.array_equal(read(path)[1].colour, RGB)
    assert np.array_equal(streamkm.ingest(path, tmp_path / "i.zarr", kind="images")[0], RGB)


def test_a_dng_by_another_name_is_not_its_preview(tmp_path):
    entries = tags(6, 5, 3, 8, 2) | {254: (4, [1]), 50706: (1, [1, 4, 0, 0])}
    path = put(tmp_path, "x.tif", tiff(entries, RGB.tobytes()))
    with pytest.raises(DamagedError, match="a camera raw file is not supported"):
        headers(find_items([path]).items[0])


def test_members_of_a_tar_that_are_not_read_are_reported(tmp_path):
    for name in ("t.tar", "t.tgz"):
        members = {"a.png": encoded(RGB), "b.heic": HEIC, "notes.txt": b"notes"}
        write_tar(tmp_path / name, members, "w:gz" if name == "t.tgz" else "w")
        store = streamkm.ingest(tmp_path / name, tmp_path / f"{name}.zarr")
        ((text, count, first),) = store.attrs["notices"]
        assert (count, first) == (1, f"{name}/b.heic")
        assert text.startswith("left out: HEIC needs pillow-heif")


def test_palette_reports_what_it_leaves_out(tmp_path):
    put(tmp_path, "a.png", encoded(RGB))
    put(tmp_path, "b.heic", HEIC)
    with pytest.warns(LeftOutWarning, match="b.heic: left out: HEIC needs pillow-heif"):
        find_palettes(tmp_path, 4)
    (tmp_path / "b.heic").unlink()
    put(tmp_path, "c.png", b"none")
    put(tmp_path, "d.png", b"none")
    with pytest.warns(
        LeftOutWarning, match=r"2 images \(c.png, ...\): left out, because it is damaged"
    ):
        find_palettes(tmp_path, 4, skip_bad=True)
