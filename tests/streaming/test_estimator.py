"""`StreamingKMeans`: any kind of data, a model at any moment, and the bits of a stored one."""

from __future__ import annotations

import pickle

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import streamkm
from streamkm import KMeans, StreamingKMeans
from streamkm.cli import main
from streamkm.errors import DataError, FewDistinctRowsWarning, NonFiniteError
from streamkm.in_memory.monitor import monitored
from tests import reference
from tests.conftest import mixture

X = mixture(6000, 3, 5, seed=2)


def streamed(model, x, n=6):
    for batch in np.array_split(x, n):
        model.partial_fit(batch)
    return model


@pytest.fixture(scope="module")
def small():
    """A model whose summary has been reduced several times."""
    return streamed(StreamingKMeans(5, summary_size=500, random_state=0), X, 20)


def kinds(folder):
    store = zarr.create_array(folder / "x", shape=X.shape, chunks=(700, 3), dtype=X.dtype)
    store[...] = X
    yield from (X, store, folder / "x", str(folder / "x"))
    yield da.from_array(X, chunks=(1100, 3))
    yield xr.DataArray(X, dims=("time", "band"))
    yield pd.DataFrame(X)


def test_any_data_are_read_once_and_give_the_same_model(tmp_path):
    want = KMeans(5, random_state=0).fit(X)
    found = [StreamingKMeans(5, random_state=0).partial_fit(data) for data in kinds(tmp_path)]
    for model in found:
        assert np.array_equal(model.cluster_centers_, found[0].cluster_centers_)
        assert model.n_rows_seen_ == len(X)
        assert model.counts_.sum() == pytest.approx(len(X))
    # The summary has all rows.
    assert -found[0].score(X) == pytest.approx(want.inertia_, rel=1e-3)
    assert found[0].inertia_ == pytest.approx(-found[0].score(X))


def test_the_loss_after_one_read_of_many_rows_is_close_to_that_of_a_fit(pixels):
    want = KMeans(10, random_state=0).fit(pixels).inertia_
    model = streamed(StreamingKMeans(10, summary_size=4096, random_state=0), pixels, 10)
    assert len(model.summary_.rows) < len(pixels) / 4
    assert -model.score(pixels) <= 1.01 * want
    assert model.inertia_ == pytest.approx(-model.score(pixels), rel=0.06)
    counts = np.bincount(model.predict(pixels), minlength=10)
    assert model.counts_ == pytest.approx(counts, rel=0.2)


def test_centroids_are_computed_once_until_rows_arrive(small):
    model = pickle.loads(pickle.dumps(small))
    first = model.cluster_centers_
    assert model.cluster_centers_ is first
    assert first.shape == (5, 3)
    model.partial_fit(X[:10] + 100)
    assert model.cluster_centers_ is not first
    assert model.n_rows_seen_ == len(X) + 10


def test_adding_rows_does_not_search_for_centroids():
    searches = []
    with monitored(searches.append):
        model = streamed(StreamingKMeans(5, summary_size=500, random_state=0), X[:900])
        assert not searches  # 900 rows are not reduced, which would search a pilot
        assert model.cluster_centers_.shape == (5, 3)
    assert searches


def test_the_summary_is_a_weighted_sample_of_the_rows(small):
    rows, weights = small.summary_
    assert len(rows) <= 1000
    assert {tuple(row) for row in rows} <= {tuple(row) for row in X}
    assert weights.sum() == pytest.approx(len(X), rel=0.2)
    centres = X[:5].astype(np.float64)
    estimate = reference.inertia(rows, centres, weights)
    assert estimate == pytest.approx(reference.inertia(X, centres), rel=0.2)


def test_a_stored_pickled_or_loaded_model_continues_with_the_same_bits(small, tmp_path):
    small.save(tmp_path / "m")
    others = [streamkm.load(tmp_path / "m"), pickle.loads(pickle.dumps(small))]
    before = small.cluster_centers_
    want = streamed(pickle.loads(pickle.dumps(small)), X[::-1], 3)
    for model in others:
        assert np.array_equal(model.cluster_centers_, before)
        assert model.get_params()["summary_size"] == 500
        streamed(model, X[::-1], 3)
        assert np.array_equal(model.cluster_centers_, want.cluster_centers_)
        assert np.array_equal(model.counts_, want.counts_)
        assert model.n_rows_seen_ == 2 * len(X)
    fresh = clone(small)
    with pytest.raises(NotFittedError):
        fresh.predict(X)
    assert not hasattr(fresh, "cluster_centers_")


