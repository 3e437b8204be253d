"""The palettes of images and archives, on a terminal and in a pipe."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from streamkm.cli import main
from streamkm.images import Archive, Palette, compress

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def run(*arguments, code=0):
    said = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert said.exit_code == code, said.output
    return said


@pytest.fixture
def photos(tmp_path):
    """Images of two colours, the first of which has three quarters of the pixels."""
    folder = tmp_path / "photos"
    for name, first, other in (("a", RED, GREEN), ("b/c", BLUE, RED), ("b/d", GREEN, BLUE)):
        pixels = np.full((8, 8, 3), first, np.uint8)
        pixels[:2] = other
        file = folder / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    return folder


def test_a_pipe_gets_one_code_a_line_the_most_frequent_first(photos):
    command = [sys.executable, "-m", "streamkm", "palette", str(photos / "a.png"), "-k", "2"]
    said = subprocess.run(command, capture_output=True, check=True)
    assert said.stdout == b"#ff0000\n#00ff00\n"
    many = run("palette", photos / "a.png", "-k", 65536).stdout
    assert many == "#ff0000\n#00ff00\n"


def test_a_terminal_gets_colours_codes_and_shares(photos):
    command = [sys.executable, "-m", "streamkm", "palette", str(photos / "a.png"), "-k", "2"]
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    subprocess.run(command, stdout=theirs, stderr=subprocess.DEVNULL, env=env, check=True)
    os.close(theirs)
    text = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "#ff0000   75.0%" in text
    assert "#00ff00   25.0%" in text
    assert "\x1b[" in text


@pytest.mark.parametrize("per", ["archive", "image"])
def test_the_palette_of_images_of_an_archive_by_name(per, photos, tmp_path):
    compress(photos, tmp_path / "o.zarr", 3, per=per)
    assert run("palette", tmp_path / "o.zarr", "a.png").stdout == "#ff0000\n#00ff00\n"
    said = run("palette", tmp_path / "o.zarr", "b/*", "-o", tmp_path / "p.json").stdout
    assert said == "b/c.png:\n#0000ff\n#ff0000\nb/d.png:\n#00ff00\n#0000ff\n"
    files = sorted(tmp_path.glob("p*.json"))
    assert [file.name for file in files] == ["p-b-c.png.json", "p-b-d.png.json"]
    palette = Palette.from_json(files[0].read_text())
    assert sorted(map(tuple, palette.colours.tolist())) == sorted([RED, BLUE])
    assert "did you mean 'a.png'" in run("palette", tmp_path / "o.zarr", "aa.png", code=1).stderr


def test_without_names_an_archive_shows_what_its_images_share(photos, tmp_path):
    compress(photos, tmp_path / "o.zarr", 3)
    lines = run("palette", tmp_path / "o.zarr").stdout.splitlines()
    assert sorted(lines) == ["#0000ff", "#00ff00", "#ff0000"]


def test_without_names_the_first_of_many_palettes_are_shown(tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(23):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / f"{number:02}.png")
    compress(folder, tmp_path / "o.zarr", 2, per="image")
    said = run("palette", tmp_path / "o.zarr")
    assert said.stdout.splitlines()[:4] == ["00.png:", "#000000", "01.png:", "#010000"]
    assert said.stdout.count("#") == 20
    assert "a palette for each of 23 images; these are the first 20" in said.stderr
    assert run("palette", tmp_path / "o.zarr", "*").stdout.count("#") == 23


def test_shares_are_weighted_by_opacity(tmp_path):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:3] = (*RED, 1)  # more pixels, nearly transparent
    pixels[3:] = (*BLUE, 255)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    compress(tmp_path / "x.png", tmp_path / "o.zarr", 2)
    assert run("palette", tmp_path / "o.zarr", "x.png").stdout == "#0000ff\n#ff0000\n"


def test_patches_have_no_palette(photos, tmp_path):
    compress(photos, tmp_path / "o.zarr", 2, patch=(2, 2))
    assert list(Archive(tmp_path / "o.zarr"))
    assert "its codes are those of patches" in run("palette", tmp_path / "o.zarr", code=1).stderr
    said = run("palette", tmp_path / "o.zarr", "a.png", code=1)
    assert "a.png was coded in patches" in said.stderr


def test_all_damaged_files_are_listed_with_the_advice(photos):
    for name in ("x.png", "y.png"):
        (photos / name).write_bytes((photos / "a.png").read_bytes()[:40])
    said = run("palette", photos, "-k", "2", code=1).output
    assert "2 files cannot be processed" in said
    assert "x.png" in said
    assert "y.png" in said
    assert "--skip-bad" in said
    (photos / "y.png").unlink()
    assert "or leave it out with --skip-bad." in run("palette", photos, "-k", "2", code=1).output
