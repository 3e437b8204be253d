"""Every example runs unchanged and writes its outputs."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

FOLDER = Path(__file__).parent.parent / "examples"
SAID = {
    "photograph_in_sixteen_colours": "twenty restarts, one read",
    "primer_two_photographs_and_their_elbows": "90 fits in 1 read of the pixels",
    "from_scratch_farthest_first": "farthest||: stopped by nothing moved",
    "from_scratch_step_by_step": "step 10: J = 2543.0, sizes [",
    "songs_from_the_same_cluster": "of the songs have the name of their kind",
    "land_cover_of_a_cube": "7.5% of these pixels are nodata",
    "one_palette_for_an_album": "14.7 times less than their pixels",
    "assignment_simulated_and_digits": "k=1: train loss 15,343.135, validation loss 3,395.669",
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The printed output of an example, and its picture; each example runs once."""
    folder = tmp_path_factory.mktemp("examples")

    @cache
    def run(name):
        picture = folder / f"{name}.png"
        command = [sys.executable, FOLDER / f"{name}.py", picture]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout, np.asarray(Image.open(picture).convert("RGB"))

    return run


def test_every_example_is_run():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(SAID)


@pytest.mark.parametrize("name", SAID)
def test_the_example_runs(name, ran):
    said, picture = ran(name)
    assert SAID[name] in said
    assert "stopped by" in said or "PSNR" in said
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) >= (9 if "cube" in name else 16)


def test_the_photograph_has_sixteen_colours_and_looks_like_itself(ran):
    _, picture = ran("photograph_in_sixteen_colours")
    assert picture.shape == (427, 640, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 16
    error = np.square(picture.astype(float) - load_sample_image("flower.jpg")).mean()
    assert 10 * np.log10(255**2 / error) > 26


def test_ten_labelled_rows_name_the_digits(ran):
    said, _ = ran("assignment_simulated_and_digits")
    assert float(said.split("labelled rows: ")[1].split("%")[0]) > 95


def test_songs_are_named_and_what_follows_is_of_the_same_kind(ran):
    said, _ = ran("songs_from_the_same_cluster")
    assert float(said.split("% of the songs")[0].splitlines()[-1]) > 98
    assert {line.split(":")[0] for line in said.splitlines()[:4]} == {
        "lullaby",
        "ballad",
        "march",
        "aria",
    }
