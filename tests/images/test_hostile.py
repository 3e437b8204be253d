"""Files with false headers, links or truncation are refused by name; the others are intact."""

from __future__ import annotations

import os
import random
import struct
import tarfile
import tracemalloc
import zipfile

import numpy as np
import pytest
import zarr

from streamkm.decoding.decode import decode, headers
from streamkm.errors import DamagedError, DataError
from streamkm.images.sources import find_items
from tests.images.conftest import PNG, deep_png, encoded, names, noise, png, put, write_tar
from tests.images.test_decode import KINDS, write_raster

MOST = 10**6
BAD_NAMES = {
    "../../x.png": "points outside",
    "a/../../x.png": "points outside",
    "/etc/x.png": "points outside",
    "C:\\x.png": "a drive or a backslash",
    "C:x.png": "a drive or a backslash",
    "a\\..\\x.png": "a drive or a backslash",
    "a//x.png": "an empty part",
}


def one(path):
    return find_items([path]).items[0]


def all_of(path, most=MOST):
    return [(header, decode(header, most)) for header in headers(one(path), most)]


def refused(path, reason, most=MOST):
    """Check that a file is refused by name when its header is read or when it is decoded."""
    tracemalloc.start()
    with pytest.raises(DamagedError) as caught:
        all_of(path, most)
    most_held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.name in str(caught.value)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert most_held < 2 * 10**7


def jpeg_of(width, height):
    """A JPEG whose header declares another size."""
    content = bytearray(encoded(noise(8, 8, 3), "JPEG"))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def tiff_of(width, height):
    content = bytearray(encoded(noise(8, 8, 3), "TIFF"))
    at = int.from_bytes(content[4:8], "little") + 2
    for tag, value in ((256, width), (257, height)):
        while int.from_bytes(content[at : at + 2], "little") != tag:
            at += 12
        content[at : at + 12] = struct.pack("<HHII", tag, 4, 1, value)
    return bytes(content)


LIARS = {
    "bomb.png": (png(50_000, 50_000, 8, 2, b"\0" * 99), "declares 50,000 x 50,000 pixels, 7.0 GiB"),
    "deep.png": (png(50_000, 50_000, 16, 6), "18.6 GiB decoded, over the limit of 976.6 KiB"),
    "bits.png": (png(90_000, 90_000, 1, 0), "declares 90,000 x 90,000 pixels"),
    "bomb.jpg": (jpeg_of(65_000, 65_000), "declares 65,000 x 65,000 pixels"),
    "bomb.tif": (tiff_of(100_000, 100_000), "declares 100,000 x 100,000 pixels"),
    "bomb.gif": (b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + bytes(99), "bomb.gif"),
    "bomb.ppm": (b"P6 100000 100000 255\n" + bytes(99), "declares 100,000 x 100,000 pixels"),
    "long.png": (png(10**6, 1, 8, 2), "declares 1,000,000 x 1 pixels"),
    "none.png": (png(0, 0, 8, 2), "none.png"),
    "flat.png": (png(5, 0, 8, 2), "flat.png"),
    "more.png": (png(300, 300, 8, 2, b"\0" * 99), "is damaged"),
    "more16.png": (png(300, 300, 16, 2, b"\0" * 99), "is damaged"),
    "more.ppm": (b"P6 300 300 255\n" + bytes(99), "is damaged"),
    "more.tif": (tiff_of(300, 300), "is damaged"),
    "text.png": (b"it was an image once", "not an image of a supported format"),
    "empty.png": (b"", "is empty"),
    "svg.png": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "a vector graphic is not supported"),
    "ps.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "a vector graphic is not supported"),
    "vrt.tif": (
        b"<VRTDataset rasterXSize='9' rasterYSize='9'/>",
        "not an image of a supported format",
    ),
    "circle.tif": (b"II*\0\x08\0\0\0\0\0\x08\0\0\0", "is damaged"),
}


