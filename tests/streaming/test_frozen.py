"""Frozen centroids: they stay as they are, and rows that are far from all of them make others."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner
from sklearn.exceptions import NotFittedError

import streamkm
from streamkm import KMeans, StreamingKMeans
from streamkm.cli import main
from streamkm.errors import DataError, ParameterError
from streamkm.passes import SampleUniform
from streamkm.rows import Block, open_rows
from streamkm.runs.stream import absorb
from streamkm.streaming import Frozen, Summarise, Summary
from tests import reference
from tests.passes.contract import same

PLACES = np.array([[0.0, 0], [10, 0], [0, 10], [30, 30], [40, 0]])
RNG = np.random.default_rng(0)
TRUE = np.repeat([0, 1, 2, 3, 4], [1500, 1500, 1400, 400, 200])[RNG.permutation(5000)]
X = PLACES[TRUE] + RNG.normal(size=(5000, 2))
FROZEN, RADIUS = PLACES[:3] + 0.25, 6.0
D2 = ((X[:, None] - FROZEN) ** 2).sum(axis=2)
NEAR = D2.min(axis=1) <= RADIUS**2
ASKED = {"frozen": FROZEN, "radius": RADIUS, "random_state": 0}


def run(*words, code=0, **more):
    said = CliRunner().invoke(main, [*map(str, words)], **more)
    assert said.exit_code == code, said.output
    return said.output


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("frozen") / "x"
    zarr.create_array(path, data=X, chunks=(500, 2))
    return path


def test_near_rows_are_counted_and_far_rows_make_new_clusters_after_the_frozen_ones():
    assert 0 < (~NEAR).sum() < 700
    weights = RNG.uniform(0.5, 2, len(X))
    model = StreamingKMeans(5, **ASKED)
    for part in np.array_split(np.arange(len(X)), 7):
        model.partial_fit(X[part], sample_weight=weights[part])
        model.partial_fit(X[:3], sample_weight=np.zeros(3))
    found = model.cluster_centers_
    assert np.array_equal(found[:3], FROZEN)
    assert np.linalg.norm(found[3:, None] - PLACES[3:], axis=2).min(axis=0) == pytest.approx(
        0, abs=0.3
    )
    counts = np.bincount(D2.argmin(axis=1)[NEAR], weights[NEAR], minlength=3)
    assert model.counts_[:3] == pytest.approx(counts)
    assert model.counts_[3:].sum() == pytest.approx(weights[~NEAR].sum())
    near = (weights * D2.min(axis=1))[NEAR].sum()
    far = reference.inertia(X[~NEAR], found[3:], weights[~NEAR])
    assert model.inertia_ == pytest.approx(near + far)
    assert model.n_rows_seen_ == len(X) + 7 * 3
    assert model.summary_.weights.sum() == pytest.approx(weights[~NEAR].sum())


def test_new_clusters_are_as_many_as_there_are_far_rows_and_keep_their_numbers():
    model = StreamingKMeans(5, **ASKED).partial_fit(X[TRUE < 3])
    assert np.array_equal(model.cluster_centers_, FROZEN)
    assert model.drift_.match.tolist() == [0, 1, 2]
    assert model.transform(X[:4]).shape[1] == len(model.get_feature_names_out()) == 3
    model.partial_fit(np.array([[40.0, 1]]))
    assert model.cluster_centers_[3:].tolist() == [[40, 1]]
    assert model.drift_.appeared.tolist() == [3]
    assert model.drift_.share_before.sum() == pytest.approx(1)
    model.partial_fit(X[TRUE == 3])
    assert model.drift_.match.tolist() == [0, 1, 2, 3, -1]
    assert model.cluster_centers_[3:] == pytest.approx(np.array([[40, 1], [30, 30]]), abs=0.3)
    assert (model.drift_.moved[:4] == 0).all()
    model.set_params(n_clusters=6).partial_fit(np.array([[-50.0, -50]]))
    assert model.cluster_centers_[[3, 5]].tolist() == [[40, 1], [-50, -50]]


def test_the_first_drift_names_all_new_clusters():
    found = StreamingKMeans(5, **ASKED).partial_fit(X).drift_
    assert found.match.tolist() == [0, 1, 2, -1, -1]
    assert found.share_before.tolist() == [0, 0, 0]


def test_a_few_far_rows_among_very_many_are_found_in_a_small_summary():
    x = np.concatenate([np.tile(X[TRUE < 3], (10, 1)), [[40, 0], [40, 1]]])
    model = StreamingKMeans(4, summary_size=50, **ASKED)
    for part in np.array_split(x, 5):
        model.partial_fit(part)
    assert model.cluster_centers_[3].tolist() == [40, 0.5]
    assert model.counts_.tolist() == [*(10 * np.bincount(TRUE)[:3]), 2]


def test_sums_over_far_rows_are_unbiased_after_reductions():
    frozen = Frozen.beginning(FROZEN[:1], 3.0)
    far = X[((X - FROZEN[0]) ** 2).sum(axis=1) > 9]
    centroids, off = PLACES[1:], []
    for seed in range(14):
        summary = Summary.none(200, 5, seed)
        summary = Summary(**vars(summary) | {"frozen": frozen})
        for part in np.array_split(X, 10):
            summary = absorb(summary, open_rows(part))
        assert len(summary.draws) <= 400
        assert summary.frozen.counts.sum() == len(X) - len(far)
        found = reference.inertia(summary.values, centroids, summary.estimates)
        off.append(found / reference.inertia(far, centroids) - 1)
    assert abs(np.mean(off)) < 4 * np.std(off) / np.sqrt(len(off))
    assert np.std(off) < 2.5 / np.sqrt(200)


def test_positions_are_those_of_the_rows_in_the_data():
    found = Summarise(5000, 5, 0, frozen=Frozen.beginning(FROZEN, RADIUS))(Block.from_values(X))
    assert np.array_equal(np.sort(found.numbers), np.flatnonzero(~NEAR))
    assert np.array_equal(found.values, X[found.numbers])
    everything = SampleUniform(len(X), np.inf, 0, 0)(Block.from_values(X[NEAR]))
    assert found.frozen.counts.sum() == len(everything.keys)


def test_stored_and_pickled_models_continue_with_the_same_bits(tmp_path):
    table = pd.DataFrame(X, columns=["a", "b"])
    frozen = KMeans(3, random_state=0).fit(table[TRUE < 3])
    model = StreamingKMeans(5, frozen=frozen, random_state=0).partial_fit(table[["b", "a"]][:2500])
    # The features of the stream are in the order of its first rows.
    assert np.array_equal(model.cluster_centers_[:3], frozen.cluster_centers_[:, ::-1])
    model.save(tmp_path / "m")
    for again in (streamkm.load(tmp_path / "m"), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(again.cluster_centers_, model.cluster_centers_)
        one, other = (pickle.loads(pickle.dumps(m)).partial_fit(table) for m in (again, model))
        assert same(one._summary, other._summary)
        assert np.array_equal(one.cluster_centers_, other.cluster_centers_)
        fitted = again.fit(table)
        assert np.array_equal(fitted.cluster_centers_[:3], frozen.cluster_centers_)
    radius = 4 * np.sqrt(frozen.inertia_ / frozen.counts_.sum())
    assert streamkm.load(tmp_path / "m").radius == pytest.approx(radius)


def test_models_of_the_same_frozen_centroids_are_merged_in_any_order():
    frozen = {**ASKED, "frozen": pd.DataFrame(FROZEN, columns=["a", "b"])}
    tables = [pd.DataFrame(part, columns=["a", "b"]) for part in np.array_split(X, 3)]
    tables[1] = tables[1][["b", "a"]]
    a, b, c = (StreamingKMeans(5, **frozen).partial_fit(table) for table in tables)
    merged = [a.merge(b, c), c.merge(a, b)]
    assert merged[0].counts_.sum() == len(X)
    for name in ("cluster_centers_", "counts_"):
        assert np.array_equal(*(getattr(model, name) for model in merged))
    other = StreamingKMeans(5, **ASKED | {"radius": 5}).partial_fit(X)
    with pytest.raises(DataError, match="model 1 has other frozen centroids, or another radius"):
        a.merge(other)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """The path of a model of the frozen clusters."""
    path = tmp_path_factory.mktemp("known") / "m"
    KMeans(3, random_state=0).fit(X[TRUE < 3]).save(path)
    return path


def test_the_command_gives_the_model_of_the_estimator_also_from_standard_input(
    known, store, tmp_path
):
    asked = ("-k", 5, "--frozen", known, "--json")
    said = run("stream", store, *asked, "-o", tmp_path / "m")
    assert json.loads(said[said.index("{") :])["new_clusters"] == 2
    want = StreamingKMeans(5, frozen=known, random_state=0).partial_fit(store)
    found = streamkm.load(tmp_path / "m")
    assert np.array_equal(found.cluster_centers_, want.cluster_centers_)
    assert found.drift_.appeared.tolist() == [3, 4]
    words = ("stream", "-", *asked, "-o", tmp_path / "fed", "--batch", 900, "--no-header")
    words += ("--checkpoint", tmp_path / "c", "--skip-rows", 0)
    for part in np.array_split(X, 2):  # the second run resumes
        text = "".join(f"{a!r},{b!r}\n" for a, b in part.tolist())
        run(*words, input=text.encode())
    fed = streamkm.load(tmp_path / "fed")
    assert np.array_equal(fed.counts_[:3], want.counts_[:3])
    assert fed.n_rows_seen_ == len(X)
    words = (*words[:-1], 0, "--radius", 9)
    assert "radius" in run(*words, code=1, input=b"1,2\n")


def test_a_store_that_grows_is_updated(known, tmp_path):
    grown = zarr.create_array(tmp_path / "x", data=X[TRUE < 3], chunks=(500, 2))
    run("stream", tmp_path / "x", "-k", 5, "--frozen", known, "-o", tmp_path / "m")
    before = streamkm.load(tmp_path / "m")
    assert len(before.cluster_centers_) == 3
    grown.append(X[TRUE >= 3])
    assert "appended rows" in run("update", tmp_path / "m", tmp_path / "x")
    after = streamkm.load(tmp_path / "m")
    assert np.array_equal(after.cluster_centers_[:3], before.cluster_centers_)
    assert after.drift_.appeared.tolist() == [3, 4]
    said = run("update", tmp_path / "m", tmp_path / "x", "--refine", 1, code=1)
    assert "has frozen centroids" in said


def test_mistakes(known, store, tmp_path):
    def refused(match, kind=DataError, k=5, **given):
        with pytest.raises(kind, match=match):
            StreamingKMeans(k, **ASKED | given).partial_fit(X)

    refused("no place for new clusters beside the 3 frozen ones: give at least 4", k=3)
    refused("give radius, a distance", ParameterError, radius="auto")
    refused("^radius=", ParameterError, radius=0)
    refused("frozen has 3 features, but the data have 2", frozen=np.eye(3))
    refused("give finite numbers", frozen=np.full((3, 2), np.nan))
    refused("frozen excludes half_life=5", half_life=5)
    refused("frozen excludes refine=1", refine=1)
    refused("not fitted yet", NotFittedError, frozen=KMeans(3))
    refused("scaled rows", frozen=KMeans(3, scale="standard", random_state=0).fit(X))
    kelvin = xr.DataArray(X, dims=("t", "f"), attrs={"units": "K"})
    model = StreamingKMeans(4, frozen=KMeans(3, random_state=0).fit(kelvin), random_state=0)
    with pytest.raises(DataError, match="in degC, but"):
        model.partial_fit(kelvin.assign_attrs(units="degC"))
    model = StreamingKMeans(5, **ASKED).partial_fit(X)
    with pytest.raises(ParameterError, match="no place"):
        model.set_params(n_clusters=3).partial_fit(X)
    out = ("-o", tmp_path / "m")
    assert "--radius is for --frozen" in run("stream", store, "-k", 5, "--radius", 1, *out, code=2)
    asked = ("stream", store, "-k", 3, "--frozen", known)
    assert "no place for new clusters" in run(*asked, *out, code=1)
    assert known.name in run(*asked[:-3], 5, *asked[-2:], "-o", known, "--overwrite", code=1)
