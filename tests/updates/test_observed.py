"""k-means of rows with gaps: every iteration is the oracle's, on every scheduler, and resumes."""

from __future__ import annotations

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr

import streamkm
from streamkm.checkpoint import flatten, restore
from streamkm.errors import DataError
from streamkm.fitting import first_state, fit, iterate
from streamkm.passes import FeatureMoments, LloydObserved, Moments, ObservedSums
from streamkm.rows import Block, Missing, Room, open_rows
from streamkm.updates import LloydUpdate, ObservedUpdate, StopRules
from tests import reference
from tests.checkpoint.test_states import alike
from tests.conftest import mixture

pytestmark = pytest.mark.filterwarnings("ignore:stopped after max_iter")
K = 4


def with_gaps(share, n=600, d=5, seed=0):
    x = mixture(n, d, K, seed=seed, dtype=np.float64)
    x[np.random.default_rng(seed + 1).random(x.shape) < share] = np.nan
    return x


X = with_gaps(0.3)
START = with_gaps(0.0)[[2, 9, 40, 77]]
STEPS = {"tol": 0, "max_iter": 8, "loss_tol": None}


def fitted(x=X, weights=None, start=START, **more):
    km = streamkm.KMeans(K, init=start, missing="impute", random_state=0, **STEPS | more)
    return km.fit(x, sample_weight=weights)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_every_iteration_is_the_oracles_and_the_loss_never_rises(share):
    x = with_gaps(share)
    x = x[~np.isnan(x).all(axis=1)]
    weights = np.random.default_rng(2).integers(0, 4, len(x)).astype(float)
    for given in (None, weights):
        km = fitted(x, given, empty_cluster="keep")
        steps = reference.k_pod(x, START, len(km.history_) + 1, given)
        losses = [loss for _, loss in steps]
        np.testing.assert_allclose(km.history_["inertia"], losses[:-1], rtol=1e-12)
        np.testing.assert_allclose(km.cluster_centers_, steps[-1][0], rtol=1e-10)
        assert km.inertia_ == pytest.approx(losses[-1], rel=1e-12)
        assert (np.diff([*km.history_["inertia"], km.inertia_]) <= 1e-9 * km.inertia_).all()
        expected = reference.observed_distances(x, km.cluster_centers_).argmin(axis=1)
        assert np.array_equal(km.labels_, expected)
        counts = np.bincount(expected, given, minlength=K)
        np.testing.assert_allclose(km.counts_, counts)


def test_the_end_is_a_fixed_point_of_filling_gaps_with_centroids_and_taking_means():
    km = fitted(max_iter=200)
    assert km.stop_reason_ == "nothing moved"
    there = ~np.isnan(X)
    kept = there.any(axis=1)
    filled = np.where(there, X, km.cluster_centers_[km.labels_])[kept]
    assert np.array_equal(reference.labels(filled, km.cluster_centers_), km.labels_[kept])
    np.testing.assert_allclose(
        reference.means(filled, km.labels_[kept], K), km.cluster_centers_, rtol=1e-12
    )
    assert reference.inertia(filled, km.cluster_centers_) == pytest.approx(km.inertia_, rel=1e-12)


@pytest.mark.parametrize("init", ["auto", "k-means||", "random"])
def test_without_gaps_it_is_plain_k_means_with_the_same_seeding(init):
    rows = rows_of(with_gaps(0.0))
    plain, observed = (
        iterate(rows, first_state(rows, K, init, (1, 2), update(StopRules(9, 0)), Room(0, 300)))
        for update in (LloydUpdate, ObservedUpdate)
    )
    pairs = list(zip(plain.trajectories, observed.trajectories, strict=True))
    for one, other in pairs:
        np.testing.assert_allclose(other.centroids, one.centroids, rtol=1e-9)
        assert np.array_equal(one.counts, other.counts)
        assert other.inertia == pytest.approx(one.inertia, rel=1e-9)
        assert len(one.history) == len(other.history)


def test_a_weight_of_two_is_the_row_twice():
    weights = np.random.default_rng(5).integers(0, 3, len(X))
    weighted, repeated = fitted(X, weights), fitted(np.repeat(X, weights, axis=0))
    np.testing.assert_allclose(weighted.cluster_centers_, repeated.cluster_centers_, rtol=1e-10)
    assert np.array_equal(weighted.counts_, repeated.counts_)


