"""Clusters of bounded size: bounds hold exactly, at the least loss."""

from __future__ import annotations

from dataclasses import replace

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from scipy.optimize import linear_sum_assignment

import streamkm
from streamkm.checkpoint.tree import flatten, restore
from streamkm.errors import DataError, MemoryLimitError
from streamkm.fitting import first_state, iterate, label
from streamkm.fitting.fit import fit
from streamkm.in_memory import bounded_steps, descent
from streamkm.in_memory.prices import exchanged, nearby_prices
from streamkm.in_memory.size_bounds import SizeBounds
from streamkm.passes import Candidates
from streamkm.reasons import TIME_LIMIT
from streamkm.rows import Room, open_rows
from streamkm.updates import BoundedUpdate, StopRules
from streamkm.updates import bounded as module
from streamkm.updates.bounded_state import not_bounded
from tests.reference import squared_distances

K = 5
RNG = np.random.default_rng(3)
CENTRES = RNG.normal(size=(K, 4)) * 1.5
X = CENTRES[RNG.choice(K, 900, p=[0.5, 0.2, 0.15, 0.1, 0.05])] + RNG.normal(size=(900, 4))


def least_loss(x, centroids, low, high):
    """The least loss within bounds, by an assignment of rows to places."""
    k = len(centroids)
    clusters = np.concatenate([np.repeat(np.arange(k), low), np.repeat(np.arange(k), high - low)])
    costs = squared_distances(x, centroids)[:, clusters]
    rows, places = linear_sum_assignment(costs - 1e6 * (np.arange(len(clusters)) < k * low))
    return costs[rows, places].sum()


def sizes_of(labels, k=K):
    return np.bincount(np.asarray(labels).ravel(), minlength=k)


@pytest.mark.parametrize(("low", "high"), [(3, 3), (0, 4), (2, 8), (1, 3)])
@pytest.mark.parametrize("seed", range(4))
def test_few_rows_are_assigned_at_the_least_loss(low, high, seed):
    x = np.random.default_rng(seed).normal(size=(9, 2)).round(seed)
    fitted = streamkm.KMeans(3, random_state=seed, min_size=low, max_size=high).fit(x)
    sizes = sizes_of(fitted.labels_, 3)
    assert sizes.min() >= low
    assert sizes.max() <= high
    loss = np.square(x - fitted.cluster_centers_[fitted.labels_]).sum()
    assert fitted.inertia_ == pytest.approx(loss)
    assert loss == pytest.approx(least_loss(x, fitted.cluster_centers_, low, high))


@pytest.fixture
def small(monkeypatch):
    """A fit whose sample and rows in memory are a small part of the data."""
    monkeypatch.setattr(module, "_WHOLE", 0)
    monkeypatch.setattr(module, "_LEAST", 120)
    monkeypatch.setattr(module, "_EACH", 0)
    monkeypatch.setattr(module, "_FEW", 20)

    def run(chunk=100, mask=None, **bounds):
        rows = open_rows(da.from_array(X, chunks=(chunk, -1)), mask=mask)
        update = BoundedUpdate(StopRules(max_iter=8), True, **bounds)
        state = iterate(rows, first_state(rows, K, "random", [5], update, Room(0, 400)))
        labels = np.empty(len(X), np.int32)
        return label(rows, state, labels).best, labels

    return run


def test_rows_beyond_the_memory_are_assigned_at_nearly_the_least_loss(small):
    best, labels = small(min_size=170, max_size=190)
    sizes = sizes_of(labels)
    assert sizes.min() >= 170
    assert sizes.max() <= 190
    assert np.array_equal(sizes, best.counts)
    loss = squared_distances(X, best.centroids)[np.arange(len(X)), labels].sum()
    assert best.inertia == pytest.approx(loss)
    least = least_loss(X, best.centroids, 170, 190)
    assert least * (1 - 1e-12) <= loss <= least * 1.001
    nearest = squared_distances(X, best.centroids).min(axis=1).sum()
    assert best.state.unbounded_inertia == pytest.approx(nearest)


def test_bounds_that_no_cluster_meets_change_nothing(small):
    best, labels = small(max_size=len(X))
    assert best.inertia == pytest.approx(best.state.unbounded_inertia)
    assert np.array_equal(labels, squared_distances(X, best.centroids).argmin(axis=1))