@pytest.mark.parametrize("name", LIARS)
def test_a_file_that_lies_is_refused_by_name_and_costs_no_memory(name, tmp_path):
    content, reason = LIARS[name]
    refused(put(tmp_path, name, content), reason)


def tiff(tag, kind, count, values, beside=b""):
    """A page of four grey pixels for each value of a tag; further bytes end the file."""
    size, out = 2 + 12 * 7 + 4, b""
    pixels = 8 + size * len(values)
    for number, value in enumerate(values):
        tags = {256: (3, 1, 2), 257: (3, 1, 2), 258: (3, 1, 8), 262: (3, 1, 1)}
        tags |= {273: (4, 1, pixels), 279: (4, 1, 4), tag: (kind, count, value)}
        entries = (struct.pack("<HHLL", name, *tags[name]) for name in sorted(tags))
        after = 8 + size * (number + 1) if number + 1 < len(values) else 0
        out += struct.pack("<H", len(tags)) + b"".join(entries) + struct.pack("<L", after)
    return b"II*\0" + struct.pack("<L", 8) + out + bytes(4) + beside


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of what is damaged
@pytest.mark.parametrize("tag", [34675, 34665, 34853, 270, 306])
@pytest.mark.parametrize("value", [2**28, 2**32 - 5])
def test_a_tag_of_any_type_is_no_reason_to_refuse_an_image(tag, value, tmp_path):
    for kind in range(1, 14):
        path = put(tmp_path, f"{kind}.tif", tiff(tag, kind, 1, [value]))
        tracemalloc.start()
        (header,) = headers(one(path), MOST)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 5e7  # a profile of 2**28 declared bytes that do not exist
        assert header.icc is None or len(header.icc) < 9


