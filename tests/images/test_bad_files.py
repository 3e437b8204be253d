"""All files that cannot be processed are reported together, at the end of the read."""

from __future__ import annotations

import pickle
from contextlib import nullcontext as _nothing

import numpy as np
import pytest
from click.testing import CliRunner

from streamkm.cli import main
from streamkm.errors import DamagedError, DamagedImagesError, LeftOutWarning
from streamkm.images import compress, find_palettes
from tests.images.conftest import PNG, encoded, noise, put

ADVICE = "--skip-bad"
WAYS = [{}, {"per": "image"}, {"per": "group"}, {"patch": (2, 2)}]


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path):
    """Images of two sizes and kinds, three of them cut in the middle of their pixels."""
    for number in range(4):
        put(tmp_path / "in", f"{number}.png", encoded(noise(20, 30, 3, seed=number) // 64))
    whole = encoded(noise(40, 40, 3)), encoded(noise(64, 80, 3), "JPEG"), encoded(noise(30, 30))
    for name, content in zip(("b/x.png", "cut.jpg", "grey.png"), whole, strict=True):
        put(tmp_path / "in", name, content[: len(content) // 2])
    return tmp_path / "in"


CUT = ["b/x.png", "cut.jpg", "grey.png"]


def spoil_headers(folder, count):
    names = [f"h{number:02}.png" for number in range(count)]
    for name in names:
        put(folder, name, b"")
    return names


def test_all_broken_headers_are_in_one_error_before_any_pixel_is_decoded(
    folder, tmp_path, monkeypatch
):
    names = spoil_headers(folder, 24)
    put(folder, "text.jpg", b"it was an image once")
    put(folder, "z.zip", b"it was an archive once")
    monkeypatch.chdir(folder)
    seen = []
    with pytest.raises(DamagedImagesError) as caught:
        compress(".", tmp_path / "o.zarr", 4, watch=[lambda now: seen.append(now.phase)])
    assert set(seen) == {"headers"}
    found = [name for name, _ in caught.value.images]
    assert sorted(name.rpartition("/")[2] for name in found) == [*names, "text.jpg", "z.zip"]
    lines = str(caught.value).splitlines()
    assert lines[0] == "26 files cannot be processed:"
    assert len(lines[1:21]) == sum("remove" in line or "is damaged" in line for line in lines[1:21])
    assert lines[21:-1] == ["  and 6 more"]
    assert str(caught.value).count(ADVICE) == 1
    assert not list(tmp_path.glob("*.zarr*"))


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_all_images_whose_pixels_are_broken_are_in_one_error(folder, tmp_path, way):
    with pytest.raises(DamagedImagesError) as caught:
        compress(folder, tmp_path / "o.zarr", 4, **way)
    assert [name for name, _ in caught.value.images] == CUT
    archive = compress(folder, tmp_path / "o.zarr", 4, skip_bad=True, **way)
    assert [name for name, _ in archive.skipped] == CUT
    assert not any(ADVICE in reason for _, reason in archive.skipped)
    for name in CUT:
        (folder / name).unlink()
    if "patch" in way:  # patches of damaged images are zeros, which take a codeword
        return
    alone = compress(folder, tmp_path / "alone.zarr", 4, **way)
    for name, image in alone.items():
        np.testing.assert_array_equal(archive[name].values, image.values)


def test_a_read_that_found_broken_images_is_not_repeated_to_skip_them(folder, tmp_path):
    with pytest.raises(DamagedImagesError):
        compress(folder, tmp_path / "o.zarr", 4)
    seen = []
    compress(folder, tmp_path / "o.zarr", 4, skip_bad=True, watch=[seen.append])
    colours = [now for now in seen if now.phase == "colours"]
    assert colours[0].done == colours[0].total == 7


def test_palettes_name_all_broken_images(folder):
    with pytest.raises(DamagedImagesError) as caught:
        find_palettes(folder, 4)
    assert [name for name, _ in caught.value.images] == CUT
    with pytest.warns(LeftOutWarning, match=r"3 images \(.*\): left out, because it is damaged"):
        find_palettes(folder, 4, skip_bad=True)


def test_hostile_names_duplicates_and_headers_are_in_one_error(tmp_path):
    first, second = put(tmp_path, "a/x.png", PNG), put(tmp_path, "b/x.png", PNG)
    with pytest.raises(DamagedImagesError) as caught:
        compress([first, second, put(tmp_path, "y.png", b"")], tmp_path / "o.zarr", 4)
    assert [name for name, _ in caught.value.images] == ["x.png", "y.png"]
    assert "have the same name" in caught.value.images[0][1]


def test_one_broken_image_is_an_error_of_one_line_with_one_advice():
    error = DamagedImagesError([("x.png", "x.png is empty: remove it.")])
    assert str(error) == "x.png is empty: remove it, or leave it out with --skip-bad."
    assert str(error) == str(DamagedError("x.png is empty: remove it"))
    several = DamagedImagesError([("b", "b."), ("a", "a.")])
    for one in (error, several, DamagedError("x")):
        copy = pickle.loads(pickle.dumps(one))
        assert (type(copy), str(copy)) == (type(one), str(one))


def test_the_command_writes_all_names_and_says_where(folder, tmp_path):
    names = spoil_headers(folder, 24)
    said = run("compress", folder, "-o", tmp_path / "o.zarr", "-k", 4)
    assert said.exit_code == 1
    assert said.stderr.endswith("The option --list-bad FILE.txt writes all names.\n")
    wanted = ("-o", tmp_path / "o.zarr", "-k", 4, "--list-bad")
    said = run("compress", folder, *wanted, tmp_path / "bad.txt")
    assert said.stderr.endswith(f"All are listed in {tmp_path / 'bad.txt'}.\n")
    assert "The option --list-bad" not in said.stderr
    lines = (tmp_path / "bad.txt").read_text().splitlines()
    assert lines == [f"{name}\t{name} is empty: remove it." for name in names]
    said = run("compress", folder, *wanted, tmp_path / "left.txt", "--skip-bad")
    assert said.exit_code == 0
    lines = (tmp_path / "left.txt").read_text().splitlines()
    assert [line.partition("\t")[0] for line in lines] == [*CUT[:2], "grey.png", *names]
    assert f"... and 7 more: {tmp_path / 'left.txt'}" in said.stderr


@pytest.mark.parametrize("command", ["compress", "palette"])
def test_an_option_in_use_is_not_recommended(command, folder, tmp_path):
    spoil_headers(folder, 3)
    put(folder, "z.zip", b"it was an archive once")
    out = tmp_path / ("o.zarr" if command == "compress" else "o.json")
    with pytest.warns(LeftOutWarning) if command == "palette" else _nothing():
        said = run(command, folder, "-k", 4, "-o", out, "--skip-bad")
    assert said.exit_code == 0
    assert ADVICE not in said.output
    for name in range(4):
        (folder / f"{name}.png").unlink()
    with pytest.warns(LeftOutWarning) if command == "palette" else _nothing():
        said = run(command, folder, "-k", 4, "-o", out, "--skip-bad", "--overwrite")
    assert said.exit_code == 1
    assert ADVICE not in said.output
