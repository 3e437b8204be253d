"""If one of the files cannot be written, none is written."""

from __future__ import annotations

import os

import pytest
from click.testing import CliRunner

from streamkm.cli import main
from streamkm.errors import DataError
from streamkm.images import compress, decompress
from streamkm.images.export import placing
from tests.images.conftest import PNG, write_tar

HOW = [{}, {"overwrite": True}, {"missing": True}]


def archive_of(tmp_path, *names):
    """An archive of images with these names, which need not be valid file names here."""
    packed = write_tar(tmp_path / "in.tar", dict.fromkeys(names, PNG))
    return compress(packed, tmp_path / "a.zarr", 4)


def files_below(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize(
    "long",
    [
        "x" * 300 + ".png",
        "new/folder/" + "x" * 252 + ".png",
        "y" * 256 + "/z.png",
        "é" * 126 + ".png",
        "/".join(["d" * 200] * 21) + "/z.png",
        "/".join(["d" * 200] * 20) + "/z.png",  # including the path below the folder
    ],
    ids=["name", "new folder", "folder", "bytes", "path", "path with the folder"],
)
def test_names_that_are_too_long(long, how, tmp_path):
    names = [f"{i}.png" for i in range(30)]
    archive = archive_of(tmp_path, *names, long)
    out = tmp_path / ("o" * 90) / "out"
    with pytest.raises(DataError, match="bytes"):
        decompress(archive, out, **how)
    assert not out.parent.exists()
    assert len(decompress(archive, out, [f"in/{name}" for name in names], **how)) == 30
    told = CliRunner().invoke(main, ["decompress", archive.path, "-o", str(tmp_path / "x")])
    assert told.exit_code == 1
    assert not (tmp_path / "x").exists()


def test_names_as_long_as_can_be(tmp_path):
    most = os.pathconf(tmp_path, "PC_NAME_MAX")
    name = "x" * (most - 4) + ".png"
    (file,) = decompress(archive_of(tmp_path, name), tmp_path / "out")
    assert file.name == name
    assert file.exists()


@pytest.mark.parametrize("how", HOW, ids=str)
def test_a_folder_in_the_place_of_a_file(how, tmp_path):
    archive = archive_of(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "out/in/c.png").mkdir(parents=True)
    with pytest.raises(DataError, match=r"c\.png is a folder"):
        decompress(archive, tmp_path / "out", **how)
    assert files_below(tmp_path / "out") == []


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("place", ["out/in/b", "out/in", "out"])
def test_a_file_in_the_place_of_a_folder(place, how, tmp_path):
    archive = archive_of(tmp_path, "a.png", "b/c/d.png")
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_bytes(b"mine")
    with pytest.raises(DataError, match=f"{place} is a file"):
        decompress(archive, tmp_path / "out", **how)
    assert (tmp_path / place).read_bytes() == b"mine"
    assert not (tmp_path / "out/in/a.png").exists()


@pytest.mark.parametrize(
    "names",
    [
        ("a.png", "A.png"),
        ("a/1.png", "A/2.png"),
        ("a/1.png", "A/1.png"),
        ("é.png", "e\u0301.png"),
        ("a.png/x.png", "A.png"),
    ],
    ids=["case", "folders", "files in folders", "accents", "a file and a folder"],
)
def test_names_that_are_one_to_the_file_system(names, tmp_path, monkeypatch):
    archive = archive_of(tmp_path, "b.png", *names)
    assert len(decompress(archive, tmp_path / "here")) == 3
    assert len(files_below(tmp_path / "here")) == 3
    # A file system that ignores case and the form of accents, like those of macOS and Windows.
    monkeypatch.setattr(placing, "_is_one", lambda _, *two: len({*map(placing._plain, two)}) == 1)
    with pytest.raises(DataError, match="does not distinguish"):
        decompress(archive, tmp_path / "there")
    assert not (tmp_path / "there").exists()
    assert len(decompress(archive, tmp_path / "there", ["in/b.png", f"in/{names[0]}"])) == 2


def test_characters_that_the_file_system_does_not_take(tmp_path, monkeypatch):
    archive = archive_of(tmp_path, "a.png", "b.png", "10:30 what?.png")
    assert len(decompress(archive, tmp_path / "here")) == 3
    monkeypatch.setattr(placing, "_takes", lambda folder, character: character != "?")
    with pytest.raises(DataError, match=r"10:30 what\?\.png contains '\?'"):
        decompress(archive, tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_what_the_file_system_here_is_asked(tmp_path):
    assert placing._takes(tmp_path, ":")
    assert not placing._takes(tmp_path, "/")
    assert placing._is_one(tmp_path, "a", "a")
    assert placing._is_one(tmp_path, "a", "A") == (tmp_path.parent / tmp_path.name.upper()).exists()
    assert list(tmp_path.iterdir()) == []