@pytest.mark.parametrize("tag", [34675, 34665])
def test_what_many_pages_say_is_in_memory_once(tag, tmp_path):
    """All pages may refer to the same bytes, so a small file could take any amount of memory."""
    note, n = noise(100, 1000).tobytes(), 200
    at = len(tiff(tag, 4, 1, [0] * n))
    directory = struct.pack("<HHHLLL", 1, 37500, 7, len(note), at + 18, 0)
    if tag == 34675:
        content = tiff(tag, 7, len(note), [at + 18] * n, directory + note)
    else:
        content = tiff(tag, 4, 1, [at] * n, directory + note)
    path = put(tmp_path, "x.tif", content)
    tracemalloc.start()
    found = headers(one(path), MOST)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(found) == n
    assert all(header.icc == note or "exif" in header.metadata for header in found)
    assert held < 4 * len(content)
    if tag == 34675:
        overlapping = tiff(tag, 7, len(note) // 2, range(at, at + n), directory + note)
        with pytest.raises(DamagedError, match=r"y.tif is damaged \(its pages declare more"):
            headers(one(put(tmp_path, "y.tif", overlapping)), MOST)


def test_names_do_nothing_to_a_terminal(tmp_path):
    with pytest.raises(DamagedError) as caught:
        headers(one(put(tmp_path, "\x1b[2J.png", b"")))
    assert "'\\x1b[2J.png'" in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_long_and_small_images_are_images(tmp_path):
    for name, shape in (("long.png", (1, 100_000, 3)), ("high.png", (100_000, 1, 3))):
        values = noise(*shape)
        (header,) = headers(one(put(tmp_path, name, encoded(values))), MOST)
        assert np.array_equal(decode(header).colour, values)
    (header,) = headers(one(put(tmp_path, "dot.png", encoded(noise(1, 1)))))
    assert decode(header).colour.shape == (1, 1, 1)


# The decoders of these formats accept a file that is almost complete.
LENIENT = {"rgb.gif", "bits.tif"}
CUT = [(name, share) for name in KINDS for share in (0.02, 0.3, 0.9)]


@pytest.mark.parametrize(("name", "share"), [c for c in CUT if c[1] < 0.9 or c[0] not in LENIENT])
def test_a_file_that_ends_early(name, share, tmp_path):
    content = KINDS[name][0]
    path = put(tmp_path, name, content[: int(share * len(content))])
    refused(path, "")


@pytest.mark.parametrize("kind", ["tif", "png"])
def test_a_deep_file_that_ends_early(kind, tmp_path):
    path = tmp_path / f"x.{kind}"
    if kind == "png":
        path.write_bytes(deep_png(noise(40, 30, 3, dtype="u2")))
    else:
        write_raster(path, noise(3, 40, 30, dtype="u2"), compress="deflate")
    content = path.read_bytes()
    for share in (0.02, 0.5, 0.9):
        path.write_bytes(content[: int(share * len(content))])
        refused(path, "")


@pytest.mark.parametrize(
    "name", ["rgb.png", "rgb.jpg", "rgb.tif", "rgb.webp", "rgb.gif", "rgb.bmp"]
)
def test_whatever_bytes_are_changed_nothing_but_our_own_error_comes_out(name, tmp_path):
    draw, content = random.Random(name), KINDS[name][0]
    path, said = tmp_path / name, []
    for _ in range(60):
        changed = bytearray(content)
        for _ in range(draw.randrange(1, 6)):
            changed[draw.randrange(min(len(changed), 400))] = draw.randrange(256)
        path.write_bytes(changed)
        try:
            for header, pixels in all_of(path):
                assert pixels.colour.shape == (header.height, header.width, header.channels)
        except DamagedError as error:
            said.append(str(error))
    assert said
    assert all(name in reason for reason in said)


def test_a_file_that_changed_after_its_header_was_read(tmp_path):
    path = put(tmp_path, "x.png", encoded(noise(9, 8, 3)))
    (header,) = headers(one(path))
    for other in (noise(9, 7, 3), noise(9, 8), noise(9, 8, 4)):
        path.write_bytes(encoded(other))
        with pytest.raises(DamagedError, match="x.png is damaged"):
            decode(header)


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_lead_elsewhere(kind, name, tmp_path):
    path = tmp_path / f"t.{kind}"
    if kind == "tar":
        write_tar(path, {name: PNG, "ok.png": PNG})
    else:
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr(name, PNG)
            packed.writestr("ok.png", PNG)
    with pytest.raises(DamagedError, match=BAD_NAMES[name]):
        find_items([path])
    found = find_items([path], skip_bad=True)
    assert names(found) == ["t/ok.png"]
    assert BAD_NAMES[name] in found.left_out[0][1]


def member(kind, to=""):
    made = tarfile.TarInfo()
    made.type, made.linkname = kind, to
    return made


def test_links_and_devices_in_a_tar_are_left_out_by_name(tmp_path):
    others = {
        "s.png": member(tarfile.SYMTYPE, "/etc/passwd"),
        "h.png": member(tarfile.LNKTYPE, "ok.png"),
        "c.png": member(tarfile.CHRTYPE),
        "f.png": member(tarfile.FIFOTYPE),
        "d.png": member(tarfile.DIRTYPE),
    }
    found = find_items([write_tar(tmp_path / "t.tar", {"ok.png": PNG, **others})])
    assert names(found) == ["t/ok.png"]
    assert [name for name, _ in found.left_out] == ["t/s.png", "t/h.png", "t/c.png", "t/f.png"]
    assert "a link to /etc/passwd" in found.left_out[0][1]


def test_a_link_in_a_zip_is_left_out(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as packed:
        link = zipfile.ZipInfo("s.png")
        link.external_attr = 0o120777 << 16
        packed.writestr(link, "/etc/passwd")
        packed.writestr("ok.png", PNG)
    found = find_items([tmp_path / "t.zip"])
    assert (names(found), found.left_out[0][0]) == (["t/ok.png"], "t/s.png")


@pytest.mark.parametrize("cut", [600, 1700, 2300, 3200])
def test_a_tar_that_ends_early(cut, tmp_path):
    """Members: headers of 512 bytes at 0, 1024, 2048, with as many of content after each."""
    path = write_tar(tmp_path / "t.tar", {f"{i}.png": encoded(noise(4, 5, 3)) for i in range(3)})
    content = path.read_bytes()
    assert len(PNG) < 512
    path.write_bytes(content[:cut])
    if cut == 3200:  # the members are complete
        assert len(names(find_items([path]))) == 3
        return
    with pytest.raises(DamagedError, match=r"t.tar|t/\d.png"):
        find_items([path])
    put(tmp_path, "x.png", PNG)
    found = find_items([path, tmp_path / "x.png"], skip_bad=True)
    whole = [name for name in names(found) if name != "x.png"]
    assert whole == [f"t/{i}.png" for i in range(3) if 1024 * i + 512 + len(PNG) <= cut]
    assert "x.png" in names(found)
    assert found.left_out


def test_a_tar_that_is_spoilt_in_the_middle(tmp_path):
    path = write_tar(tmp_path / "t.tar", {f"{i}.png": PNG for i in range(3)})
    content = bytearray(path.read_bytes())
    content[1024:1100] = b"x" * 76
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=r"t.tar is damaged \(the header of a member is invalid"):
        find_items([path])
    assert names(find_items([path], skip_bad=True)) == ["t/0.png"]


@pytest.mark.parametrize("name", ["t.tar", "t.zip", "t.tar.gz", "t.tar.xz", "t.tar.bz2"])
@pytest.mark.parametrize("content", [b"", b"it was a tar once" * 99], ids=["empty", "text"])
def test_what_is_no_archive(name, content, tmp_path):
    path = put(tmp_path, name, content)
    ok = put(tmp_path, "ok.png", PNG)
    with pytest.raises(DamagedError, match=name):
        find_items([path, ok], spool=tmp_path / "spool")
    found = find_items([path, ok], spool=tmp_path / "spool", skip_bad=True)
    assert names(found) == ["ok.png"]
    assert name in found.left_out[0][0]


def test_a_compressed_tar_that_ends_early_leaves_nothing(tmp_path):
    path = write_tar(tmp_path / "t.tgz", {"x.png": encoded(noise(90, 90, 3))}, mode="w:gz")
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(DamagedError, match="t.tgz is damaged"):
        find_items([path], spool=tmp_path / "spool")
    assert not list((tmp_path / "spool").iterdir())


def test_a_zip_that_ends_early(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as packed:
        packed.writestr("x.png", PNG)
    path = put(tmp_path, "t.zip", (tmp_path / "t.zip").read_bytes()[:-9])
    with pytest.raises(DamagedError, match="t.zip is damaged"):
        find_items([path])


@pytest.mark.parametrize("says", [100, 10**6 - 1])
def test_a_member_of_a_zip_that_lies_is_unpacked_no_further_than_it_says(says, tmp_path):
    content = PNG + bytes(3 * 10**7)
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("x.png", content)
    stored = path.read_bytes()
    true = struct.pack("<I", len(content))
    assert stored.count(true) == 2
    path.write_bytes(stored.replace(true, struct.pack("<I", says)))
    (item,) = find_items([path]).items
    tracemalloc.start()
    with pytest.raises(DamagedError, match=r"t/x.png is damaged \(Bad CRC-32"):
        decode(headers(item, MOST)[0], MOST)
    assert tracemalloc.get_traced_memory()[1] < 2 * 10**7
    tracemalloc.stop()


def test_a_member_of_a_zip_that_is_a_bomb_says_so(tmp_path):
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("x.webp", KINDS["rgb.webp"][0] + bytes(10**7))
        packed.writestr("x.png", PNG + bytes(10**7))
    for item in find_items([path]).items:
        with pytest.raises(DamagedError, match=r"t/x.\w+ is a file of 9.5 MiB, over the"):
            headers(item, MOST)


def test_a_zip_with_a_password(tmp_path):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as packed:
        packed.writestr("x.png", PNG)
        packed.writestr("ok.png", PNG)
    content = bytearray((tmp_path / "t.zip").read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + at] |= 1
    path = put(tmp_path, "t.zip", bytes(content))
    with pytest.raises(DamagedError, match="t/x.png: it is encrypted"):
        find_items([path])
    assert names(find_items([path], skip_bad=True)) == ["t/ok.png"]


def test_two_images_of_one_name(tmp_path):
    paths = [put(tmp_path, f"{folder}/x.png", PNG) for folder in "ab"]
    with pytest.raises(DataError) as caught:
        find_items(paths)
    assert all(str(path) in str(caught.value) for path in paths)
    found = find_items(paths, skip_bad=True)
    assert (names(found), found.left_out[0][0]) == (["x.png"], "x.png")
    twice = write_tar(tmp_path / "t.tar", {"x.png": PNG})
    with tarfile.open(twice, "a") as tar:
        tar.add(paths[0], "x.png")
    with pytest.raises(DataError, match=r"t/x.png: t/x.png in .* have the same name"):
        find_items([twice])


def test_names_that_are_not_utf8(tmp_path):
    (tmp_path / os.fsdecode(b"\xe9.png")).write_bytes(PNG)
    put(tmp_path, "ok.png", PNG)
    with pytest.raises(DamagedError, match=r"'\\udce9.png': its name is not UTF-8"):
        find_items([tmp_path])
    assert names(find_items([tmp_path], skip_bad=True)) == ["ok.png"]


def test_sources_of_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    with tarfile.open(tmp_path / "t.tar", "w"):
        pass
    with zipfile.ZipFile(tmp_path / "t.zip", "w"):
        pass
    ok = put(tmp_path, "ok.png", PNG)
    for name in ("empty", "t.tar", "t.zip", "*.jpg"):
        with pytest.raises(DataError, match="contains no images"):
            find_items([tmp_path / name, ok])
        assert names(find_items([tmp_path / name, ok], skip_bad=True)) == ["ok.png"]
        with pytest.raises(DataError, match="there are no images"):
            find_items([tmp_path / name], skip_bad=True)
    with pytest.raises(DataError, match="no such file or folder"):
        find_items([tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("shape", "dtype", "reason"),
    [
        ((9,), "u1", "neither an image"),
        ((9, 8), "f4", "float32"),
        ((2, 2, 2, 9, 8), "u1", "neither an image"),
    ],
)
def test_arrays_that_are_no_images(shape, dtype, reason, tmp_path):
    zarr.create_array(tmp_path / "s.zarr", shape=shape, dtype=dtype)
    put(tmp_path, "ok.png", PNG)
    with pytest.raises(DataError, match=f"s.zarr.*{reason}"):
        find_items([tmp_path])
    found = find_items([tmp_path], skip_bad=True)
    assert (names(found), len(found.left_out)) == (["ok.png"], 1)


def test_an_array_that_says_it_is_endless(tmp_path):
    shape = (10**12, 9, 8)
    array = zarr.create_array(tmp_path / "s.zarr", shape=shape, chunks=(1, 9, 8), dtype="u1")
    array[:1] = 1
    with pytest.raises(DamagedError, match="gives 1,000,000,000,000 images"):
        find_items([tmp_path / "s.zarr"])


def test_chunks_over_the_limit(tmp_path):
    shape = (1000, 90, 80)
    zarr.create_array(tmp_path / "s.zarr", shape=shape, chunks=shape, dtype="u1")
    with pytest.raises(DamagedError, match=r"declares 80 x 90 pixels, 6.9 MiB decoded, over"):
        headers(one(tmp_path / "s.zarr"), MOST)


def test_an_ome_zarr_that_leads_elsewhere(tmp_path):
    group = zarr.open_group(tmp_path / "m.zarr", mode="w")
    group.attrs["ome"] = {"multiscales": [{"axes": list("yx"), "datasets": [{"path": "../x"}]}]}
    with pytest.raises(DamagedError, match=r"m.zarr refers to a level outside itself"):
        find_items([tmp_path / "m.zarr"])