def test_any_zarr_library_and_the_command_line_read_the_model(small, tmp_path):
    small.save(tmp_path / "m")
    group = zarr.open_group(tmp_path / "m", mode="r")
    columns = {"values", "weights", "bounds", "draws", "numbers"}
    assert {name for name, _ in group["summary"].members()} == columns
    assert group["summary/values"].shape == small.summary_.rows.shape
    zarr.create_array(tmp_path / "x", data=X, chunks=(1000, 3))
    words = ["predict", tmp_path / "m", tmp_path / "x", "-o", tmp_path / "labels"]
    said = CliRunner().invoke(main, [*map(str, words)])
    assert said.exit_code == 0, said.output
    labels = zarr.open_array(tmp_path / "labels", mode="r")[:]
    assert np.array_equal(labels, small.predict(X))
    said = CliRunner().invoke(main, ["info", str(tmp_path / "m")])
    assert said.exit_code == 0, said.output
    rows, kept = small.n_rows_seen_, len(small.summary_.rows)
    assert f"{rows:,} rows so far, {kept:,} in the summary" in said.output
    assert "iterations" not in said.output


def test_a_fit_forgets_and_labels(small, tmp_path):
    model = pickle.loads(pickle.dumps(small)).fit(X[:1500])
    alone = StreamingKMeans(5, summary_size=500, random_state=0).fit(X[:1500])
    assert np.array_equal(model.cluster_centers_, alone.cluster_centers_)
    assert np.array_equal(model.labels_, model.predict(X[:1500]))
    model.partial_fit(X)
    assert not hasattr(model, "labels_")
    zarr.create_array(tmp_path / "x", data=X, chunks=(1000, 3))
    lazy = StreamingKMeans(5, random_state=0).fit(tmp_path / "x").labels_
    assert isinstance(lazy, da.Array)


def test_rows_that_cannot_be_used_leave_the_model_unchanged(small):
    model = pickle.loads(pickle.dumps(small))
    before = model.cluster_centers_
    with pytest.raises(NonFiniteError, match="row 1"):
        model.partial_fit([[0, 0, 0], [0, np.inf, 0]])
    with pytest.raises(DataError, match="2 features"):
        model.partial_fit(X[:, :2])
    with pytest.raises(DataError, match="negative"):
        model.partial_fit(X[:2], sample_weight=[1, -1])
    with pytest.raises(DataError, match="n_samples=3 should be >= n_clusters=5"):
        model.fit(X[:3])
    assert model.cluster_centers_ is before
    assert model.n_rows_seen_ == len(X)


def test_features_are_matched_by_name():
    frame = pd.DataFrame(X[:500], columns=list("abc"))
    model = StreamingKMeans(3, random_state=0).partial_fit(frame).partial_fit(frame[list("cab")])
    assert model.feature_names_in_.tolist() == list("abc")
    twice = StreamingKMeans(3, random_state=0).partial_fit(frame, sample_weight=np.full(500, 2.0))
    assert np.array_equal(model.cluster_centers_, twice.cluster_centers_)


def test_parameters_are_checked_and_the_number_of_clusters_may_change(small):
    for wrong in ({"n_clusters": 0}, {"summary_size": 5}, {"summary_size": "big"}):
        with pytest.raises(ValueError, match=f"^{next(iter(wrong))}="):
            StreamingKMeans(**{"n_clusters": 5} | wrong).partial_fit(X)
    model = pickle.loads(pickle.dumps(small)).set_params(n_clusters=2).partial_fit(X[:100])
    assert model.cluster_centers_.shape == (2, 3)
    assert model.get_feature_names_out().tolist() == ["streamingkmeans0", "streamingkmeans1"]


def test_a_stream_may_begin_with_fewer_rows_than_clusters():
    model = StreamingKMeans(3, random_state=0).partial_fit(X[:2])
    with pytest.warns(FewDistinctRowsWarning):
        assert model.cluster_centers_.shape == (3, 3)
    model.partial_fit(X[2:40])
    assert len(np.unique(model.cluster_centers_, axis=0)) == 3
