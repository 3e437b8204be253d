"""The estimator: the conventions of scikit-learn, and every kind of input and output."""

from __future__ import annotations

import pickle

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
import xarray as xr
import zarr
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from streamkm import KMeans
from streamkm.errors import MemoryLimitError, NonFiniteError
from tests import reference


@pytest.mark.filterwarnings("ignore::streamkm.errors.FewDistinctRowsWarning")
@pytest.mark.filterwarnings("ignore:Number of distinct:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks([KMeans()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def kinds(x, folder):
    store = zarr.create_array(folder / "x.zarr", shape=x.shape, chunks=(500, 6), dtype=x.dtype)
    store[...] = x
    yield "dask", da.from_array(x, chunks=(501, 6)), da.Array
    yield "zarr", store, da.Array
    yield "path", folder / "x.zarr", da.Array
    yield "string", str(folder / "x.zarr"), da.Array
    named = xr.DataArray(x, dims=("row", "band"), coords={"row": np.arange(len(x)) * 2})
    yield "xarray", named, xr.DataArray
    yield "lazy xarray", named.chunk(row=999), xr.DataArray


def test_every_kind_comes_back_as_it_came(blobs, tmp_path):
    init = blobs[:5].astype(np.float64)
    want = KMeans(5, init=init).fit(blobs)
    assert want.labels_.dtype == np.int32
    assert np.array_equal(want.labels_, reference.labels(blobs, want.cluster_centers_))
    for name, data, kind in kinds(blobs, tmp_path):
        km = KMeans(5, init=init).fit(data)
        np.testing.assert_allclose(km.cluster_centers_, want.cluster_centers_, rtol=1e-10)
        for labels in (km.labels_, km.predict(data), KMeans(5, init=init).fit_predict(data)):
            assert type(labels) is kind, name
            assert labels.dtype == np.uint8
            assert labels.shape == (5000,)
            assert np.array_equal(np.asarray(labels), want.labels_), name
        distances = km.transform(data)
        assert type(distances) is kind, name
        assert (distances.shape, distances.dtype) == ((5000, 5), np.float32)
        np.testing.assert_allclose(np.asarray(distances), want.transform(blobs), rtol=1e-6)
        assert km.score(data) == pytest.approx(-want.inertia_, rel=1e-9)
        assert km.n_features_in_ == 6


def test_a_cube_keeps_its_dims_and_coordinates():
    cube = xr.DataArray(
        np.random.default_rng(0).integers(0, 255, (3, 4, 20, 30)).astype(np.uint8),
        dims=("time", "band", "y", "x"),
        coords={"band": list("rgbn"), "y": np.arange(20), "lat": (("y", "x"), np.ones((20, 30)))},
    ).chunk(time=1, band=2, y=7)
    km = KMeans(300, init="random", feature_dim="band", n_init=1, random_state=0, max_iter=2)
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        km.fit(cube)
    assert km.labels_.dims == ("time", "y", "x")
    assert set(km.labels_.coords) == {"y", "lat"}
    assert km.labels_.dtype == np.uint16
    assert km.labels_.chunks == ((1, 1, 1), (7, 7, 6), (30,))
    rows = np.moveaxis(cube.to_numpy(), 1, -1).reshape(-1, 4)
    want = reference.labels(rows, km.cluster_centers_).reshape(3, 20, 30)
    assert np.array_equal(km.labels_.to_numpy(), want)
    assert km.transform(cube).dims == ("time", "y", "x", "cluster")


def test_a_numpy_cube_gives_numpy_labels():
    cube = np.random.default_rng(0).random((4, 6, 5))
    km = KMeans(3, feature_dim=0, random_state=0).fit(cube)
    assert isinstance(km.labels_, np.ndarray)
    assert km.labels_.shape == (6, 5)
    assert np.array_equal(km.predict(cube), km.labels_)


def test_small_data_are_read_once_and_labelled(blobs):
    lazy = KMeans(4, random_state=0).fit(da.from_array(blobs, chunks=(1000, 6)))
    assert lazy.reads_ == {"seeding": {"reads": 1, "bytes": blobs.nbytes}}
    eager = KMeans(4, random_state=0).fit(blobs)
    assert eager.reads_["labelling"] == {"reads": 1, "bytes": blobs.nbytes}
    assert eager.n_passes_ == 2
    assert eager.inertia_ == pytest.approx(reference.inertia(blobs, eager.cluster_centers_))


@pytest.mark.usefixtures("no_table")
def test_reads_and_bytes_are_counted(blobs):
    lazy = da.from_array(blobs, chunks=(1000, 6))
    km = KMeans(4, random_state=0, tol=0).fit(lazy)
    assert km.stop_reason_ == "nothing moved"
    assert km.n_passes_ == 2 + km.history_["read"].sum()  # the last iteration also gave the loss
    assert km.bytes_read_ == km.n_passes_ * blobs.nbytes
    eager = KMeans(4, random_state=0, tol=0).fit(blobs)
    assert eager.n_passes_ == 2 + eager.n_iter_ + 1  # labelling
    early = KMeans(4, init="random", n_init=1, random_state=0, tol=0.5).fit(blobs)
    assert early.stop_reason_ == "centroid shift"
    assert early.n_passes_ == 1 + early.n_iter_ + 1  # labels and the final loss in one read
    assert early.inertia_ == pytest.approx(reference.inertia(blobs, early.cluster_centers_))


def test_history_is_a_column_for_each_thing(blobs):
    km = KMeans(4, init="random", n_init=1, random_state=0, tol=0).fit(blobs)
    assert km.history_.dtype.names == ("inertia", "shift", "empty", "relocated", "read")
    assert not km.history_["read"].any()  # few enough rows for the table of distinct rows
    assert len(km.history_) == km.n_iter_
    assert len(km.history_) > 3
    assert (np.diff(km.history_["inertia"]) <= 0).all()


def test_a_dataarray_in_memory_is_labelled_by_the_reads_that_are_counted(blobs):
    named = xr.DataArray(blobs, dims=("row", "band"))
    km, plain = (KMeans(4, random_state=0).fit(data) for data in (named, blobs))
    assert km.n_passes_ == plain.n_passes_
    assert isinstance(km.labels_.data, np.ndarray)


def test_labels_hold_every_fitted_cluster_whatever_the_parameters_say_now(blobs):
    km = KMeans(300, init="random", n_init=1, random_state=0).fit(da.from_array(blobs))
    km.set_params(n_clusters=2)
    assert int(km.predict(da.from_array(blobs)).max()) == 299


def test_the_limit_counts_what_transform_answers(tmp_path):
    store = zarr.create_array(tmp_path / "x", shape=(10**8, 3), chunks=(10**5, 3), dtype="u1")
    km = KMeans(64, memory_limit="1GiB")
    km.cluster_centers_, km.n_features_in_ = np.zeros((64, 3)), 3
    distances = km.transform(store)
    assert distances.nbytes / distances.npartitions < 2**30 / 10


def test_random_states(blobs):
    def centres(state):
        return KMeans(4, random_state=state).fit(blobs).cluster_centers_

    assert np.array_equal(centres(3), centres(3))
    assert np.array_equal(centres(np.random.RandomState(3)), centres(np.random.RandomState(3)))
    assert not np.array_equal(centres(3), centres(4))


def test_n_init_means_what_scikit_learn_means(blobs):
    few = KMeans(8, init="random", n_init=1, random_state=1).fit(blobs)
    many = KMeans(8, init="random", n_init=10, random_state=1).fit(blobs)
    assert many.inertia_ <= few.inertia_
    auto = KMeans(8, init="random", random_state=1).fit(blobs)
    assert auto.inertia_ == many.inertia_


def test_a_function_as_init_is_called_once_a_restart(blobs):
    given = []

    def init(X, n_clusters, random_state):
        given.append(X[random_state.choice(len(X), n_clusters, replace=False)])
        return given[-1]

    km = KMeans(8, init=init, n_init=5, random_state=0).fit(blobs)
    alone = [KMeans(8, init=centroids).fit(blobs).inertia_ for centroids in given]
    assert len(given) == 5
    assert km.inertia_ == min(alone) < max(alone)
    again = KMeans(8, init=init, n_init=5, random_state=0).fit(blobs.tolist())
    assert np.array_equal(given[:5], np.float32(given[5:]))
    assert again.inertia_ == pytest.approx(km.inertia_)


@pytest.mark.parametrize("lazy", [True, False])
def test_a_function_as_init_is_not_called_with_what_is_no_array_of_rows(blobs, lazy):
    data = da.from_array(blobs) if lazy else blobs
    km = KMeans(3, init=lambda *_: pytest.fail("called"), feature_dim=None if lazy else 0)
    with pytest.raises(ValueError, match="call the function yourself and pass the array"):
        km.fit(data)


def test_a_list_is_an_array_of_centroids(blobs):
    km = KMeans(5, init=blobs[:5].tolist()).fit(blobs)
    assert np.array_equal(
        km.cluster_centers_, KMeans(5, init=blobs[:5]).fit(blobs).cluster_centers_
    )


@pytest.mark.parametrize("path", ["table", "reads"])
def test_clusters_that_stay_empty_are_told_of_also_where_labels_are_lazy(path, request):
    if path == "reads":
        request.getfixturevalue("no_table")
    x = np.repeat([[0.0], [1.0], [5.0]], 50, axis=0)
    init = [[0.0], [1.0], [5.0], [9.0]]
    for data in (x, da.from_array(x, chunks=(40, 1))):
        with pytest.warns(ConvergenceWarning, match=r"distinct clusters \(3\) found .* \(4\)"):
            KMeans(4, init=init, empty_cluster="keep").fit(data)


def test_several_inits_of_given_centroids_are_one_and_that_is_said(blobs):
    with pytest.warns(RuntimeWarning, match="only one init in KMeans instead of n_init=3"):
        KMeans(5, init=blobs[:5], n_init=3).fit(blobs)


def test_a_fitted_estimator_pickles_without_its_data(blobs):
    rows = np.tile(blobs, (20, 20))
    km = KMeans(64, init="random", n_init=1, random_state=0, max_iter=2)
    with pytest.warns(ConvergenceWarning):
        km.fit(da.from_array(rows, chunks=(5000, 120)))
    sent = pickle.dumps(km)
    assert len(sent) < 2 * km.cluster_centers_.nbytes
    back = pickle.loads(sent)
    assert np.array_equal(back.predict(rows[:500]), km.predict(rows[:500]))
    assert not hasattr(back, "labels_")
    assert hasattr(km, "labels_")
    assert clone(km).get_params()["max_iter"] == 2


def test_labels_of_data_in_memory_survive_pickling(blobs):
    km = KMeans(3, random_state=0).fit(blobs)
    assert np.array_equal(pickle.loads(pickle.dumps(km)).labels_, km.labels_)


def test_sparse_input_is_refused_and_the_tag_says_so():
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        KMeans(2).fit(sp.eye(10, format="csr"))
    assert KMeans().__sklearn_tags__().input_tags.sparse is False


@pytest.mark.parametrize("kind", ["numpy", "dask"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_rows_are_named(blobs, kind, bad):
    spoilt = blobs.copy()
    spoilt[2500, 3] = bad
    data = spoilt if kind == "numpy" else da.from_array(spoilt, chunks=(1000, 6))
    with pytest.raises(NonFiniteError, match="1 bad row .*row 2500"):
        KMeans(3).fit(data)
    km = KMeans(3, random_state=0).fit(blobs)
    with pytest.raises(NonFiniteError, match="row 2500"):
        np.asarray(km.predict(data))
    with pytest.raises(NonFiniteError, match="row 2500"):
        km.score(data)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_clusters": 0}, "n_clusters"),
        ({"n_clusters": 6000}, "n_samples=5000 should be >= n_clusters=6000"),
        ({"init": "kmeans"}, "one of"),
        ({"init": np.zeros((3, 6))}, "does not match"),
        ({"init": np.zeros((8, 5))}, "does not match the number of features of the data 6"),
        ({"init": np.zeros((1, 8, 6))}, "does not match the number of clusters 8"),
        ({"init": lambda X, k, random_state: X[:2]}, "does not match the number of clusters 8"),
        ({"n_init": 0}, "n_init"),
        ({"max_iter": 0}, "max_iter"),
        ({"tol": -1}, "tol"),
        ({"tol": None}, "tol"),
        ({"algorithm": "elkan"}, "use 'auto' or 'lloyd'"),
        ({"empty_cluster": "zero"}, "'relocate' or 'keep'"),
        ({"memory_limit": "much"}, "write 2GiB"),
    ],
)
def test_bad_parameters_are_refused_before_any_work(blobs, parameters, message):
    with pytest.raises((ValueError, TypeError), match=message):
        KMeans(**parameters).fit(blobs)


def test_another_number_of_features_is_refused(blobs):
    km = KMeans(3, random_state=0).fit(blobs)
    for data in (blobs[:, :5], da.from_array(blobs[:, :5], chunks=1000)):
        with pytest.raises(ValueError, match="X has 5 features, but KMeans is expecting 6"):
            km.predict(data)


def test_a_limit_that_cannot_be_kept_is_refused(tmp_path):
    store = zarr.create_array(tmp_path / "x", shape=(2**20, 64), chunks=(2**18, 64), dtype="f4")
    with pytest.raises(MemoryLimitError, match=r"falls to .* with the data in chunks of 1\.0 MiB"):
        KMeans(3, memory_limit="400MiB").fit(store)


def test_predicting_before_fitting(blobs):
    with pytest.raises(NotFittedError):
        KMeans().predict(blobs)


@pytest.mark.usefixtures("no_table")
def test_verbose_prints_a_line_a_read_and_how_it_ended(blobs, capsys):
    km = KMeans(3, random_state=0, verbose=1, tol=0).fit(da.from_array(blobs, chunks=(999, 6)))
    *lines, ending = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 + km.n_iter_
    assert ["(read " in line for line in lines[3:]] == km.history_["read"].tolist()
    assert lines[:2] == ["Seeding (read 1)", "Seeding (read 2)"]
    assert lines[2] == "Initialization complete (in memory)"
    assert "stop: nothing moved" in lines[-1]
    assert ending == f"Converged at iteration {km.n_iter_}: strict convergence."


def test_verbose_names_what_ended_the_fit(blobs, capsys):
    options = {"init": "random", "n_init": 1, "random_state": 0, "verbose": 1}
    KMeans(3, tol=0.5, **options).fit(blobs)
    assert "center shift " in (said := capsys.readouterr().out.splitlines())[-1]
    assert said[:2] == [
        "All 5,000 distinct rows, so the fit needs no further read (in memory)",
        "Initialization complete (in memory)",
    ]
    with pytest.warns(ConvergenceWarning):
        KMeans(3, max_iter=2, **options).fit(blobs)
    assert capsys.readouterr().out.endswith("\nStopped at iteration 2: max_iter.\n")
