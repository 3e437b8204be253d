"""Models of streams are merged, in Python and by ``streamkm merge``."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import zarr
from click.testing import CliRunner

import streamkm
from streamkm import KMeans, StreamingKMeans
from streamkm.cli import main
from streamkm.errors import DataError
from streamkm.models.storage import load_model
from tests import reference
from tests.conftest import mixture

X = mixture(9000, 3, 5, seed=4)
NAMES = ["a", "b", "c"]


def run(*words, code=0):
    said = CliRunner().invoke(main, [*map(str, words)])
    assert said.exit_code == code, said.output
    return said.output


@pytest.fixture(scope="module")
def models():
    parts = np.array_split(X[np.argsort(X[:, 0])], 3)
    frames = [
        pd.DataFrame(part, columns=NAMES)[order] for part, order in zip(parts, ORDERS, strict=True)
    ]
    return [StreamingKMeans(5, summary_size=800, random_state=0).partial_fit(f) for f in frames]


ORDERS = (NAMES, NAMES[::-1], NAMES)


def test_merged_models_are_of_all_rows_whatever_the_order_of_their_features(models):
    a, b, c = models
    merged = a.merge(b, c)
    assert merged.n_rows_seen_ == len(X)
    assert len(merged.summary_.rows) <= 1600
    best = KMeans(5, random_state=0).fit(X).inertia_
    for found in (merged, a.merge(b).merge(c), c.merge(a.merge(b))):
        assert reference.inertia(X, found.cluster_centers_) <= 1.03 * best
        assert found.counts_.sum() == pytest.approx(len(X))
    assert a.n_rows_seen_ == 3000
    assert np.array_equal(a.merge(c).cluster_centers_, c.merge(a).cluster_centers_)
    further = pd.DataFrame(X[:10], columns=NAMES)
    assert merged.partial_fit(further).n_rows_seen_ == len(X) + 10


def test_the_command_writes_the_model_that_merge_returns(models, tmp_path):
    paths = [tmp_path / name for name in "ABC"]
    for model, path in zip(models, paths, strict=True):
        model.save(path)
    facts = json.loads(run("merge", *paths, "-o", tmp_path / "M", "--json"))
    assert facts["rows"] == len(X)
    stored = streamkm.load(tmp_path / "M")
    assert np.array_equal(stored.cluster_centers_, models[0].merge(*models[1:]).cluster_centers_)
    assert stored.feature_names_in_.tolist() == NAMES
    assert "exists" in run("merge", *paths, "-o", tmp_path / "M", code=1)
    assert "same place" in run("merge", *paths, "-o", paths[0], "--overwrite", code=1)


def test_a_merged_model_knows_its_data_and_no_run_may_replace_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "xy":
        zarr.create_array(name, data=X[:100], chunks=(100, 3))
        run("stream", name, "-k", 2, "-o", f"m{name}", "--checkpoint", f"c{name}")
    run("merge", "mx", "my", "-o", "both")
    assert load_model("both").parameters["data"] == ["x", "y"]
    assert "exists" in run("stream", "x", "-k", 2, "-o", "both", "--checkpoint", "cx", code=1)
    assert "./x is given twice" in run("stream", "x", "./x", "-k", 2, "-o", "twice", code=1)
    assert "./mx is given twice" in run("merge", "mx", "./mx", "-o", "twice", code=1)


def test_streams_of_other_features_or_clusters_are_refused_by_name(models, tmp_path):
    KMeans(5, random_state=0).fit(X).save(tmp_path / "plain")
    models[0].save(tmp_path / "A")
    said = run("merge", tmp_path / "A", tmp_path / "plain", "-o", tmp_path / "M", code=1)
    assert "plain is not the model of a stream" in said
    assert not (tmp_path / "M").exists()
    with pytest.raises(DataError, match="model 1 has 2 features, but model 0 has 3"):
        models[0].merge(StreamingKMeans(5).partial_fit(X[:, :2]))
    with pytest.raises(DataError, match="model 1 has 4 clusters, but model 0 has 5"):
        models[0].merge(StreamingKMeans(4).partial_fit(X))
    with pytest.raises(AttributeError, match="not seen any rows"):
        models[0].merge(StreamingKMeans(5))
    with pytest.raises(DataError, match="KMeans has no summary"):
        models[0].merge(KMeans(5, random_state=0).fit(X))


def test_a_stream_without_rows_merges_and_has_no_centroids(models):
    frame = pd.DataFrame(X[:20], columns=NAMES[::-1])
    none = StreamingKMeans(5, summary_size=800).partial_fit(frame, mask=np.zeros(20, bool))
    for merged in (models[0].merge(none), none.merge(models[0])):
        assert merged.n_rows_seen_ == 3000
        assert merged.counts_.sum() == pytest.approx(3000)
    with pytest.raises(DataError, match="nothing to cluster"):
        _ = none.cluster_centers_
    with pytest.raises(DataError, match="nothing to cluster"):
        _ = StreamingKMeans(2).partial_fit(X, sample_weight=np.zeros(len(X))).inertia_
