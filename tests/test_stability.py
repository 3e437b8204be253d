"""`streamkm.stability` compares the labels of fits with different seeds, in shared reads."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from sklearn.metrics import adjusted_rand_score

import streamkm
from streamkm.errors import DataError
from streamkm.fitting import first_state, iterate, restart_seeds
from streamkm.rows import Room, open_rows
from streamkm.updates import AcceleratedUpdate, StopRules
from tests import reference
from tests.conftest import mixture


@pytest.mark.usefixtures("no_table")
def test_the_index_is_that_of_the_labels_of_the_fits(blobs):
    """Label all rows by every fit alone, and compare with a sample of all rows."""
    found = streamkm.stability(
        blobs, [5, 11], n_init=3, init="random", rows=len(blobs), random_state=7
    )
    rows, reads = open_rows(blobs), []
    for k in (5, 11):
        labels, losses = [], []
        for seed in restart_seeds(7, 3):
            update = AcceleratedUpdate(StopRules())
            alone = iterate(rows, first_state(rows, k, "random", [seed], update, room=Room(0, 0)))
            labels.append(reference.labels(blobs, alone.best.centroids))
            reads.append(alone.n_passes)
            losses.append(alone.best.inertia)
        want = [[adjusted_rand_score(a, b) for b in labels] for a in labels]
        own = found.sel(n_clusters=k)
        np.testing.assert_allclose(own["adjusted_rand"], want)
        np.testing.assert_allclose(own["distortion"], np.array(losses) / len(blobs))
        pairs = [want[0][1], want[0][2], want[1][2]]
        assert float(own["mean"]) == pytest.approx(np.mean(pairs))
        assert float(own["least"]) == pytest.approx(min(pairs))
    assert found.attrs["n_passes"] == max(reads)
    assert found.attrs["n_rows"] == len(blobs)


def test_a_sample_estimates_the_index_of_all_rows(blobs):
    how = {"n_init": 4, "init": "random", "random_state": 3}
    of_all = streamkm.stability(blobs, 11, rows=len(blobs), **how)
    of_some = streamkm.stability(blobs, 11, rows=2000, **how)
    assert of_some.attrs["n_rows"] == 2000
    np.testing.assert_allclose(of_some["adjusted_rand"], of_all["adjusted_rand"], atol=0.05)
    assert (of_some["adjusted_rand"] != of_all["adjusted_rand"]).any()


def test_clusters_that_are_there_are_stable_and_too_many_are_not():
    x = mixture(3000, 2, 5, seed=8) * np.float32(3)
    found = streamkm.stability(x, [5, 20], n_init=4, init="random")
    good = streamkm.stability(x, 5, n_init=4)
    assert float(good["mean"][0]) == 1
    assert good.attrs["verdict"].startswith("k=5: excellent agreement (mean adjusted Rand index 1")
    assert float(found["mean"][1]) < 0.9
    assert "; k=20: " in found.attrs["verdict"]
    assert "\n" not in found.attrs["verdict"]


def test_rows_without_weight_are_not_compared():
    x = mixture(2000, 2, 5, seed=8)
    weights = np.r_[np.ones(1000), np.zeros(1000)]
    found = streamkm.stability(x, 9, n_init=3, sample_weight=weights, init="random")
    assert found.attrs["n_rows"] == 1000


def test_a_row_of_weight_three_is_compared_three_times_as_often(monkeypatch):
    """The index has no weights, so that it is computed of rows drawn by weight."""
    seen = []

    def count(a, b):
        seen.append(a)
        return adjusted_rand_score(a, b)

    monkeypatch.setattr("streamkm.runs.stability.adjusted_rand_score", count)
    x = np.repeat([[0.0], [100.0]], 2000, axis=0)
    x += np.random.default_rng(0).normal(size=x.shape)
    streamkm.stability(x, 2, n_init=2, sample_weight=np.repeat([1.0, 3.0], 2000))
    share = np.bincount(seen[0]).min() / len(seen[0])
    assert share == pytest.approx(0.25, abs=0.03)


def test_scaled_rows_are_compared_in_one_more_read(blobs, tmp_path):
    units = np.array([1, 1e5, 1, 1, 1e-5, 1])
    zarr.create_array(tmp_path / "x", data=blobs * units, chunks=(500, 6))
    found = streamkm.stability(str(tmp_path / "x"), 8, n_init=3, scale="standard")
    want = streamkm.stability(blobs, 8, n_init=3, scale="standard")
    np.testing.assert_allclose(found["distortion"], want["distortion"], rtol=1e-3)
    assert json.loads(found.attrs["reads"])["opening"]["reads"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_init": 1}, "n_init"),
        ({"rows": 1}, "rows"),
        ({"init": "no"}, "no"),
        ({"n_clusters": [3, 2]}, "increasing integers"),
        ({"n_clusters": 5001}, "n_samples=5000 should be >= n_clusters=5001"),
    ],
)
def test_mistakes_are_refused_before_any_read(blobs, arguments, message):
    with pytest.raises((ValueError, DataError), match=message):
        streamkm.stability(blobs, **({"n_clusters": 2} | arguments))
