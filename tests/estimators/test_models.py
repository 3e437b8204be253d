"""Methods of fitted models, also after saving, refitting and conversion."""

from __future__ import annotations

from contextlib import suppress

import dask.array as da
import numpy as np
import pytest
import sklearn.cluster
import zarr
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

import streamkm
from streamkm import BisectingKMeans, HierarchicalKMeans, KMeans, SphericalKMeans
from streamkm.errors import DataError, NotAModelError, OutputExistsError
from tests import reference
from tests.cli.test_cli import run

RNG = np.random.default_rng(0)
KINDS = [
    KMeans(4, random_state=0),
    KMeans(4, random_state=0, scale="standard"),
    KMeans(4, random_state=0, scale="robust"),
    SphericalKMeans(4, random_state=0),
    BisectingKMeans(4, random_state=0),
    BisectingKMeans(4, random_state=0, scale="standard"),
    HierarchicalKMeans(4, random_state=0),
    HierarchicalKMeans([4, 2], random_state=0, metric="cosine"),
]


def named(estimator):
    return f"{type(estimator).__name__}-{getattr(estimator, 'scale', estimator.n_clusters)}"


@pytest.fixture(params=KINDS, ids=named)
def model(request, blobs):
    return sklearn.clone(request.param).fit(blobs)


class TestEveryEstimator:
    def test_predict_says_what_fit_said(self, model, blobs):
        assert np.array_equal(model.predict(blobs), model.labels_)
        lazy = model.predict(da.from_array(blobs, chunks=(700, 6)))
        assert np.array_equal(lazy.compute(), model.labels_)

    def test_a_saved_model_is_the_same(self, model, blobs, tmp_path):
        model.save(tmp_path / "m")
        again = streamkm.load(tmp_path / "m")
        assert type(again) is type(model)
        assert np.array_equal(again.predict(blobs), model.labels_)
        assert np.array_equal(again.transform(blobs), model.transform(blobs))
        for name in ("cluster_centers_", "inertia_", "n_passes_", "n_features_in_"):
            assert np.array_equal(getattr(again, name), getattr(model, name))
        assert again.get_params() == model.get_params()
        with pytest.raises(OutputExistsError):
            model.save(tmp_path / "m")
        model.save(tmp_path / "m", overwrite=True)

    def test_the_command_line_labels_with_it(self, model, blobs, tmp_path):
        zarr.create_array(tmp_path / "x", data=blobs, chunks=(900, 6))
        model.save(tmp_path / "m")
        run("predict", tmp_path / "m", tmp_path / "x", "-o", tmp_path / "l")
        assert np.array_equal(zarr.open_array(tmp_path / "l")[:], model.labels_)

    def test_weight_two_is_a_row_twice(self, model, blobs):
        weights = RNG.integers(0, 3, len(blobs))
        twice = np.repeat(blobs, weights, axis=0)
        one = sklearn.clone(model).fit(blobs, sample_weight=weights)
        two = sklearn.clone(model).fit(twice)
        # The seeding depends on row numbers, so the losses may differ slightly.
        assert one.inertia_ == pytest.approx(two.inertia_, rel=0.02)

    def test_representatives_are_the_nearest_members(self, model, blobs):
        found = model.representatives(da.from_array(blobs, chunks=(700, 6)), 3)
        distances = np.array(model.transform(blobs))
        nearest = distances.argmin(axis=1)
        for cluster in range(4):
            own = np.flatnonzero(nearest == cluster)
            want = own[np.lexsort((own, distances[own, cluster]))[:3]]
            assert found.numbers[cluster].tolist() == want.tolist()
            assert np.array_equal(found.values[cluster], blobs[want])
            expected = distances[want, cluster]
            np.testing.assert_allclose(found.distances[cluster], expected, rtol=1e-5)

    def test_its_scikit_learn_counterpart_agrees(self, model, blobs):
        if isinstance(model, BisectingKMeans):
            with pytest.raises(DataError, match="labels rows by a tree"):
                model.to_sklearn()
            return
        for other in (model.to_sklearn(), model.to_sklearn(np.float32)):
            assert np.mean(other.predict(blobs) == model.labels_) > 0.999
            np.testing.assert_allclose(other.transform(blobs), model.transform(blobs), atol=1e-4)
        other = model.to_sklearn()
        for dtype in (np.float16, np.float64, np.int32):
            rows = blobs.astype(dtype)
            assert np.mean(other.predict(rows) == model.predict(rows)) > 0.999


