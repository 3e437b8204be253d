"""What the commands say: errors in the words of the command line, suggestions, and help."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from PIL import Image

from streamkm.cli import main
from streamkm.cli.app import _COMMANDS

# Calls, keyword arguments, subscripts and names of packages, in advice for a program.
PYTHON = re.compile(
    r"[\w\]]\.[a-z_]+\(|\w\(\)|\w\['|\b[a-z_]+=[\w'\"<.(\[]|\b(streamkm|xarray|numpy|zarr|dask|h5py)\.\w"
    r"|KMeans|DataArray|in Python|sample_weight|feature_dim|n_clusters"
)
GRID = ("y", "x")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of stores and images that some commands cannot use."""
    folder = tmp_path_factory.mktemp("made")
    with contextlib.chdir(folder):
        make()
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A copy of the folder, which is the current folder."""
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "here"))


def make():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    zarr.create_array("embeddings.zarr", data=x, dimension_names=("row", "band"))
    zarr.create_array("one.zarr", data=x[:, 0])
    zarr.create_array("nan.zarr", data=np.where(x > 2, np.nan, x))
    zarr.create_array("large.zarr", data=np.where(x > 2, 1e200, x))
    zarr.create_array("complex.zarr", data=x.astype(complex))
    zarr.create_array("empty.zarr", data=x[:0])
    group = zarr.create_group("cube.zarr")
    arrays = {
        "a": (rng.normal(size=(6, 5)), GRID),
        "b": (rng.normal(size=(6, 5)), GRID),
        "cube": (rng.normal(size=(6, 5, 3)), (*GRID, "band")),
        "negative": (-np.ones((6, 5)), GRID),
        "zero": (np.zeros((6, 5)), GRID),
        "short": (np.ones(4), ("y",)),
        "other": (np.ones(3), ("z",)),
        "y": (np.arange(6), ("y",)),
        "turned/w": (np.ones(6), ("y",)),
        "turned/y": (np.arange(6)[::-1].copy(), ("y",)),
        "moved/w": (np.ones(6), ("y",)),
        "moved/y": (np.arange(6) + 3, ("y",)),
    }
    for name, (values, dims) in arrays.items():
        group.create_array(name, data=values, dimension_names=dims)
    Path("text.txt").write_text("text")
    Path("page.html").write_text("text")
    Image.fromarray(rng.integers(0, 255, (9, 9)).astype("u1")).save("grey.png")
    run("fit", "embeddings.zarr", "-k", 2, "-o", "model.zarr")
    run("fit", "cube.zarr", *of("a", "b"), "-k", 2, "-o", "ab.zarr")
    run("compress", "grey.png", "-k", 2, "-o", "archive.zarr")
    run("decompress", "archive.zarr", "-o", "files")


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def of(*names):
    return [word for name in names for word in ("--variable", name)]


X, CUBE = ["fit", "embeddings.zarr"], ["fit", "cube.zarr", "--variable", "cube"]
BANDS = [*CUBE, "--feature-dim", "band"]
NEW = ["-k", 2, "-o", "new.zarr"]
BAD = [
    (["fit", "one.zarr", *NEW], "A 1-d array has no feature axis"),
    ([*CUBE, *NEW], "Its dimensions are ['y', 'x', 'band']. Name them by --feature-dim"),
    ([*CUBE, *NEW, "--feature-dim", "bands"], "there is no dimension 'bands'"),
    ([*CUBE, *NEW, "--feature-dim", 7], "is not an axis"),
    ([*X, *NEW, "--feature-dim", 0, "--feature-dim", 0], "must be different axes"),
    (["fit", "cube.zarr", *NEW], "name one of its arrays"),
    (["fit", "cube.zarr", *NEW, *of("c")], "by --variable"),
    ([*X, *NEW, *of("c")], "is a single array"),
    (["fit", "cube.zarr", *NEW, *of("a", "cube"), "--feature-dim", "y"], "the features are the"),
    (["fit", "cube.zarr", *NEW, *of("a", "other")], "leave out 'other'"),
    ([*X, "-k", 61, "-o", "new.zarr"], "there are 60 rows, fewer than the 61 clusters of -k"),
    (["fit", "nan.zarr", *NEW], "--nodata nan or a mask"),
    (["fit", "large.zarr", *NEW], "--nodata <their value>"),
    (["fit", "complex.zarr", *NEW], "cannot be clustered"),
    (["fit", "empty.zarr", *NEW], "the data are empty"),
    (["fit", "text.txt", *NEW], "is not a Zarr array or group"),
    ([*X, "-k", 2, "-o", "model.zarr"], "replace it with --overwrite"),
    ([*X, "-k", 2, "-o", "new.csv"], "give it the suffix .zarr"),
    ([*X, *NEW, "--memory-limit", "1MiB"], "over the limit"),
    ([*X, *NEW, "--weights", "one.zarr/../nan.zarr"], "--weights has shape"),
    ([*BANDS, *NEW, "--weights", "short"], "--weights along ['y'] has shape"),
    ([*BANDS, *NEW, "--mask", "other"], "--mask has dimensions ['z']"),
    ([*BANDS, *NEW, "--weights", "negative"], "negative or non-finite weight"),
    ([*BANDS, *NEW, "--weights", "zero"], "every weight is zero"),
    ([*BANDS, *NEW, "--weights", "turned/w"], "the coordinates of --weights along 'y' are in the"),
    ([*BANDS, *NEW, "--mask", "moved/w"], "the coordinates of --mask along 'y' differ"),
    ([*X, *NEW, "--checkpoint", "c", "--signals", "HALT"], "unknown signal"),
    (["predict", "model.zarr", "nan.zarr", "-o", "new.zarr"], "--nodata nan"),
    (["predict", "ab.zarr", "cube.zarr", *of("a", "zero"), "-o", "new.zarr"], "without ['b']"),
    (["predict", "ab.zarr", "cube.zarr", *of("a", "b", "zero"), "-o", "new.zarr"], "only the"),
    (["predict", "text.txt", "embeddings.zarr", "-o", "new.zarr"], "is not a streamkm model"),
    (["predict", "cube.zarr", "embeddings.zarr", "-o", "new.zarr"], "not a streamkm model"),
    (["sweep", "embeddings.zarr", "-k", "60:61", "-o", "new.zarr"], "fewer than the 61 clusters"),
    (["compress", "text.txt", "-o", "new.zarr"], ""),
    (["compress", "grey.png", *NEW, "--palette", "p", "--n-init", 2], "leave out -k, --n-init."),
    (["decompress", "archive.zarr", "-o", "files"], "(--missing)"),
    (["decompress", "archive.zarr", "none.png", "-o", "files"], "none.png"),
    (["palette", "model.zarr"], ""),
    (["ingest", "text.txt", "-o", "new.zarr"], ""),
    (["info", "none"], "no such path"),
    (["report", "model.zarr", "-o", "page.html"], "or replace it with --overwrite"),
]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("arguments", "expected"), BAD)
def test_errors_are_in_the_words_of_the_command_line(arguments, expected):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 1, result.output
    said = result.output.strip().splitlines()[-1]
    assert said.startswith("Error: ")
    assert expected in said
    assert not PYTHON.search(said), PYTHON.search(said)


@pytest.mark.usefixtures("here")
def test_warnings_are_in_the_words_of_the_command_line():
    given = ["embeddings.zarr", "-k", "2", "-o", "s", "--validation", "nan.zarr"]
    command = [sys.executable, "-m", "streamkm", "sweep", *given]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = next(line for line in done.stderr.splitlines() if line.startswith("ValidationWarning"))
    assert "--nodata" in said
    assert not PYTHON.search(said)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["fitt"], "Did you mean 'fit'?"),
        ([*X, "-k", "2-12", "-o", "m"], "streamkm sweep -k 2:12"),
        ([*X, *NEW, "--wieghts", "w"], "'--weights'"),
        ([*X, *NEW, "--init", "kmeans++"], "Did you mean 'k-means++'?"),
        ([*X, *NEW, "--metric", "cosin"], "'cosine'"),
        ([*X, *NEW, "--scheduler", "proceses"], "Did you mean 'processes'?"),
        (["fit", "embedings.zarr", *NEW], "Did you mean embeddings.zarr?"),
        (["fit", "./embedings.zarr", *NEW], "Did you mean embeddings.zarr?"),
        (["info", "modle.zarr"], "Did you mean model.zarr?"),
        (["predict", "modl.zarr", "embeddings.zarr", "-o", "l"], "Did you mean model.zarr?"),
        (["predict", "swep.zarr", "embeddings.zarr", "-k", 2, "-o", "l"], "no such path."),
        (["decompress", "archiv.zarr", "-o", "f"], "Did you mean archive.zarr?"),
        (["compress", "gray.png", "-o", "new.zarr"], "Did you mean grey.png?"),
        (["ingest", "texts.txt", "-o", "new.zarr"], "Did you mean text.txt?"),
        ([*X, *NEW, "--mask", "embedings.zarr"], "Did you mean embeddings.zarr?"),
        (["fit", "no/such/folder", *NEW], "no such path."),
        (["fit", "far.zarr", *NEW], "no such path."),
    ],
)
def test_a_mistyped_word_is_answered_with_a_similar_one(arguments, meant):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code != 0
    assert meant in result.output
    if meant.endswith("path."):
        assert "Did you mean" not in result.output


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_option_is_explained_and_the_help_fits_a_terminal(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    command = main.get_command(click.Context(main), name)
    options = [param for param in command.params if isinstance(param, click.Option)]
    unexplained = [option.opts for option in options if not (option.help or "").strip()]
    assert not unexplained
    assert [option.opts for option in options if not option.help.strip().endswith(".")] == []
    said = run(name, "--help").output
    for option in options:
        assert all(form in said for form in option.opts)
    assert max(map(len, said.splitlines())) <= 80


def test_the_help_of_the_program_names_every_command(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    said = run("--help").output
    assert all(f"  {name} " in said for name in _COMMANDS)
    assert max(map(len, said.splitlines())) <= 80
