"""The commands and the code of docs/ivf-index.md, run in the order of the page."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from streamkm.cli import main

pytest.importorskip("faiss")
PAGE = (Path(__file__).parents[1] / "docs/ivf-index.md").read_text()


@pytest.fixture(scope="module")
def after(tmp_path_factory):
    """The names that the code of the page defines, in a folder where its commands have run."""
    names, before = {}, Path.cwd()
    os.chdir(tmp_path_factory.mktemp("ivf"))
    try:
        for kind, block in re.findall(r"^```(python|console)\n(.*?)^```", PAGE, re.M | re.S):
            if kind == "python":
                exec(compile(block, "docs/ivf-index.md", "exec"), names)
                continue
            for line in re.findall(r"^\$ streamkm (.*)$", block, re.M):
                done = CliRunner().invoke(main, shlex.split(line, comments=True))
                assert done.exit_code == 0, done.output
        yield names
    finally:
        os.chdir(before)


def sizes(index):
    return [index.invlists.list_size(number) for number in range(index.nlist)]


def test_the_lists_are_the_clusters(after):
    assert sizes(after["index"]) == after["km"].counts_.tolist()
    assert sizes(after["small"]) == after["km"].counts_.tolist()
    assert sizes(after["cosine"]) == after["directions"].counts_.tolist()


def test_training_leaves_the_centroids_as_they_are(after):
    stored = after["small"].quantizer.reconstruct_n(0, after["small"].nlist)
    assert np.array_equal(stored, after["km"].cluster_centers_.astype(np.float32))


def test_searches_of_all_lists_are_exact(after):
    faiss, x = after["faiss"], after["x"]
    for index, rows in ((after["index"], x), (after["cosine"], after["unit"])):
        everything = faiss.SearchParametersIVF(nprobe=index.nlist)
        found = index.search(rows[:50], 10, params=everything)[1]
        flat = faiss.IndexFlat(rows.shape[1], index.metric_type)
        flat.add(rows)
        assert np.mean(found == flat.search(rows[:50], 10)[1]) > 0.99
