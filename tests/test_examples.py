"""Every example runs unchanged and writes its outputs."""

from __future__ import annotations

import runpy
import sys
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")
FOLDER = Path(__file__).parent.parent / "examples"
SAID = {
    "photograph_in_sixteen_colours": "twenty restarts, one read",
    "primer_two_photographs_and_their_elbows": "90 fits in 1 read of the pixels",
    "from_scratch_farthest_first": "farthest||: stopped by nothing moved",
    "from_scratch_step_by_step": "step 10: J = 2543.0, sizes [",
    "songs_from_the_same_cluster": "of the songs have the name of their kind",
    "land_cover_of_a_cube": "7.5% of these pixels are nodata",
    "one_palette_for_an_album": "14.7 times less than their pixels",
    "embeddings_land_cover": "94.6% of the pixels have their class",
    "weather_states": "shares of the area in 2024: 10.4% 47.7%",
    "climate_zones": "shares of the land by area: 17.1% 16.7%",
    "stream_of_sensors": "half-life of a day: the warmest cluster is at 27.9",
    "stream_whose_clusters_change": "day 11: cluster 3 of the stream died; one at (20, 4) appeared",
    "wallpapers_by_colour": "36 images in groups of [",
    "word_vectors": "words: ",
    "slurm_workers": "without workers: the same bits",
    "assignment_simulated_and_digits": "k=1: train loss 15,343.135, validation loss 3,395.669",
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The printed output of an example, and its picture; each example runs once, as a script."""
    folder = tmp_path_factory.mktemp("examples")

    @cache
    def run(name):
        script, picture, printed = FOLDER / f"{name}.py", folder / f"{name}.png", StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
            patch.setattr(sys, "argv", [str(script), str(picture)])
            runpy.run_path(str(script), run_name="__main__")
        plt.close("all")
        return printed.getvalue(), np.asarray(Image.open(picture).convert("RGB"))

    return run


def test_every_example_is_run():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(SAID)


@pytest.mark.parametrize("name", SAID)
def test_the_example_runs(name, ran):
    said, picture = ran(name)
    assert SAID[name] in said
    assert "stopped by" in said or "PSNR" in said or "stream" in name
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


def test_wallpapers_of_a_tint_are_in_one_group(ran):
    said, _ = ran("wallpapers_by_colour")
    sizes = said.split("groups of [")[1].split("]")[0].split()
    assert sum(map(int, sizes)) == 36
    assert max(map(int, sizes)) <= 18


def test_words_of_a_kind_are_in_one_cluster(ran):
    said, _ = ran("word_vectors")
    found = [set(line.split(": ")[1].split(", ")) for line in said.splitlines()[:-1]]
    pairs = ({"global", "scope"}, {"def", "func"}, {"digits", "decimal"})
    assert sum(any(pair <= words for words in found) for pair in pairs) >= 2
