"""The commands and the code of docs/ivf-index.md, run in the order of the page."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

from streamkm.cli import main

faiss = pytest.importorskip("faiss")
FROM_LISTS = ("index", "small")
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


def kept_rows():
    """The mask that the page has written."""
    return zarr.open_array("keep.zarr", mode="r")[:]


def recall(index, rows, queries, probes, numbers):
    """The share of the ten nearest rows, by their numbers, that a search of some lists finds."""
    flat = faiss.IndexFlat(rows.shape[1], index.metric_type)
    flat.add(rows)
    truth = numbers[flat.search(queries, 10)[1]]
    found = index.search(queries, 10, params=faiss.SearchParametersIVF(nprobe=probes))[1]
    return np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=True)])


def test_the_lists_are_the_clusters(after):
    labels, kept = after["model"].predict(after["x"]), kept_rows()
    assert sizes(after["index"]) == np.bincount(labels[kept], minlength=64).tolist()
    assert sizes(after["small"]) == sizes(after["index"])
    assert sizes(after["euclidean"]) == after["km"].counts_.tolist()


def test_rows_that_repeat_others_are_dropped(after):
    kept, labels = kept_rows(), after["model"].predict(after["x"])
    together = labels[9_000:] == labels[:1_000]
    assert together.mean() > 0.9
    assert not kept[9_000:][together].any()
    assert kept.mean() > 0.85


def test_searches_of_all_lists_are_exact(after):
    x, kept = after["x"], kept_rows()
    unit = x[kept] / np.linalg.norm(x[kept], axis=1, keepdims=True)
    assert recall(after["index"], unit, unit[::100], 64, np.flatnonzero(kept)) > 0.99
    assert recall(after["euclidean"], x, x[::100], 64, np.arange(len(x))) > 0.99
    found = [recall(after[n], unit, unit[::100], 8, np.flatnonzero(kept)) for n in FROM_LISTS]
    assert found[0] > 0.9
    assert 0.3 < found[1] < found[0]


def test_faiss_would_give_the_same_codes(after):
    """The rows that were added with their lists are decoded like the codes of `transform`."""
    small, pq, x, kept = after["small"], after["pq"], after["x"], np.flatnonzero(kept_rows())
    small.set_direct_map_type(faiss.DirectMap.Hashtable)
    stored = np.stack([small.reconstruct(int(number)) for number in kept[::10]])
    decoded = pq.inverse_transform(
        pq.transform(x[kept[::10]]), after["model"].predict(x[kept[::10]])
    )
    close = np.isclose(stored, decoded, atol=1e-5).all(axis=1)
    assert close.mean() > 0.99  # a length may be rounded differently


def test_the_jobs_are_there():
    for script in re.findall(r"^sbatch (\S+)", PAGE, re.M):
        assert (ROOT / script).exists()
