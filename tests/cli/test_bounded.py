"""The options --min-size and --max-size."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.cli import main

K = 4


@pytest.fixture
def store(blobs, tmp_path):
    zarr.create_array(tmp_path / "x", data=blobs, chunks=(500, 6))
    return tmp_path / "x"


def fit(store, *more, code=0):
    words = ["fit", store, "-k", K, "-o", store.parent / "m", *more]
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def test_the_labels_hold_the_bounds_and_are_those_of_python(store, blobs):
    most = len(blobs) // K + 9
    labels = store.parent / "l.npy"
    found = json.loads(fit(store, "--max-size", most, "--labels", labels, "--json").stdout)
    sizes = np.bincount(np.load(labels), minlength=K)
    assert sizes.max() == found["largest_cluster"] <= most
    assert sizes.min() == found["smallest_cluster"]
    expected = streamkm.KMeans(K, random_state=0, max_size=most).fit(zarr.open_array(store))
    assert np.array_equal(np.load(labels), expected.labels_.compute())
    assert found["inertia"] == expected.inertia_
    assert found["unbounded_inertia"] == expected.unbounded_inertia_ < found["inertia"]


def test_a_stopped_fit_resumes_and_ends_with_the_same_labels(store, blobs):
    most = len(blobs) // K + 9
    options = ["--max-size", most, "--labels", store.parent / "l.npy"]
    fit(store, *options)
    whole = np.load(store.parent / "l.npy")
    options += ["--checkpoint", store.parent / "c", "--overwrite"]
    fit(store, *options, "--time-limit", "0.001", code=75)
    fit(store, *options)
    assert np.array_equal(np.load(store.parent / "l.npy"), whole)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--max-size", 2], "4 clusters of at most 2 rows"),
        (["--min-size", 5, "--max-size", 4], "--min-size 5 is larger than --max-size 4"),
        (["--max-size", 5000, "--algorithm", "lloyd"], "--algorithm lloyd does not apply"),
        (["--max-size", 5000, "--algorithm", "bisecting"], "--max-size does not apply"),
    ],
)
def test_bounds_that_cannot_hold_are_one_line(store, more, named):
    result = fit(store, *more, code=2 if "bisecting" in more else 1)
    assert named in result.output
    assert "Traceback" not in result.output


def test_a_dry_run_counts_the_reads_of_the_bounds(store, monkeypatch):
    monkeypatch.setattr(streamkm.rows.memory, "KEPT_SHARE", 0)
    plain = json.loads(fit(store, "--dry-run", "--json").stdout)
    bounded = json.loads(fit(store, "--dry-run", "--json", "--max-size", 5000).stdout)
    assert bounded["reads_loss_and_labels"] == plain["reads_loss_and_labels"] + 2