def test_clusters_of_fewer_rows_than_were_asked_for():
    x = np.array([[0.0], [0.1], [9.0]])
    found = KMeans.from_centroids([[0.0], [9.0], [50.0]]).representatives(x, 2)
    assert found.numbers.tolist() == [[0, 1], [2, -1], [-1, -1]]
    assert np.isinf(found.distances[2]).all()
    with pytest.raises(ValueError, match="n=0"):
        KMeans.from_centroids([[0.0]]).representatives(x, 0)


@pytest.mark.parametrize(
    ("names", "want"),
    [([4, 4, 7], [4, 7]), ([True, True, False], [True, False]), (["a", "b", "c"], ["a", "c"])],
)
def test_names_are_plain_python_objects(names, want):
    model = KMeans.from_centroids([[0.0], [10.0]])
    found = model.name_clusters([[0.1], [0.2], [9.5]], np.array(names))
    assert found.tolist() == want
    assert [type(name) for name in found] == [type(name) for name in want]


def test_clusters_get_the_name_that_most_of_their_rows_have(tmp_path):
    model = KMeans.from_centroids([[0.0], [5.0], [9.0]])
    names = model.name_clusters([[0.1], [0.2], [0.3], [9.5], [9.6]], ["b", "a", "a", "z", "c"])
    assert names.tolist() == ["a", None, "c"]
    assert names[model.predict([[0.0], [10.0]])].tolist() == ["a", "c"]
    model.save(tmp_path / "m")
    assert streamkm.load(tmp_path / "m").cluster_names_.tolist() == ["a", None, "c"]
    with pytest.raises(DataError, match="1 names were given for 2 rows"):
        model.name_clusters([[0.1], [0.2]], ["b"])


def test_scaled_fits_find_what_a_scaler_before_them_finds(blobs):
    uneven = blobs * np.array([1, 100, 1e-3, 1, 1, 7], np.float32) + np.float32(50)
    deviation = uneven.std(axis=0)
    scaled = (uneven - uneven.mean(axis=0)) / deviation
    model = KMeans(4, random_state=0, scale="standard").fit(uneven)
    want = KMeans(4, random_state=0).fit(scaled)
    assert model.inertia_ == pytest.approx(want.inertia_, rel=1e-4)
    assert model.score(uneven) == pytest.approx(-model.inertia_, rel=1e-6)
    back = want.cluster_centers_ * deviation + uneven.mean(axis=0)
    order = cdist(model.cluster_centers_ / deviation, back / deviation).argmin(axis=1)
    np.testing.assert_allclose(model.cluster_centers_, back[order], rtol=1e-3)
    assert model.reads_["opening"]["reads"] == 1
    robust = KMeans(4, random_state=0, scale="robust").fit(uneven)._scaling
    low, middle, high = np.quantile(uneven, [0.25, 0.5, 0.75], axis=0)
    np.testing.assert_allclose(robust.center, middle, rtol=1e-3)
    np.testing.assert_allclose(1 / np.array(robust.factor), high - low, rtol=1e-2)


@pytest.mark.usefixtures("no_table")
def test_a_robust_scale_of_more_rows_than_are_drawn():
    x = RNG.standard_normal((200_000, 2)) * [3, 0.1] + [7, -2]
    scaling = KMeans(2, random_state=0, scale="robust", max_iter=9).fit(x)._scaling
    np.testing.assert_allclose((np.array(scaling.center) - [7, -2]) / [3, 0.1], 0, atol=0.03)
    np.testing.assert_allclose(1 / np.array(scaling.factor) / [3, 0.1], 1.349, rtol=0.03)


