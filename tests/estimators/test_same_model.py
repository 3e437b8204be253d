"""A model is the same after storing, loading and pickling, and from the command line."""

from __future__ import annotations

import copy
import io
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner
from sklearn.metrics import pairwise_distances_argmin

import streamkm
from streamkm import BisectingKMeans, KMeans, SphericalKMeans
from streamkm.cli import main
from tests.conftest import mixture

X = mixture(400, 4, 5, dtype=np.float64)
SQUARE = mixture(60, 60, 3, dtype=np.float64) * np.arange(1, 61)
HOLES = np.where(np.arange(400)[:, None] % 9 == np.arange(4), np.nan, X)
CUBE = xr.DataArray(
    X.reshape(20, 20, 2, 2),
    dims=("y", "x", "band", "month"),
    coords={"band": ["red", "nir"], "month": [1, 7]},
)
MASK = np.arange(400) % 3 > 0

KINDS = {
    "plain": (KMeans, {}, X, None),
    "standard": (KMeans, {"scale": "standard"}, X, None),
    "robust": (KMeans, {"scale": "robust", "n_init": 2}, X * [1, 10, 100, 1e4], None),
    "far from zero": (KMeans, {}, X + 1e14, None),
    "far and scaled": (KMeans, {"scale": "standard"}, X + 1e14, None),
    "float32": (KMeans, {"scale": "standard", "tol": np.float32(1e-3)}, X.astype("f4"), None),
    "nodata": (KMeans, {"nodata": float("nan")}, HOLES, None),
    "several nodata": (KMeans, {"nodata": (0.0, np.nan), "scale": "standard"}, HOLES, None),
    "many nodata": (KMeans, {"nodata": np.arange(30) + 0.5}, X, None),
    "no nodata": (KMeans, {"nodata": None}, X, None),
    "feature_dim=0": (KMeans, {"feature_dim": 0}, SQUARE, None),
    "feature_dim=-2": (KMeans, {"feature_dim": -2, "scale": "robust"}, SQUARE, None),
    "several dims": (KMeans, {"feature_dim": ("band", "month")}, CUBE, None),
    "one dim": (KMeans, {"feature_dim": "band", "scale": "standard"}, CUBE, None),
    "names": (KMeans, {"scale": "standard"}, pd.DataFrame(X, columns=list("abcd")), None),
    "mask": (KMeans, {"restarts": "halving", "n_init": 4}, X, MASK),
    "init": (KMeans, {"init": X[:5] + 0.25, "loss_tol": None, "algorithm": "lloyd"}, X, None),
    "init list": (KMeans, {"init": X[:5].tolist(), "scale": "standard"}, X, None),
    "limits": (
        KMeans,
        {"time_limit": 1e6, "distortion_tol": 1e-9, "memory_limit": "4GiB", "loss_tol": 0.0},
        X,
        None,
    ),
    "empty kept": (KMeans, {"empty_cluster": "keep", "init": "random", "copy_x": False}, X, None),
    "spherical": (SphericalKMeans, {"init": "random"}, X, None),
    "spherical mask": (SphericalKMeans, {"checkpoint_every": 5.0}, X, MASK),
    "bisecting": (BisectingKMeans, {}, X, None),
    "bisecting scaled": (
        BisectingKMeans,
        {"scale": "standard", "bisecting_strategy": "largest_cluster", "n_init": 2},
        pd.DataFrame(X, columns=list("abcd")),
        MASK,
    ),
    "bisecting nodata": (BisectingKMeans, {"nodata": np.nan, "feature_dim": 0}, HOLES.T, None),
}


@pytest.fixture(params=KINDS)
def fitted(request):
    kind, params, data, mask = KINDS[request.param]
    return kind(5, **{"random_state": 0} | params).fit(data, mask=mask), data, mask


def saved(model, tmp_path):
    model.save(tmp_path / "m", overwrite=True)
    return streamkm.load(tmp_path / "m")


