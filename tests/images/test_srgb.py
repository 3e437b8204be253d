"""Colours are converted to sRGB on request: profiles are built by hand, and the wanted values are
those of the formula of sRGB (IEC 61966-2-1)."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import streamkm
from streamkm.cli import main
from streamkm.images import Archive, compress, find_palettes
from tests.images.conftest import noise

# Primaries of sRGB, adapted to D50, so that only the curve differs.
PRIMARIES = {
    b"rXYZ": (0.43607, 0.22249, 0.01392),
    b"gXYZ": (0.38515, 0.71687, 0.09708),
    b"bXYZ": (0.14307, 0.06061, 0.71410),
}
WHITE = (0.96420, 1.0, 0.82491)


def xyz(values):
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def profile(space=b"RGB ", gamma=1.0):
    """A profile of a display whose channels have a gamma."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = b"hand-made\0"
    tags = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(80)}
    tags |= {b"wtpt": xyz(WHITE)}
    if space == b"RGB ":
        tags |= {name: xyz(values) for name, values in PRIMARIES.items()}
        tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    else:
        tags[b"kTRC"] = curve
    table, content, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        padded = value + bytes(-len(value) % 4)
        table += name + struct.pack(">II", at + len(content), len(value))
        content += padded
    size = at + len(content)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"mntr", space, b"XYZ ")
    head = head.ljust(36, b"\0") + b"acsp" + bytes(28) + xyz(WHITE)[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + content


def of_linear(values):
    linear = values / 255
    low, high = linear * 12.92, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, low, high) * 255


RGB, GREY = noise(8, 9, 3), noise(8, 9)
ALPHA = noise(8, 9, seed=5) // 2 + 100
FILES = {
    "rgb.png": (Image.fromarray(RGB), b"RGB ", RGB),
    "rgba.png": (Image.fromarray(np.dstack([RGB, ALPHA])), b"RGB ", RGB),
    "rgb.tif": (Image.fromarray(RGB), b"RGB ", RGB),
    "grey.png": (Image.fromarray(GREY), b"GRAY", GREY[..., None]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("srgb")
    (folder / "im").mkdir()
    for name, (image, space, _) in FILES.items():
        image.save(folder / "im" / name, icc_profile=profile(space))
    return folder


@pytest.fixture(scope="module")
def archives(folder):
    """The images as sRGB, and as they are stored."""
    return [compress(folder / "im", folder / f"{srgb}.zarr", srgb=srgb) for srgb in (True, False)]


@pytest.mark.parametrize("name", FILES)
def test_colours_are_those_that_the_profile_means(name, folder, archives, tmp_path):
    archive, plain = archives
    want = of_linear(FILES[name][2])
    found = np.asarray(archive[name])[..., : want.shape[-1]]
    assert np.abs(found - want).max() <= 1
    assert archive.metadata(name).get("icc") is None
    assert archive.metadata(name)["colours"] == "sRGB"
    assert archive.parameters["srgb"]
    made = streamkm.ingest(folder / "im" / name, tmp_path / "i.zarr", kind="images", srgb=True)
    assert np.array_equal(made[0][..., : want.shape[-1]], found)
    if name.startswith("rgba"):
        assert np.array_equal(made[0][..., 3], ALPHA)
    assert np.array_equal(np.asarray(plain[name])[..., : want.shape[-1]], FILES[name][2])
    assert "icc" in plain.metadata(name)
    assert "srgb" not in plain.parameters


def test_palettes_and_commands(folder, tmp_path):
    file = folder / "im" / "rgb.png"
    found = find_palettes(file, 256, srgb=True)["rgb", 256].colours
    want = np.unique(of_linear(RGB).reshape(-1, 3).round(), axis=0)
    assert all(np.abs(want - colour).max(1).min() <= 1 for colour in found.astype(float))
    given = ["compress", str(file), "-o", str(tmp_path / "a.zarr"), "--srgb"]
    assert CliRunner().invoke(main, given).exit_code == 0
    assert Archive(tmp_path / "a.zarr").parameters["srgb"]


def test_profiles_that_cannot_be_applied_are_named(tmp_path):
    (tmp_path / "im").mkdir()
    Image.fromarray(RGB).save(tmp_path / "im" / "bad.png", icc_profile=profile()[:200])
    deep = Image.fromarray(GREY.astype("u2"))
    deep.save(tmp_path / "im" / "deep.png", icc_profile=profile(b"GRAY"))
    Image.fromarray(RGB[::2]).save(tmp_path / "im" / "none.png")
    archive = compress(tmp_path / "im", tmp_path / "a.zarr", srgb=True)
    texts = {name: text for text, _, name in archive.notices}
    assert "does not suit the pixels or is damaged" in texts.pop("bad.png")
    assert "only colours of 8 bits" in texts.pop("deep.png")
    assert not texts
    assert np.array_equal(np.asarray(archive["bad.png"]), RGB)
    assert "colours" not in archive.metadata("none.png")
