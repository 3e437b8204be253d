"""Further reads after a stream: iterations of the full fit from the streamed centroids."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

import streamkm
from streamkm import KMeans, StreamingKMeans
from streamkm.cli import main
from streamkm.errors import DataError
from tests import reference
from tests.conftest import mixture

K, SIZE = 12, 300
RNG = np.random.default_rng(0)
X = (mixture(4000, 3, K, seed=8) + RNG.normal(size=(4000, 3)) * 2).astype(np.float32)
NEW = X[:500] + 1


def run(*words, code=0):
    said = CliRunner().invoke(main, [*map(str, words)])
    assert said.exit_code == code, said.output
    return said.output


def loss(model, x=X):
    return reference.inertia(x, model.cluster_centers_)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    place = tmp_path_factory.mktemp("x") / "x"
    zarr.create_array(place, data=X, chunks=(500, 3))
    return place


@pytest.fixture(scope="module")
def streamed(path):
    return StreamingKMeans(K, summary_size=SIZE, random_state=0).fit(path)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_refined_centroids_are_those_of_a_fit_from_the_streamed_ones(path, streamed):
    refined = StreamingKMeans(K, summary_size=SIZE, random_state=0, refine=2).fit(path)
    want = KMeans(K, init=streamed.cluster_centers_, max_iter=2).fit(path)
    assert np.array_equal(refined.cluster_centers_, want.cluster_centers_)
    assert loss(refined) < loss(streamed)
    assert refined.inertia_ == pytest.approx(loss(refined))
    assert np.array_equal(refined.counts_, np.bincount(refined.predict(X), minlength=K))
    assert np.array_equal(refined.summary_.rows, streamed.summary_.rows)
    before = refined.cluster_centers_
    refined.partial_fit(NEW)  # new rows are seen once, so the centroids are those of the summary
    assert not np.array_equal(refined.cluster_centers_, before)


def test_data_in_memory_are_refined_and_labelled():
    model = StreamingKMeans(K, summary_size=SIZE, random_state=0, refine=1)
    weights = np.arange(len(X)) % 2 + 1.0
    model.fit(X, sample_weight=weights)
    assert np.array_equal(model.labels_, model.predict(X))
    assert model.counts_.sum() == weights.sum()


def test_the_command_and_updates_refine_like_the_estimator(tmp_path):
    zarr.create_array(tmp_path / "x", data=X, chunks=(500, 3))
    words = ("-k", K, "--summary-size", SIZE, "--refine", 1, "-o", tmp_path / "m")
    facts = json.loads(run("stream", tmp_path / "x", *words, "--json").splitlines()[-1])
    model = StreamingKMeans(K, summary_size=SIZE, random_state=0, refine=1).fit(tmp_path / "x")
    assert facts["inertia"] == pytest.approx(loss(model))
    zarr.open_array(tmp_path / "x", mode="r+").append(NEW)
    run("update", tmp_path / "m", tmp_path / "x")
    found = streamkm.load(tmp_path / "m")
    model.update(tmp_path / "x")
    assert found.get_params()["refine"] == 1
    for each in (found, model):
        assert each.inertia_ == pytest.approx(loss(each, np.concatenate([X, NEW])))
    assert np.array_equal(found.cluster_centers_, model.cluster_centers_)
    run("update", tmp_path / "m", tmp_path / "x")  # nothing is new
    assert streamkm.load(tmp_path / "m").inertia_ == found.inertia_
    run("update", tmp_path / "m", tmp_path / "x", "--refine", 2)
    assert streamkm.load(tmp_path / "m").inertia_ < found.inertia_

    zarr.create_array(tmp_path / "y", data=NEW, chunks=(500, 3))
    said = run("update", tmp_path / "m", tmp_path / "y", code=1)
    assert "these are 500 of 5,000. Give --refine 0." in said
    with pytest.raises(DataError, match=r"these are 500 of 5,000. Set refine=0"):
        model.update(tmp_path / "y")
    assert model.n_rows_seen_ == 4500
    both = (tmp_path / "x", tmp_path / "y")
    assert "needs a single store" in run("stream", *both, *words, "--overwrite", code=1)
    assert "needs a single store" in run("update", tmp_path / "m", *both, code=1)
    run("update", tmp_path / "m", tmp_path / "y", "--refine", 0)
    assert streamkm.load(tmp_path / "m").n_rows_seen_ == 5000


def test_refining_excludes_forgetting():
    for wrong in ({"refine": -1}, {"refine": 1, "window": 100}, {"refine": 1, "half_life": 10.0}):
        with pytest.raises(ValueError, match=r"^refine="):
            StreamingKMeans(5, **wrong).fit(X)
