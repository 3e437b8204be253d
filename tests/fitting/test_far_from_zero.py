"""Data far from zero relative to their spread: the fit equals that of the same rows near zero.

The expected values come from the rows before the offset was added, in exact arithmetic for sums of
integers.
"""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr
from sklearn.metrics import adjusted_rand_score

import streamkm
from streamkm.checkpoint import Generations, load_saved
from streamkm.cli import main
from streamkm.errors import DataError
from streamkm.passes import Extent, Extents
from streamkm.rows import Block

_RNG = np.random.default_rng(0)
_CENTERS = np.repeat([[0, 0, 0], [6, 0, 0], [0, 7, 1]], 400, axis=0)
NEAR = np.round(16 * (_RNG.normal(size=(1200, 3)) + _CENTERS)) / 16  # exact when 1e14 is added
WHOLE = np.round(NEAR * 16).astype(np.int64)


def loss_of(labels, near, weights=None):
    """The weighted loss of labels about the means of their rows, which lie near zero."""
    weights = np.ones(len(near)) if weights is None else weights
    total = 0.0
    for label in np.unique(labels):
        own, w = near[labels == label], weights[labels == label, None]
        total += float((w * (own - (w * own).sum(axis=0) / w.sum()) ** 2).sum())
    return total


def far(dtype):
    """Rows of a dtype near an end of its range, or where its last bit is a sixteenth."""
    return {
        "float64": NEAR + 1e14,
        "float64 below zero": NEAR - 1e14,
        "int32": (WHOLE + (2**31 - 1000)).astype(np.int32),
        "int64 at 2**53": WHOLE + 2**53,
        "int64 at 2**60": WHOLE + 2**60,
        "int64 at its least": WHOLE + (1000 - 2**63),
        "uint64": (WHOLE + 1000).astype(np.uint64) + np.uint64(2**64 - 3000),
        "one feature only": NEAR + np.array([1e14, 0, 0]),
        "big-endian": (WHOLE + 2**60).astype(">i8"),
    }[dtype]


