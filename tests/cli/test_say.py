"""File names and text of users are printed literally, without control sequences."""

from __future__ import annotations

import json
import math
import os

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from PIL import Image
from rich.table import Table

from streamkm.cli import main
from streamkm.cli.ui.say import strict_json
from streamkm.errors import LeftOutWarning
from streamkm.safe_text import safe
from streamkm.showing.console import PlainConsole

BOLD, CLOSING, SMILEY, ESC = "data[bold].zarr", "run[/b].zarr", "a:smiley:.zarr", "a\x1b[2J.zarr"


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(100, 2)).astype("f4")


@pytest.mark.parametrize("name", [BOLD, CLOSING, SMILEY, ESC, "\u202egnp.zarr", "b\udcff.zarr"])
def test_every_command_prints_a_name_as_it_is(tmp_path, monkeypatch, x, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    data, model, labels = f"d{name}", f"m{name}", f"l{name}"
    if "/" in name:
        for first in ("d", "m", "l", "c", "p", "s"):
            (tmp_path / f"{first}{name}").parent.mkdir()
    zarr.create_array(tmp_path / data, data=x, chunks=(50, 2))
    said = run("fit", data, "-k", 2, "-o", model, "--labels", labels, "--checkpoint", f"c{name}")
    assert safe(model) in said.output
    assert safe(labels) in said.output
    assert f"data={safe(data)}" in run("info", model).output
    assert f"data={safe(os.path.abspath(data))}" in run("info", f"c{name}").output
    assert safe(data) in run("predict", model, f"no{data}", "-o", "p", code=1).output
    run("predict", model, data, "-o", f"p{name}")
    run("sweep", data, "-k", "1:3", "-o", f"s{name}")
    run("info", f"s{name}")
    again = ["fit", data, "-k", 2, "-o", model, "--labels", labels, "--checkpoint", f"c{name}"]
    said = run(*again)
    assert f"the run of {safe(f'c{name}')} is complete" in said.stderr
    assert "\x1b" not in said.output


@pytest.mark.parametrize("name", ["a[bold]", "a[red]:x:", "a\x1b[31m"])
def test_names_of_images_and_columns(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    (tmp_path / "p").mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (9, 9, 3)).astype("u1")
    Image.fromarray(pixels).save(tmp_path / "p" / f"{name}.png")
    (tmp_path / "p" / f"{name}-bad.png").write_text("no image")
    said = run("compress", "p", "-k", 4, "-o", f"{name}.zarr", "--skip-bad")
    assert f"{safe(name)}.zarr: 1 images" in said.output
    assert "\x1b" not in said.output
    said = run("info", f"{name}.zarr", "--all").output
    assert "bad.png" in said
    assert "\x1b" not in said
    with pytest.warns(LeftOutWarning, match="bad.png'?: left out"):
        assert "#" in run("palette", "p", "-k", 2, "--skip-bad").output
    (tmp_path / "t.csv").write_text(f"{name},b\n1,x\n2,y\n")
    said = run("ingest", "t.csv", "-o", f"i{name}.zarr")
    assert f"i{safe(name)}.zarr" in said.output
    assert "\x1b" not in said.output


def test_a_console_prints_text_as_text(capsys):
    console = PlainConsole()
    table = Table(show_header=False, box=None)
    table.add_row("[bold]x[/bold]", "\x1b[31mred", ":smiley:")
    console.print(table)
    console.print("[/b]\x1b]0;title\x07")
    said = capsys.readouterr().out
    assert "[bold]x[/bold]" in said
    assert r"\x1b[31mred" in said
    assert ":smiley:" in said
    assert r"[/b]\x1b]0;title\x07" in said


def test_json_is_strict(tmp_path, x):
    facts = {"a": math.nan, "b": [math.inf, 1.5, {"c": -math.inf}], "d": "text"}
    assert json.loads(strict_json(facts)) == {"a": None, "b": [None, 1.5, {"c": None}], "d": "text"}