def joblib_copy(model, _):
    stream = io.BytesIO()
    joblib.dump(model, stream)
    stream.seek(0)
    return joblib.load(stream)


WAYS = {
    "save": saved,
    "save twice": lambda model, tmp_path: saved(saved(model, tmp_path), tmp_path),
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "joblib": joblib_copy,
    "deepcopy": lambda model, _: copy.deepcopy(model),
    "pickle of a loaded one": lambda model, tmp_path: pickle.loads(
        pickle.dumps(saved(model, tmp_path))
    ),
}


def attributes(model):
    return {n: v for n, v in vars(model).items() if n.endswith("_") and n != "labels_"}


def same(a, b):
    if isinstance(a, (list, tuple)) or isinstance(b, (list, tuple)):
        a, b = np.asarray(a), np.asarray(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert a.dtype == object or a.tobytes() == b.tobytes()
        return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    if hasattr(a, "pairs"):
        return same(a.pairs, b.pairs) and same(a.children, b.children)
    return bool(a == b or (a != a and b != b))


def check_same(model, other):
    assert type(model) is type(other)
    want, found = attributes(model), attributes(other)
    assert set(want) == set(found)
    for name, value in want.items():
        assert type(value) is type(found[name]), name
        assert same(value, found[name]), name
    for name, value in model.get_params().items():
        assert same(value, other.get_params()[name]), name


def test_a_model_is_the_same_by_every_way(fitted, tmp_path):
    model, data, mask = fitted
    model.name_clusters(data, np.asarray(model.labels_))
    assert np.array_equal(model.predict(data, mask), model.labels_)
    distances = np.asarray(model.transform(data, mask))
    for way in WAYS.values():
        other = way(model, tmp_path)
        check_same(model, other)
        assert np.array_equal(other.predict(data, mask), model.labels_)
        found = np.asarray(other.transform(data, mask))
        assert np.array_equal(found, distances, equal_nan=True)
        assert other.score(data, mask=mask) == model.score(data, mask=mask)


def test_objects_and_places_of_a_run_are_not_stored(tmp_path):
    init = KMeans(5, random_state=0).fit(X)
    model = KMeans(5, init=init, random_state=np.random.RandomState(0), checkpoint=tmp_path / "c")
    found = saved(model.fit(X), tmp_path).get_params()
    assert (found["init"], found["random_state"], found["checkpoint"]) == ("auto", None, None)


def test_known_centroids_stay_what_they_are(tmp_path):
    model = KMeans.from_centroids(X[:3], nodata=0)
    for way in WAYS.values():
        check_same(model, way(model, tmp_path))


class TestOnTheCommandLine:
    @pytest.mark.parametrize(
        ("options", "params"),
        [
            ({}, {}),
            ({"--scale": "standard"}, {"scale": "standard"}),
            ({"--nodata": "nan,0"}, {"nodata": [np.nan, 0.0]}),
            ({"--feature-dim": "0"}, {"feature_dim": [0]}),
            ({"--loss-tol": "0", "--init": "random"}, {"loss_tol": 0.0, "init": "random"}),
        ],
    )
    def test_a_fit_is_that_of_python(self, options, params, tmp_path):
        data = SQUARE if "--feature-dim" in options else HOLES if "--nodata" in options else X
        zarr.create_array(tmp_path / "x", data=data, chunks=(50, data.shape[1]))
        path, model_path = str(tmp_path / "x"), str(tmp_path / "m")
        flat = [part for option in options.items() for part in option]
        arguments = ["fit", path, "-k", "5", "-o", model_path, "--labels", str(tmp_path / "l")]
        result = CliRunner().invoke(main, [*arguments, *flat])
        assert result.exit_code == 0, result.output
        model = KMeans(5, random_state=0, n_init=1, **params).fit(path)
        model.labels_ = model.labels_.compute()
        other = streamkm.load(model_path)
        # Written labels take a read; lazy labels take it when they are computed.
        spent = ("n_passes_", "bytes_read_", "reads_")
        for name in spent:
            assert hasattr(other, name)
            setattr(other, name, getattr(model, name))
        check_same(model, other)
        assert np.array_equal(zarr.open_array(tmp_path / "l")[...], model.labels_)

    @pytest.mark.parametrize("kind", KINDS)
    def test_predict_gives_the_labels_of_the_estimator(self, kind, tmp_path):
        estimator, params, data, mask = KINDS[kind]
        model = estimator(5, **{"random_state": 0} | params).fit(data, mask=mask)
        model.save(tmp_path / "m")
        if isinstance(data, xr.DataArray):
            names = {"band": np.array([0, 1]), "month": data["month"].values}
            stored = data.assign_coords(names)  # text has no stable dtype in Zarr v3
            if params["feature_dim"] == "band":
                stored = stored.drop_vars("band")
            else:
                stored = stored.drop_vars(["band", "month"])
            stored.to_dataset(name="x").to_zarr(tmp_path / "x", consolidated=False)
        else:
            zarr.create_array(tmp_path / "x", data=np.asarray(data), chunks=(30, 4))
        paths = [str(tmp_path / name) for name in "mx"]
        result = CliRunner().invoke(main, ["predict", *paths, "-o", str(tmp_path / "l")])
        assert result.exit_code == 0, result.output
        written = zarr.open_array(tmp_path / "l")[...].astype(int)
        want = np.asarray(model.predict(str(tmp_path / "x"))).astype(int)
        assert np.array_equal(written, want)


class TestOneSetOfCentroids:
    """Every method uses `cluster_centers_`, also with scaled rows."""

    @pytest.fixture(
        params=[
            (KMeans, None),
            (KMeans, "standard"),
            (KMeans, "robust"),
            (SphericalKMeans, None),
            (BisectingKMeans, None),
            (BisectingKMeans, "standard"),
        ]
    )
    def model(self, request):
        kind, scale = request.param
        scaling = {} if scale is None else {"scale": scale}
        return kind(2, random_state=0, **scaling).fit(X)

    @pytest.mark.parametrize("in_place", [True, False])
    def test_changed_centroids_count_everywhere(self, model, in_place, tmp_path):
        before = model.predict(X)
        swapped = model.cluster_centers_[::-1].copy()
        if in_place:
            model.cluster_centers_[:] = swapped
        else:
            model.cluster_centers_ = swapped
        for other in (model, *(way(model, tmp_path) for way in WAYS.values())):
            assert np.array_equal(other.cluster_centers_, swapped)
            assert np.array_equal(other.predict(X), 1 - before)
            assert np.array_equal(other.label_rows(X), 1 - before)
            assert np.array_equal(other.transform(X).argmin(1), 1 - before)
            near = other.representatives(X).numbers.ravel()
            assert np.array_equal(before[near], [1, 0])

    def test_they_go_into_an_export_and_the_command_line(self, model, tmp_path):
        before = model.predict(X)
        model.cluster_centers_[:] = model.cluster_centers_[::-1].copy()
        model.save(tmp_path / "m")
        zarr.create_array(tmp_path / "x", data=X)
        paths = [str(tmp_path / name) for name in "mx"]
        result = CliRunner().invoke(main, ["predict", *paths, "-o", str(tmp_path / "l")])
        assert result.exit_code == 0, result.output
        assert np.array_equal(zarr.open_array(tmp_path / "l")[...], 1 - before)
        if not isinstance(model, BisectingKMeans):
            assert np.array_equal(model.to_sklearn().predict(X), 1 - before)

    def test_other_values_are_labelled_as_scikit_learn_labels_them(self):
        model = KMeans(3, scale="standard", random_state=0).fit(X)
        mean, deviation = X.mean(axis=0), X.std(axis=0)
        model.cluster_centers_[1] = X[7] + 0.01
        want = pairwise_distances_argmin(
            (X - mean) / deviation, (model.cluster_centers_ - mean) / deviation
        )
        assert np.array_equal(model.predict(X), want)