def test_an_empty_cluster_moves_to_the_row_farthest_in_its_observed_values():
    x = X[~np.isnan(X).all(axis=1)].copy()
    x[11] = [900.0, np.nan, 900.0, np.nan, 900.0]
    start = np.concatenate([START[:-1], [[1e4] * 5]])
    km = fitted(x, start=start, max_iter=1)
    assert km.history_[["empty", "relocated"]].tolist() == [(1, 1)]
    of_row = reference.observed_distances(x, start).argmin(axis=1)
    of_row[11] = K - 1
    expected = reference.observed_means(x, of_row, start)
    assert expected[-1].tolist() == [900.0, 1e4, 900.0, 1e4, 900.0]
    np.testing.assert_allclose(km.cluster_centers_, expected, rtol=1e-12)


def test_the_statistic_is_a_monoid_on_rows_with_gaps():
    x = np.where(np.isnan(X), np.nan, np.rint(X))  # exact sums
    question = LloydObserved(np.rint(START))
    parts = [question(Block.from_values(part)) for part in np.split(x, [7, 7, 200, 431])]
    whole = question(Block.from_values(x))
    for order in (parts, parts[::-1], [ObservedSums.combine(parts[:3]), *parts[3:]]):
        found = ObservedSums.combine(order)
        for name in ("sums", "counts", "seen", "loss"):
            assert np.array_equal(getattr(found, name), getattr(whole, name))
    assert whole.seen.sum() == (~np.isnan(x)).sum()


def first(rows, init="auto", seeds=(1, 2)):
    return first_state(rows, K, init, seeds, ObservedUpdate(StopRules(6, 0)), Room(0, 300))


def rows_of(x, chunk=50):
    return open_rows(da.from_array(x, chunks=(chunk, -1)), missing="impute")


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_a_fit_resumes_from_any_state_with_the_same_bits_and_any_wave(share):
    rows = rows_of(with_gaps(share))  # with 0.9, too few rows are complete for the seeding
    init = "random" if share == 0.9 else "auto"
    states = [first(rows, init), *fit(rows, first(rows, init), wave=8)]
    means = [t.seeding.means for s in states for t in s.trajectories if t.seeding is not None]
    assert any(mean is not None for mean in means) == (share == 0.9)
    for state in states[:-1:2]:
        arrays = []
        saved = restore(flatten(state, arrays), arrays)
        assert alike(saved, state)
        *_, last = fit(rows, saved, wave=64)
        assert alike(last, states[-1])


def test_the_seeding_reads_complete_rows_only_if_there_are_enough():
    x = with_gaps(0.1)
    x[::2, 0] = np.nan
    x[::2, 1:] = 1e3  # rows with gaps far from all others
    rows = rows_of(x)
    *_, begun = (s for s in fit(rows, first(rows, "random")) if not s.trajectories[0].history)
    assert np.abs(begun.trajectories[0].centroids).max() < 100
    question, _ = begun.trajectories[0].ask()
    assert isinstance(question, LloydObserved)


KINDS = {
    "float64": lambda x: x,
    "int16 with nodata": lambda x: xr.DataArray(
        np.where(np.isnan(x), -99, x).astype(np.int16), attrs={"_FillValue": -99}
    ),
    "masked": lambda x: np.ma.masked_array(np.nan_to_num(x, nan=5.0), np.isnan(x)),
    "dask": lambda x: da.from_array(x.astype(np.float32), chunks=(130, -1)),
    "zarr": lambda x: zarr.array(x, chunks=(77, 5)),
    "far from zero": lambda x: x + 2.0**40,
}


@pytest.mark.parametrize("kind", KINDS)
def test_gaps_of_every_kind_of_data_are_the_same(kind):
    x = np.rint(X)
    x[3] = np.nan
    far = 2.0**40 if "far" in kind else 0.0
    plain, km = fitted(x), fitted(KINDS[kind](x), start=START + far)
    np.testing.assert_allclose(
        km.cluster_centers_ - far, plain.cluster_centers_, rtol=1e-9, atol=1e-3 * bool(far)
    )
    labels = np.asarray(km.labels_)
    none = np.isnan(x).all(axis=1)
    assert np.array_equal(labels[~none], plain.labels_[~none])
    assert set(labels[none].tolist()) == {-1 if labels.dtype.kind == "i" else 255}
    assert km.counts_.sum() == (~none).sum()
    assert km.inertia_ == pytest.approx(plain.inertia_, rel=1e-9)


