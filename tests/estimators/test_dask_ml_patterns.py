"""Usage patterns of `dask_ml.cluster.KMeans`, with `streamkm.KMeans`."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
import sklearn.cluster
from sklearn.base import clone
from sklearn.metrics import v_measure_score
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from streamkm import KMeans
from tests import reference


@pytest.fixture(params=["table", "reads"], autouse=True)
def either_way(request):
    if request.param == "reads":
        request.getfixturevalue("no_table")


@pytest.fixture
def x(blobs):
    return da.from_array(blobs, chunks=(700, 6))


@pytest.fixture
def reads():
    """Counts of how often each block of the data was computed, and the data."""
    made = []

    def block(block_info=None):
        at = block_info[None]["chunk-location"][0]
        made.append(at)
        return np.random.default_rng(at).normal(at % 3 * 9, 1, (100, 2))

    data = da.map_blocks(block, chunks=((100,) * 6, (2,)), dtype=float, meta=np.empty((0, 0)))
    return made, data


def test_from_given_centroids_it_ends_where_scikit_learn_does(x, blobs):
    options = {"init": blobs[:8].astype(np.float64), "n_clusters": 8, "tol": 0}
    ours = KMeans(algorithm="lloyd", **options).fit(x)
    theirs = sklearn.cluster.KMeans(n_init=1, **options).fit(blobs.astype(np.float64))
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_)
    assert np.array_equal(ours.labels_.compute(), theirs.labels_)
    assert ours.inertia_ == pytest.approx(theirs.inertia_)


@pytest.mark.parametrize("init", ["auto", "k-means||", "k-means++", "random"])
def test_every_init_finds_blobs_that_are_easy_to_find(init):
    truth = np.arange(900) % 3
    x = np.random.default_rng(0).normal(size=(900, 2)) + 30 * truth[:, None]
    km = KMeans(n_clusters=3, init=init, random_state=0).fit(da.from_array(x, chunks=(200, 2)))
    assert v_measure_score(truth, km.labels_.compute()) == 1


def test_nothing_is_read_before_labels_are_asked_for(reads):
    made, data = reads
    km = KMeans(3, random_state=0).fit(data)
    made.clear()
    labels, distances, known = km.predict(data), km.transform(data), km.labels_
    assert not made
    assert (labels.shape, distances.shape) == ((600,), (600, 3))
    labels[100:200].compute()
    assert made == [1]
    made.clear()
    found, far, fitted = dask.compute(labels, distances, known)
    assert sorted(made) == list(range(6))  # one read for all three
    assert np.array_equal(found, far.argmin(axis=1))
    assert np.array_equal(found, fitted)


def test_every_tenth_label_is_drawn_beside_every_tenth_row(x, blobs):
    km = KMeans(n_clusters=3, random_state=0).fit(x.persist())
    want = reference.labels(blobs, km.cluster_centers_)
    assert np.array_equal(km.labels_[::10].compute(), want[::10])
    assert km.labels_.chunks == (x.chunks[0],)
    means = [x[km.labels_ == j].mean(axis=0).compute() for j in range(3)]
    np.testing.assert_allclose(means, [blobs[want == j].mean(axis=0) for j in range(3)], rtol=1e-5)


def test_new_data_may_have_other_chunks_and_be_of_any_kind(x, blobs):
    km = KMeans(5, random_state=0).fit(x)
    want = reference.labels(blobs, km.cluster_centers_)
    for data in (x.rechunk((1000, 2)), x.rechunk((5000, 6)), blobs, blobs.tolist()):
        assert np.array_equal(np.asarray(km.predict(data)), want)
        np.testing.assert_allclose(np.asarray(km.transform(data)).argmin(axis=1), want)


def test_a_filter_leaves_chunks_of_unknown_sizes(x, blobs):
    some = x[x[:, 0] > 0]
    assert np.isnan(some.shape[0])
    rows = blobs[blobs[:, 0] > 0]
    init = rows[:4].astype(np.float64)
    km, known = (KMeans(4, init=init, algorithm="lloyd").fit(data) for data in (some, rows))
    np.testing.assert_allclose(km.cluster_centers_, known.cluster_centers_)
    for labels in (km.labels_, km.predict(some), clone(km).fit_predict(some)):
        assert np.array_equal(labels.compute(), known.labels_)
    assert km.transform(some).compute().shape == (len(rows), 4)


@pytest.mark.parametrize("dtype", ["u1", "i4", "i8", "f4", "f8"])
def test_every_dtype_is_taken_as_it_is(dtype):
    rows = np.random.default_rng(0).integers(0, 200, (500, 3)).astype(dtype)
    data = da.from_array(rows, chunks=(90, 3))
    km = KMeans(4, random_state=0).fit(data)
    assert km.transform(data).dtype == ("f4" if dtype == "f4" else "f8")
    assert np.array_equal(km.labels_.compute(), reference.labels(rows, km.cluster_centers_))


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")  # some seeds empty a cluster
@pytest.mark.parametrize("init", ["auto", "k-means||", "random"])
def test_a_random_state_is_a_number_or_a_generator_that_goes_on(init, x):
    def centroids(random_state):
        km = KMeans(8, init=init, n_init=1, max_iter=20, tol=1e9, random_state=random_state)
        return km.fit(x).cluster_centers_

    assert np.array_equal(centroids(7), centroids(np.int64(7)))
    one, other = np.random.RandomState(7), np.random.RandomState(7)
    first = centroids(one)
    assert np.array_equal(first, centroids(other))
    assert not np.array_equal(first, centroids(one))
    others = [centroids(None) for _ in range(4)]  # some may end in the same optimum
    assert not all(np.array_equal(others[0], other) for other in others[1:])


def test_it_is_a_step_of_a_pipeline_that_stays_lazy(x, blobs):
    halved = FunctionTransformer(lambda rows: rows / 2)
    steps = make_pipeline(halved, KMeans(5, random_state=0)).fit(x)
    assert isinstance(labels := steps.predict(x), da.Array)
    want = reference.labels(blobs / 2, steps[-1].cluster_centers_)
    assert np.array_equal(labels.compute(), want)
    assert isinstance(steps.transform(x), da.Array)


def test_a_fitted_one_labels_blocks_as_parallel_post_fit_does(x, blobs):
    km = KMeans(5, random_state=0).fit(blobs[:500])
    labels = x.map_blocks(km.predict, drop_axis=1, dtype=np.int32)
    assert np.array_equal(labels.compute(), km.predict(blobs))


def test_one_is_cloned_and_refitted_for_each_of_a_grid(x):
    base, found = KMeans(random_state=0), {}
    for options in ParameterGrid({"n_clusters": [2, 4, 8]}):
        km = clone(base).set_params(**options).fit(x)
        assert km.cluster_centers_.shape == (options["n_clusters"], 6)
        found[options["n_clusters"]] = km.inertia_
        assert clone(km).fit(x).inertia_ == km.inertia_
    assert found[2] > found[4] > found[8]
    assert not hasattr(base, "cluster_centers_")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"init": "bad"}, "one of"),
        ({"init": 2}, "does not match the number of clusters"),
        ({"init": np.zeros((3, 6))}, "does not match the number of clusters"),
        ({"init": np.zeros((8, 5))}, "does not match the number of features"),
    ],
)
def test_a_bad_init_is_refused(options, message, reads):
    made, data = reads
    with pytest.raises(ValueError, match=message):
        KMeans(**options).fit(da.concatenate([data] * 3, axis=1))
    assert not made


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.empty((0, 2)), "0 sample"),
        (np.array([[0.0, 1.0]]), "n_samples=1 should be >= n_clusters=2"),
        (np.array([[0.0, 1.0], [np.nan, 0.0], [1.0, 1.0]]), "row 1"),
        (np.array([[0.0, 1.0], [0.0, 0.0], [1.0, -np.inf]]), "row 2"),
    ],
)
def test_data_that_cannot_be_clustered_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        KMeans(2).fit(da.from_array(rows, chunks=(2, 2)))