KINDS = [
    *("float64", "float64 below zero", "int32", "int64 at 2**53", "int64 at 2**60"),
    *("int64 at its least", "uint64", "one feature only", "big-endian"),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("init", ["auto", "k-means++", "random"])
def test_labels_and_loss_are_those_of_the_rows_about_zero(kind, init):
    x = far(kind)
    near = NEAR if x.dtype.kind == "f" else WHOLE.astype(np.float64)
    km = streamkm.KMeans(3, init=init, random_state=0).fit(x)
    about = streamkm.KMeans(3, init=init, random_state=0).fit(near)
    assert adjusted_rand_score(km.labels_, about.labels_) == 1
    assert km.inertia_ == pytest.approx(loss_of(km.labels_, near), rel=1e-9)
    assert np.array_equal(km.predict(x), km.labels_)
    assert -km.score(x) == pytest.approx(km.inertia_, rel=1e-9)


@pytest.mark.parametrize("scale", ["standard", "robust"])
@pytest.mark.parametrize("kind", ["float64", "int64 at 2**60"])
def test_a_scale_is_learned_of_the_rows_about_zero(kind, scale):
    x = far(kind)
    near = NEAR if x.dtype.kind == "f" else WHOLE.astype(np.float64)
    km = streamkm.KMeans(3, scale=scale, random_state=0).fit(x)
    about = streamkm.KMeans(3, scale=scale, random_state=0).fit(near)
    assert adjusted_rand_score(km.labels_, about.labels_) == 1
    assert km.inertia_ == pytest.approx(about.inertia_, rel=1e-9)


def test_weights_bisecting_and_sweeps_see_the_same_rows():
    x, weights = far("int64 at 2**60"), _RNG.integers(1, 5, len(WHOLE))
    near = WHOLE.astype(np.float64)
    km = streamkm.KMeans(3, random_state=0).fit(x, sample_weight=weights)
    assert km.inertia_ == pytest.approx(loss_of(km.labels_, near, weights), rel=1e-9)
    tree = streamkm.BisectingKMeans(3, random_state=0).fit(x)
    about = streamkm.BisectingKMeans(3, random_state=0).fit(near)
    assert adjusted_rand_score(tree.labels_, about.labels_) == 1
    assert np.array_equal(tree.predict(x), tree.labels_)
    found = streamkm.sweep(x, range(1, 5), validation=x)
    expected = streamkm.sweep(near, range(1, 5), validation=near)
    for name in ("train_min", "validation_min", "silhouette", "davies_bouldin"):
        assert found[name].values == pytest.approx(expected[name].values, rel=1e-9, nan_ok=True)
    moved = found["centroids"].values - 2.0**60 - expected["centroids"].values
    assert np.nanmax(np.abs(moved)) <= 128  # half of the last digit of float64 there


@pytest.mark.parametrize("init", ["auto", "random"])
def test_stored_and_lazy_rows_are_shifted_too(init, tmp_path):
    x = np.concatenate([far("float64")] * 40)
    x += _RNG.integers(0, 16, x.shape) / 16  # too many distinct rows for the table
    stored = zarr.create_array(tmp_path / "x", data=x, chunks=(5000, 3))
    first = streamkm.KMeans(3, init=init, random_state=0, memory_limit="400MiB").fit(stored)
    lazy = streamkm.KMeans(3, init=init, random_state=0).fit(da.from_array(x, (5000, 3)))
    centers = (km.cluster_centers_[np.lexsort(km.cluster_centers_.T)] for km in (first, lazy))
    assert next(centers) - next(centers) == pytest.approx(0, abs=0.1)
    assert first.inertia_ == pytest.approx(loss_of(first.labels_.compute(), x - 1e14), rel=1e-9)
    assert lazy.inertia_ == pytest.approx(loss_of(lazy.labels_.compute(), x - 1e14), rel=1e-9)
    assert lazy.reads_["opening"]["reads"] == 1


def test_only_data_far_from_zero_cost_the_further_read():
    for x in (NEAR, NEAR + 1e6, (NEAR + 3e5).astype(np.float32), np.array([[0.0], [1e15]])):
        km = streamkm.KMeans(2, random_state=0).fit(da.from_array(x, (400, -1)))
        assert "opening" not in km.reads_
    whole = (WHOLE % 100 + 60_000).astype(np.uint16)
    assert "opening" not in streamkm.KMeans(2, random_state=0).fit(da.from_array(whole)).reads_


def test_a_model_comes_back_with_its_origin(tmp_path):
    x = far("int64 at 2**60")
    km = streamkm.KMeans(3, random_state=0).fit(x)
    km.save(tmp_path / "model")
    again = streamkm.load(tmp_path / "model")
    assert np.array_equal(again.predict(x), km.labels_)
    assert np.array_equal(again.transform(x), km.transform(x))
    exact = streamkm.KMeans(3, random_state=0).fit(NEAR + 1e14)
    assert np.array_equal(exact.to_sklearn().predict(NEAR + 1e14), exact.labels_)
    scaled = streamkm.KMeans(3, random_state=0, scale="standard").fit(NEAR + 1e14)
    scaled.save(tmp_path / "scaled")
    assert np.array_equal(streamkm.load(tmp_path / "scaled").predict(NEAR + 1e14), scaled.labels_)
    assert np.array_equal(scaled.to_sklearn().predict(NEAR + 1e14), scaled.labels_)


def test_rows_far_from_the_origin_of_a_model_are_labelled_too():
    km = streamkm.KMeans(3, random_state=0).fit(far("int64 at 2**60"))
    ends = np.array([[-(2**63)] * 3, [2**63 - 1] * 3, [0, 0, 0]])
    expected = [
        int(
            np.argmin(
                [
                    sum((int(a) - int(b)) ** 2 for a, b in zip(row, c, strict=True))
                    for c in km.cluster_centers_
                ]
            )
        )
        for row in ends.tolist()
    ]
    assert km.predict(ends).tolist() == expected
    assert km.predict(ends.astype(np.float64)).tolist() == expected
    assert km.predict(ends.astype(np.float32)).tolist() == expected


def test_centroids_given_lie_in_the_units_of_the_data():
    x = far("float64")
    init = x[[0, 500, 900]]
    km = streamkm.KMeans(3, init=init).fit(x)
    about = streamkm.KMeans(3, init=init - 1e14).fit(NEAR)
    assert adjusted_rand_score(km.labels_, about.labels_) == 1
    again = km.refit(x)
    assert adjusted_rand_score(again.labels_, about.labels_) == 1


class TestExchange:
    """Centroids of a model are float64, whose spacing at 2**60 exceeds the spread of the data."""

    X = WHOLE + (2**60 + 1)

    def test_refit_keeps_the_numbers(self):
        km = streamkm.KMeans(3, random_state=0).fit(self.X)
        labels = km.labels_
        assert np.array_equal(km.set_params(random_state=5).refit(self.X).labels_, labels)

    def test_a_stored_sweep_labels_as_its_fit(self, tmp_path):
        zarr.create_array(tmp_path / "x", data=self.X, chunks=(400, 3))
        x, sweep, labels = (str(tmp_path / name) for name in ("x", "s", "labels"))
        main(["sweep", x, "-k", "2:3", "-o", sweep], standalone_mode=False)
        main(["predict", sweep, x, "-k", "3", "-o", labels], standalone_mode=False)
        labels = zarr.open_array(tmp_path / "labels", mode="r")[:]
        km = streamkm.KMeans(3, random_state=0).fit(self.X)
        assert adjusted_rand_score(labels, km.labels_) == 1

    def test_what_float64_cannot_tell_apart_is_refused(self):
        km = streamkm.KMeans(3, random_state=0).fit(self.X)
        for use in (
            lambda: streamkm.KMeans.from_centroids(km.cluster_centers_),
            lambda: streamkm.KMeans(3, init=km).fit(self.X),
            lambda: streamkm.KMeans(3, init=self.X[:3]).fit(self.X),
        ):
            with pytest.raises(DataError, match="Subtract the same origin"):
                use()
        km.cluster_centers_[0] += 512
        with pytest.raises(DataError, match="Subtract the same origin"):
            km.predict(self.X)

    def test_what_float64_can_tell_apart_is_taken(self):
        x = far("float64")
        km = streamkm.KMeans(3, random_state=0).fit(x)
        again = streamkm.KMeans(3, init=km).fit(x)
        assert np.array_equal(again.labels_, km.labels_)
        near = streamkm.KMeans.from_centroids(km.cluster_centers_)
        assert np.mean(near.predict(x) == km.labels_) > 0.99
        assert streamkm.KMeans.from_centroids([[1e15]]).predict([[2.0]]).tolist() == [0]
        same = streamkm.KMeans.from_centroids([[5.0], [5.0]])
        assert same.predict([[2.0]]).tolist() == [0]


def test_a_checkpoint_resumes_to_the_same_bits(tmp_path):
    x = np.concatenate([far("float64")] * 40)
    x += _RNG.integers(0, 16, x.shape) / 16
    asked = {"n_clusters": 3, "init": "random", "random_state": 0}
    stored = da.from_array(x, (5000, 3))
    whole = streamkm.KMeans(**asked).fit(stored)
    first = streamkm.KMeans(**asked, max_iter=2, checkpoint=tmp_path / "c")
    with pytest.warns(match="max_iter"):
        first.fit(stored)
    assert load_saved(Generations(tmp_path / "c", "r")).state.scaling.origin == pytest.approx(
        [1e14] * 3
    )
    resumed = streamkm.KMeans(**asked, checkpoint=tmp_path / "c").fit(stored)
    assert resumed.inertia_ == whole.inertia_
    assert np.array_equal(resumed.cluster_centers_, whole.cluster_centers_)


class TestExtents:
    def test_any_cut_and_order_mean_the_same(self):
        x = NEAR + 1e14
        parts = [Extents()(Block.from_values(part)) for part in np.array_split(x, 7)]
        whole = Extents()(Block.from_values(x[:1000]))
        empty = Extents().identity()
        assert Extent.combine([empty, *parts]).shift == Extent.combine(parts[::-1]).shift
        assert np.array_equal(whole.low, x[:1000].min(axis=0))
        assert np.array_equal(Extent.combine([whole, empty]).high, whole.high)

    def test_an_origin_is_a_number_of_the_dtype(self):
        for kind in ("int64 at 2**60", "uint64", "int64 at its least"):
            x = far(kind)
            origin = Extents()(Block.from_values(x)).shift.origin
            least, most = np.iinfo(x.dtype).min, np.iinfo(x.dtype).max
            assert all(value == int(value) and least <= value <= most for value in origin)
            assert all(abs(int(value) - int(x[0, 0])) < 4096 for value in origin)

    def test_narrow_and_empty_blocks_are_not_asked(self):
        for x in (NEAR.astype(np.float32), WHOLE.astype(np.int16), NEAR[:0]):
            assert Extents()(Block.from_values(x)).shift is None