def test_other_answers_of_the_model(tmp_path):
    km = fitted()
    assert np.array_equal(km.predict(X), km.labels_)
    assert -km.score(X) == pytest.approx(km.inertia_, rel=1e-12)
    complete = ~np.isnan(X).any(axis=1)
    apart = km.transform(X)
    assert np.array_equal(np.isnan(apart).all(axis=1), ~complete)
    np.testing.assert_allclose(
        apart[complete] ** 2, reference.squared_distances(X[complete], km.cluster_centers_)
    )
    numbers = km.representatives(X, 2).numbers
    assert complete[numbers[numbers >= 0]].all()
    km.save(tmp_path / "model")
    again = streamkm.load(tmp_path / "model")
    assert again.missing == "impute"
    assert np.array_equal(again.predict(X), km.labels_)
    written = km.write_labels(zarr.array(X, chunks=(100, 5)), tmp_path / "labels.npy")
    assert np.array_equal(written, np.where(km.labels_ < 0, 255, km.labels_))


def test_features_are_scaled_by_the_moments_of_their_observed_values():
    x = X * [1, 10, 100, 0.1, 0.01] + 3
    weights = np.random.default_rng(6).random(len(X))
    there = ~np.isnan(x)
    total = np.where(there, weights[:, None], 0).sum(axis=0)
    means = np.nansum(x * weights[:, None], axis=0) / total
    scale = np.sqrt(np.nansum((x - means) ** 2 * weights[:, None], axis=0) / total)
    start = x[there.all(axis=1)][:K]
    km = fitted(x, weights, start, scale="standard")
    plain = fitted((x - means) / scale, weights, (start - means) / scale)
    assert np.array_equal(km.labels_, plain.labels_)
    assert km.inertia_ == pytest.approx(plain.inertia_, rel=1e-9)
    np.testing.assert_allclose(km.cluster_centers_, plain.cluster_centers_ * scale + means)
    parts = [FeatureMoments()(gaps_of(part)) for part in np.split(x, [1, 300])]
    found, whole = Moments.combine(parts), FeatureMoments()(gaps_of(x))
    np.testing.assert_allclose(found.scale, whole.scale, rtol=1e-12)
    np.testing.assert_allclose(found.means, whole.means, rtol=1e-12)


def gaps_of(x):
    return replace(Block.from_values(x), gaps=True)


WRONG = {
    "scale": ("robust", "does not apply with scale='robust'"),
    "max_size": (3, "does not apply with max_size=3"),
    "missing": ("mean", "use None or 'impute'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_has_no_meaning_is_refused_before_any_read(name):
    value, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        fitted(**{name: value}) if name != "missing" else streamkm.KMeans(2, missing=value).fit(X)
    with pytest.raises(DataError, match="does not apply with metric='cosine'"):
        streamkm.SphericalKMeans(2, missing="impute").fit(X)


def test_a_feature_without_any_value_and_infinite_values():
    x = np.column_stack([X, np.full(len(X), np.nan)])
    with pytest.raises(DataError, match=r"1 of 6 features have no value .* number 5.*leave these"):
        streamkm.KMeans(K, missing="impute").fit(x)
    x[8, 0] = np.inf
    with pytest.raises(DataError, match="1 bad row in the blocks read so far; the first is row 8"):
        streamkm.KMeans(K, missing="impute").fit(x)


def test_the_condition_on_missing_values():
    stored = np.array([[1, -9, 3], [-9, -9, -9], [4, 5, 6]], np.int16)
    missing = Missing((-9,)).with_nan(partial=True)
    assert missing.present(stored).tolist() == [True, False, True]
    np.testing.assert_array_equal(
        missing.with_gaps(stored), np.where(stored == -9, np.nan, stored).astype(np.float32)
    )
    floats = stored.astype(np.float32)
    assert Missing((np.nan,), partial=True).with_gaps(floats) is floats  # no copy
