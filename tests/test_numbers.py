"""Numbers of any type are equivalent; NaN and infinity are not valid thresholds."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from PIL import Image
from sklearn.model_selection import GridSearchCV

import streamkm
from streamkm import BisectingKMeans, KMeans, SphericalKMeans, images
from streamkm.cli import main
from streamkm.errors import DataError
from tests.conftest import mixture

X = mixture(400, 4, 6, dtype=np.float64)
WHOLE = [np.int8, np.uint8, np.int16, np.uint32, np.int64, np.uint64]
REAL = [np.float16, np.float32, np.float64, np.int64]


@pytest.mark.parametrize("number", WHOLE)
@pytest.mark.parametrize("estimator", [KMeans, SphericalKMeans, BisectingKMeans])
def test_whole_numbers_of_numpy(estimator, number, tmp_path):
    values = {"n_clusters": 7, "n_init": 2, "max_iter": 100, "random_state": 3}
    given = {name: number(value) for name, value in values.items()}
    model = estimator(**given, memory_limit=np.int64(2**31)).fit(X)
    want = estimator(**values, memory_limit=2**31).fit(X)
    assert np.array_equal(model.cluster_centers_, want.cluster_centers_)
    assert np.array_equal(model.labels_, want.labels_)
    assert all(model.get_params()[name] is value for name, value in given.items())
    model.save(tmp_path / "m")
    assert streamkm.load(tmp_path / "m").n_clusters == 7
    near = model.representatives(X, np.uint8(2))
    assert np.array_equal(near.numbers, want.representatives(X, 2).numbers)


@pytest.mark.parametrize("number", REAL)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tol", 1),
        ("loss_tol", 1),
        ("distortion_tol", 1),
        ("time_limit", 1000),
        ("checkpoint_every", 60),
    ],
)
def test_real_numbers_of_numpy(number, name, value, tmp_path):
    given, plain = {name: number(value)}, {name: float(value)}
    model = KMeans(5, random_state=0, checkpoint=tmp_path / "c", **given).fit(X)
    want = KMeans(5, random_state=0, checkpoint=tmp_path / "c2", **plain).fit(X)
    assert np.array_equal(model.cluster_centers_, want.cluster_centers_)
    model.save(tmp_path / "m")
    stored = (tmp_path / "m" / "zarr.json").read_text()
    json.loads(stored, parse_constant=pytest.fail)


@pytest.mark.parametrize("number", [np.int8, np.uint8])
def test_the_projection_of_memory_does_not_overflow(number):
    k = 100
    x = mixture(3000, 300, 4)
    limit = 320 * 2**20
    for params in ({"n_clusters": k, "n_init": 9}, {"n_clusters": k, "init": x[:k]}):
        outcomes = []
        for kind in (int, number):
            given = {n: kind(v) if isinstance(v, int) else v for n, v in params.items()}
            model = KMeans(**given, memory_limit=limit)
            options = model._options()
            outcomes.append(options.budget(limit).projected(2**20, 8))
        assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("estimator", [KMeans, SphericalKMeans, BisectingKMeans])
def test_a_grid_search_over_a_range_of_numpy(estimator):
    search = GridSearchCV(estimator(random_state=0), {"n_clusters": np.arange(2, 5)}, cv=2).fit(X)
    assert search.best_params_["n_clusters"] in (2, 3, 4)


def test_numbers_of_numpy_in_a_sweep():
    given = {"n_init": np.int8(2), "max_iter": np.uint8(200), "tol": np.float32(0.5)}
    found = streamkm.sweep(
        X,
        np.arange(1, 4, dtype=np.uint8),
        silhouette_rows=np.uint8(200),
        random_state=np.int64(3),
        memory_limit=np.int64(2**31),
        **given,
    )
    want = streamkm.sweep(
        X, [1, 2, 3], n_init=2, max_iter=200, tol=0.5, silhouette_rows=200, random_state=3
    )
    assert found.drop_attrs().identical(want.drop_attrs())
    assert json.loads(found.attrs["parameters"])["random_state"] == 3


BAD = [np.nan, np.inf, -1.0, "1", None, 1j]


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("name", ["tol", "loss_tol", "distortion_tol", "time_limit"])
def test_thresholds_that_are_no_numbers_are_refused(name, value):
    if value is None and name != "tol":
        return KMeans(2, **{name: value}).fit(X) and None
    with pytest.raises(ValueError, match=f"{name}=.*finite number") as caught:
        KMeans(2, **{name: value}).fit(X)
    assert isinstance(caught.value, TypeError)
    return None


@pytest.mark.parametrize("estimator", [KMeans, SphericalKMeans, BisectingKMeans])
@pytest.mark.parametrize("name", ["n_clusters", "max_iter", "n_init"])
@pytest.mark.parametrize("value", [0, -1, 2.0, np.float64(2), np.nan, "2", None])
def test_counts_that_are_no_whole_numbers_are_refused(estimator, name, value):
    with pytest.raises(DataError, match=f"{name}=.*whole number"):
        estimator(**{"n_clusters": 2, name: value}).fit(X)


@pytest.mark.parametrize("limit", [np.nan, np.inf, -1, "lots"])
@pytest.mark.parametrize("estimator", [KMeans, BisectingKMeans])
def test_memory_limits_that_are_no_sizes_are_refused(estimator, limit):
    with pytest.raises(ValueError, match="is not a size"):
        estimator(2, memory_limit=limit).fit(X)


def test_a_sweep_refuses_them_too():
    for name, value in (("tol", np.nan), ("loss_tol", np.inf), ("loss_tol", "no"), ("n_init", 1.5)):
        with pytest.raises(DataError, match=f"{name}="):
            streamkm.sweep(X, [2], **{name: value})


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    ("command", "option"),
    [
        (("fit", "-k", "2"), "--tol"),
        (("fit", "-k", "2"), "--loss-tol"),
        (("fit", "-k", "2"), "--time-limit"),
        (("fit", "-k", "2"), "--checkpoint-every"),
        (("sweep", "-k", "2"), "--tol"),
        (("sweep", "-k", "2"), "--loss-tol"),
        (("compress",), "--quality"),
        (("compress",), "--bits-per-pixel"),
        (("fit", "-k", "2"), "--memory-limit"),
    ],
)
def test_the_command_line_refuses_what_is_not_finite(command, option, value, tmp_path):
    zarr.create_array(tmp_path / "x", data=X)
    name, *rest = command
    arguments = [name, str(tmp_path / "x"), *rest, "-o", str(tmp_path / "o"), f"{option}={value}"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result.output
    assert not (tmp_path / "o").exists()


class TestImages:
    @pytest.fixture
    def picture(self, tmp_path):
        values = np.random.default_rng(0).integers(256, size=(20, 30, 3), dtype=np.uint8)
        Image.fromarray(values).save(tmp_path / "p.png")
        return str(tmp_path / "p.png")

    @pytest.mark.parametrize("number", [np.uint8, np.int64])
    def test_palettes(self, picture, number):
        want = images.find_palettes(picture, 200, n_init=2, random_state=1)
        found = images.find_palettes(picture, number(200), n_init=number(2), random_state=number(1))
        assert list(found) == list(want) == [("rgb", 200)]
        assert type(next(iter(found))[1]) is int
        assert np.array_equal(found["rgb", 200].colours, want["rgb", 200].colours)
        many = images.find_palettes(picture, np.array([2, 4], number))
        assert list(many) == [("rgb", 2), ("rgb", 4)]

    @pytest.mark.parametrize("number", [np.uint8, np.int64])
    def test_archives(self, picture, number, tmp_path):
        for name, kind in (("a", number), ("b", int)):
            images.compress(
                picture,
                tmp_path / name,
                kind(130),
                patch=(kind(2), kind(2)),
                stages=kind(2),
                quality=np.float32(90) if kind is number else 90.0,
                random_state=kind(1),
                memory_limit=np.int64(2**31) if kind is number else 2**31,
            )
        one, two = (images.Archive(tmp_path / name)["p.png"].values for name in "ab")
        assert np.array_equal(one, two)

    def test_codebooks(self):
        rows = np.random.default_rng(0).integers(256, size=(2000, 4), dtype=np.uint8)
        found = images.fit_codebook(rows, np.uint8(200), stages=np.int8(2), seed=np.int64(1))
        want = images.fit_codebook(rows, 200, stages=2, seed=1)
        assert np.array_equal(found.decode(found.codes(rows)), want.decode(want.codes(rows)))

    @pytest.mark.parametrize(
        "options", [{"quality": np.nan}, {"quality": np.inf}, {"bits_per_pixel": np.inf}]
    )
    def test_what_is_not_finite_is_refused(self, picture, options, tmp_path):
        with warnings.catch_warnings(), pytest.raises(DataError, match="finite number"):
            images.compress(picture, tmp_path / "a", **options)
