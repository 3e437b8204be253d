"""What a sweep says about the choice of k."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.cli import main

RNG = np.random.default_rng(0)
SHAPELESS = RNG.normal(size=(600, 4)) * 100
GROUPS = np.repeat(RNG.normal(size=(3, 4)) * 50, 200, axis=0) + RNG.normal(size=(600, 4))


@pytest.fixture
def printed(tmp_path):
    """A function that sweeps on the command line and returns the printed lines."""

    def run(data, *words):
        for name in ("x", "held"):
            zarr.create_array(tmp_path / name, data=data, chunks=(100, 4))
        sweep = ["sweep", tmp_path / "x", "-o", tmp_path / "s", "--n-init", 2, *words]
        done = CliRunner().invoke(main, [*map(str, sweep), "--validation", str(tmp_path / "held")])
        assert done.exit_code == 0
        return done.stdout.splitlines()

    return run


def test_no_clear_elbow_says_what_to_do_next(printed):
    found = streamkm.sweep(SHAPELESS, range(1, 9))
    verdict, advice = found.attrs["verdict"].split("; ")
    assert verdict.startswith("no clear elbow (the strongest is k=")
    assert advice == "choose k by validation loss, silhouette or use, as in docs/choosing-k.md"
    assert (Path(__file__).parent.parent / advice.split()[-1]).exists()
    lines = printed(SHAPELESS, "-k", "1:8")
    assert lines[-2] == advice
    assert lines[-3].startswith("no clear elbow (the strongest is k=")


def test_too_few_k_asks_for_more(printed):
    assert printed(GROUPS, "-k", "2,3")[-2] == "give at least three values of k"


def test_a_clear_elbow_needs_no_advice(printed):
    assert printed(GROUPS, "-k", "1:6")[-2].startswith("elbow at k=3 (strength ")
    assert ";" not in streamkm.sweep(GROUPS, range(1, 7)).attrs["verdict"]


def test_scores_have_their_full_names_in_80_columns(printed):
    lines = printed(SHAPELESS, "-k", "1:8")
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["valida-", "Calinski-", "Davies-"]
    titles = "k mean least spread tion Harabasz Bouldin silhouette steps"
    assert lines[1].split() == titles.split()
    assert [line.split()[0] for line in lines[2:10]] == list("12345678")
    assert (
        "higher is better: Calinski-Harabasz, silhouette; lower is better: Davies-Bouldin" in lines
    )


def test_the_title_of_the_plot_is_the_verdict_without_the_advice():
    found = streamkm.sweep(SHAPELESS, range(1, 6))
    title = streamkm.plot.elbow(found).get_title()
    assert title == found.attrs["verdict"].split(";")[0]
    assert title.startswith("no clear elbow")