class TestWarmStarts:
    def test_from_another_model(self, blobs):
        first = KMeans(4, random_state=0, scale="standard").fit(blobs)
        second = KMeans(4, init=first, scale="standard", max_iter=1, algorithm="lloyd").fit(blobs)
        assert second.n_iter_ == 1
        assert np.array_equal(second.labels_, first.labels_)

    def test_a_refit_keeps_the_numbers(self, blobs):
        model = KMeans(4, random_state=0).fit(blobs)
        before, labels = model.cluster_centers_, model.labels_
        for seed in range(1, 6):
            model.set_params(random_state=seed).refit(blobs[::2])
            assert cdist(before, model.cluster_centers_).argmin(axis=1).tolist() == [0, 1, 2, 3]
            assert np.mean(model.labels_ == labels[::2]) > 0.99
            assert np.array_equal(model.predict(blobs[::2]), model.labels_)

    def test_without_the_matching_the_numbers_would_differ(self, blobs):
        model = KMeans(4, random_state=0).fit(blobs)
        before = model.cluster_centers_
        orders = [
            cdist(before, KMeans(4, random_state=s).fit(blobs).cluster_centers_).argmin(1).tolist()
            for s in range(1, 6)
        ]
        assert any(order != [0, 1, 2, 3] for order in orders)

    def test_more_clusters_than_before_come_last(self, blobs):
        model = KMeans(2, random_state=0).fit(blobs)
        before = model.cluster_centers_
        after = model.set_params(n_clusters=4).refit(blobs).cluster_centers_
        assert len(after) == 4
        apart = cdist(before, after, "sqeuclidean")
        assert apart.trace() == pytest.approx(apart[linear_sum_assignment(apart)].sum())
        assert model.predict(blobs).max() == 3


class TestWritingLabels:
    def test_by_path(self, blobs, tmp_path):
        model = KMeans(4, random_state=0).fit(blobs)
        x = zarr.create_array(tmp_path / "x", data=blobs, chunks=(300, 6), shards=(900, 6))
        out = model.write_labels(x, tmp_path / "l")
        assert np.array_equal(out[:], model.labels_)
        with pytest.raises(OutputExistsError):
            model.write_labels(x, tmp_path / "l")

    @pytest.mark.parametrize(
        ("shape", "dtype", "chunks", "message"),
        [
            ((4999,), "u1", (300,), "shape"),
            ((5000,), "f4", (300,), "dtype"),
            ((5000,), "u1", (350,), "two tasks would write the same chunk"),
        ],
    )
    def test_what_cannot_take_them_is_refused_before_a_read(
        self, blobs, tmp_path, shape, dtype, chunks, message, monkeypatch
    ):
        model = KMeans(4, random_state=0).fit(blobs)
        x = da.from_array(blobs, chunks=(300, 6))
        out = zarr.create_array(tmp_path / "o", shape=shape, dtype=dtype, chunks=chunks)
        monkeypatch.setattr(streamkm.rows.Block, "tiles", None)
        with pytest.raises(DataError, match=message):
            model.write_labels(x, out)

    @pytest.mark.parametrize("seed", range(100))
    def test_any_store_gets_the_right_labels_or_none(self, seed, blobs, tmp_path):
        """zarr-python#3682: two tasks that write the same shard lose chunks of each other."""
        rng = np.random.default_rng(seed)
        x = da.from_array(blobs, chunks=(int(rng.integers(100, 900)), 6))
        if seed % 2:
            step = int(rng.choice([100, 250, 300]))
            x = zarr.create_array(tmp_path / "x", data=blobs, chunks=(step, 6))
        chunk = int(rng.choice([50, 100, 150, 300]))
        out = zarr.create_array(
            tmp_path / "o",
            shape=(5000,),
            dtype="u1",
            chunks=(chunk,),
            shards=(chunk * int(rng.integers(1, 5)),),
        )
        model = KMeans.from_centroids(blobs[:5])
        refused = False
        with suppress(DataError):
            refused = True
            model.write_labels(x, out)
            refused = False
        want = reference.labels(blobs, blobs[:5])
        assert np.array_equal(out[:], np.zeros_like(want) if refused else want)


def test_what_is_not_a_model_is_named(tmp_path):
    with pytest.raises(NotAModelError, match="is not a streamkm model"):
        streamkm.load(tmp_path / "nothing")