def test_the_scheduler_does_not_change_a_bit(small):
    found = []
    for scheduler in ("synchronous", "threads"):
        with dask.config.set(scheduler=scheduler, num_workers=2):
            best, labels = small(max_size=185)
        found.append((best.centroids.tobytes(), labels.tobytes(), best.inertia))
    assert found[0] == found[1]


@pytest.fixture
def stepping(monkeypatch):
    """Rows and the first state of a fit that yields a state after every step on its sample."""
    monkeypatch.setattr(descent, "_WHILE", -1.0)
    monkeypatch.setattr(bounded_steps, "LEAST", 20)  # so that quarters of the sample come first
    rows = open_rows(da.from_array(X, chunks=(100, -1)))
    update = BoundedUpdate(StopRules(max_iter=8), True, max_size=185)
    return rows, first_state(rows, K, "random", [5], update, Room(0, 4000))


def test_a_fit_continues_from_any_step_on_the_sample(stepping):
    rows, first = stepping
    states = list(fit(rows, first))
    within = [state for state in states if state.working]
    assert {"1/4 of" in state.working for state in within} == {True, False}
    assert all(state.can_stop and state.in_memory for state in within)
    for state in within[:: len(within) // 4]:
        arrays = []
        loaded = restore(flatten(state, arrays), arrays)
        *_, last = fit(rows, loaded)
        assert last.best.centroids.tobytes() == states[-1].best.centroids.tobytes()
        assert last.best.inertia == states[-1].best.inertia


def test_a_time_limit_ends_the_steps_on_the_sample_and_changes_no_bit_of_a_longer_run(stepping):
    rows, first = stepping
    states = list(fit(rows, first))
    within = [state for state in states if state.working]
    stopped = within[len(within) // 2].stop(TIME_LIMIT)
    after = list(fit(rows, stopped))
    ended = after[-1]
    assert not any(state.working for state in after)
    assert ended.best.stop_reason == TIME_LIMIT
    assert ended.best.counts.max() <= 185
    (trajectory,) = ended.trajectories
    resumed = replace(stopped, trajectories=(trajectory.under(trajectory.update.rules),))
    *_, last = fit(rows, resumed)
    assert last.best.centroids.tobytes() == states[-1].best.centroids.tobytes()


def test_rows_that_repeat_more_often_than_a_cluster_may_hold_are_divided():
    x = np.concatenate([np.zeros((60, 2)), np.arange(8.0).reshape(4, 2).repeat(10, axis=0)])
    fitted = streamkm.KMeans(4, random_state=0, min_size=20, max_size=30).fit(x)
    assert sizes_of(fitted.labels_, 4).max() <= 30
    assert sizes_of(fitted.labels_, 4).min() >= 20


def test_rows_that_repeat_more_often_than_fits_in_memory_are_refused(small, monkeypatch):
    mostly_one = np.concatenate([X[:300], np.repeat(X[:1], 600, axis=0)])
    monkeypatch.setattr("tests.updates.test_bounded.X", mostly_one)
    with pytest.raises(DataError, match="could not be bounded"):
        small(max_size=180)


def test_lazy_labels_hold_the_bounds_and_predict_takes_the_nearest(tmp_path):
    stored = zarr.create_array(tmp_path / "x.zarr", shape=X.shape, chunks=(100, 4), dtype=X.dtype)
    stored[:] = X
    fitted = streamkm.KMeans(K, random_state=0, max_size=190).fit(tmp_path / "x.zarr")
    assert sizes_of(fitted.labels_.compute()).max() <= 190
    assert np.array_equal(sizes_of(fitted.labels_.compute()), fitted.counts_)
    nearest = squared_distances(X, fitted.cluster_centers_).argmin(axis=1)
    assert np.array_equal(fitted.predict(X), nearest)
    assert fitted.unbounded_inertia_ == pytest.approx(-fitted.score(X))
    assert fitted.unbounded_inertia_ < fitted.inertia_
    assert not hasattr(fitted.set_params(max_size=None).fit(X), "unbounded_inertia_")


def test_labels_are_kept_when_clusters_take_the_numbers_of_an_earlier_fit():
    model = streamkm.KMeans(K, random_state=0, max_size=185).fit(X)
    before = model.labels_
    model.set_params(random_state=1, init=model.cluster_centers_[::-1]).refit(X)
    assert sizes_of(model.labels_).max() <= 185
    assert np.mean(model.labels_ == before) > 0.9
    assert model.inertia_ == pytest.approx(
        np.square(X - model.cluster_centers_[model.labels_]).sum()
    )


def test_spherical_clusters_may_be_bounded():
    fitted = streamkm.SphericalKMeans(K, random_state=0, min_size=170).fit(X)
    assert sizes_of(fitted.labels_).min() >= 170
    np.testing.assert_allclose(np.linalg.norm(fitted.cluster_centers_, axis=1), 1)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"max_size": 179}, "at least 180"),
        ({"min_size": 181}, "at most 180"),
        ({"min_size": 5, "max_size": 4}, "larger than max_size"),
        ({"max_size": 200, "algorithm": "lloyd"}, "algorithm='lloyd' does not apply"),
        ({"max_size": 200, "restarts": "halving"}, "restarts='halving' does not apply"),
        ({"max_size": 0}, "max_size"),
        ({"max_size": 200, "min_size": "3"}, "min_size='3'"),
    ],
)
def test_bounds_that_cannot_hold_are_refused_before_reading(parameters, match):
    def never(block):
        raise AssertionError("read")

    lazy = da.map_blocks(never, da.zeros((900, 4), chunks=(90, 4)), dtype=float, meta=X[:0])
    with pytest.raises(ValueError, match=match):
        streamkm.KMeans(K, **parameters).fit(lazy)


