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
ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/ivf-index.md").read_text()
pytestmark = pytest.mark.filterwarnings(
    "ignore:stopped after max_iter:sklearn.exceptions.ConvergenceWarning"
)


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


def recall(index, rows, queries, probes):
    """The share of the ten nearest rows that a search of some lists finds."""
    import faiss

    flat = faiss.IndexFlat(rows.shape[1], index.metric_type)
    flat.add(rows)
    truth = flat.search(queries, 10)[1]
    found = index.search(queries, 10, params=faiss.SearchParametersIVF(nprobe=probes))[1]
    return np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=True)])


def test_the_lists_are_the_clusters(after):
    for name, model in (("index", "model"), ("small", "model"), ("euclidean", "km")):
        assert sizes(after[name]) == after[model].counts_.tolist()


def test_searches_of_all_lists_are_exact(after):
    x = after["x"]
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    assert recall(after["index"], unit, unit[::100], 64) > 0.99
    assert recall(after["euclidean"], x, x[::100], 64) > 0.99
    assert recall(after["index"], unit, unit[::100], 8) > 0.9
    assert (
        0.3
        < recall(after["small"], unit, unit[::100], 8)
        < recall(after["index"], unit, unit[::100], 8)
    )


def test_faiss_would_give_the_same_codes(after):
    """The rows that were added with their lists are decoded like the codes of `transform`."""
    small, pq, x = after["small"], after["pq"], after["x"]
    small.make_direct_map()
    decoded = pq.inverse_transform(pq.transform(x), after["model"].predict(x))
    close = np.isclose(small.reconstruct_n(0, len(x)), decoded, atol=1e-5).all(axis=1)
    assert close.mean() > 0.999  # a length may be rounded differently


def test_the_jobs_are_there():
    for script in re.findall(r"^sbatch (\S+)", PAGE, re.M):
        assert (ROOT / script).exists()