def test_the_pairs_of_many_clusters_count_towards_the_memory_limit(tmp_path):
    stored = zarr.create_array(tmp_path / "x", shape=(10_000, 2), chunks=(1000, 2), dtype="f4")
    model = streamkm.KMeans(2048, max_size=5, memory_limit="380MiB", max_iter=1)
    with pytest.raises(MemoryLimitError, match="over the limit of 380"):
        model.fit(stored)


def test_weights_and_rows_left_out_by_a_mask_are_considered():
    with pytest.raises(DataError, match="weighted rows"):
        streamkm.KMeans(K, max_size=200).fit(X, sample_weight=np.ones(len(X)))
    mask = np.arange(len(X)) < 500
    fitted = streamkm.KMeans(K, random_state=0, max_size=100).fit(X, mask=mask)
    assert sizes_of(fitted.labels_[mask]).tolist() == [100] * K
    assert (fitted.labels_[~mask] == -1).all()
    with pytest.raises(DataError, match="at most 100"):
        streamkm.KMeans(K, random_state=0, min_size=120).fit(X, mask=mask)


def test_a_sample_is_drawn_again_where_a_mask_leaves_out_nearly_all_rows(small):
    for seed in range(4):
        mask = np.zeros(len(X), bool)
        mask[np.random.default_rng(seed).choice(len(X), K, replace=False)] = True
        best, labels = small(mask=mask, max_size=1)
        assert sizes_of(labels[mask]).tolist() == [1] * K
        assert best.counts.tolist() == [1] * K


def test_prices_of_rows_that_are_all_in_memory_are_those_of_their_exchange():
    clusters, none = np.array([[0, 1], [0, 1], [1, 0]], np.int32), np.zeros(3, np.int64)
    found = Candidates(
        3, none, 0.0, 0.0, np.inf, np.zeros(3), np.arange(3), clusters, np.ones((3, 2))
    )
    bounds = SizeBounds(np.array([0, 0, 2]), np.full(3, 3))
    solved = exchanged(found, bounds, np.zeros(3))
    assert solved.missing == 2  # no candidate leads to cluster 2
    after = nearby_prices(found, solved, np.zeros(3), bounds, 0.5)
    assert np.isfinite(after).all()
    assert after[2] <= after.min()


@pytest.mark.parametrize("seed", range(2))
def test_rows_go_beyond_the_nearest_sixteen_clusters_where_these_are_full(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(800, 8))
    x[:700] *= 0.02  # of 80 clusters, most have to take these rows
    fitted = streamkm.KMeans(80, random_state=0, max_iter=5, max_size=11).fit(x)
    assert sizes_of(fitted.labels_, 80).max() <= 11
    least = least_loss(x, fitted.cluster_centers_, 0, 11)
    assert fitted.inertia_ <= 1.001 * least


def test_sizes_that_cannot_be_bounded_name_the_reason():
    assert "100 rows that fit in memory" in str(not_bounded(40, 100, 16, 0.5))
    assert "nearest 16 clusters" in str(not_bounded(40, 100, 16, np.inf))
