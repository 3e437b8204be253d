"""The search in memory is as good as many restarts, in every unit, and bounded in time."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans as SklearnKMeans

from streamkm import KMeans
from streamkm.in_memory import search
from streamkm.in_memory.points import in_memory
from streamkm.in_memory.subspace import DIRECTIONS, Subspace
from streamkm.kernels import Centroids
from tests import reference
from tests.conftest import mixture, tile

GOOD = mixture(5000, 3, 12, seed=3).astype(np.float64)


def found(x, k, seed=0):
    with in_memory(x, np.ones(len(x))) as points:
        return search.search(points, k, seed)


@pytest.mark.parametrize("k", [5, 40])
def test_it_is_as_low_as_the_best_of_ten(k):
    theirs = SklearnKMeans(k, n_init=10, random_state=0).fit(GOOD).inertia_
    assert reference.inertia(GOOD, found(GOOD, k)) <= 1.001 * theirs


def test_breathing_mends_a_bad_start():
    """Two centroids in one cluster and none in another: Lloyd's steps alone do not leave it."""
    means = found(GOOD, 12)
    bad = means.copy()
    bad[0] = bad[1] + 0.1
    with in_memory(GOOD, np.ones(len(GOOD))) as points:
        stuck = search.Descent(points.scaled(bad), 1e-6).to_end(points)
        mended, low = search.breathe(points, points.unscaled(stuck.centroids), 0, np.inf)
    assert low < 0.8 * stuck.loss
    assert reference.inertia(GOOD, mended) == pytest.approx(
        reference.inertia(GOOD, means), rel=1e-3
    )


def test_steps_are_bounded_in_work():
    with in_memory(GOOD, np.ones(len(GOOD))) as points:
        begun = points.values[:40].astype(np.float64)
        search.settle(points, points.unscaled(begun), drop=0.0, most=3.5 * GOOD.size * 40)
    assert points.multiplications == 4 * GOOD.size * 40


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-30, 1e-17, 1.0, 1e17, 1e30])
def test_the_unit_does_not_matter(scale, dtype):
    km = KMeans(12, random_state=0).fit((GOOD * scale).astype(dtype))
    want = KMeans(12, random_state=0).fit(GOOD)
    assert km.inertia_ / scale**2 == pytest.approx(want.inertia_, rel=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fill", [1e9, 9.97e36])
def test_fill_values_take_a_centroid_and_spoil_no_other(fill, dtype):
    x = np.concatenate([GOOD, np.full((5, 3), fill)]).astype(dtype)
    km = KMeans(13, random_state=0).fit(x)
    want = KMeans(12, random_state=0).fit(GOOD).inertia_
    assert reference.inertia(GOOD, km.cluster_centers_) <= 1.001 * want


@pytest.mark.parametrize("weight", [1e-300, 1e250])
def test_the_unit_of_the_weights_does_not_matter(weight):
    km = KMeans(12, random_state=0).fit(GOOD, sample_weight=np.full(len(GOOD), weight))
    assert reference.inertia(GOOD, km.cluster_centers_) <= 1.001 * KMeans(12).fit(GOOD).inertia_


@pytest.mark.parametrize("steps", [5, 20, 100])
def test_the_work_of_a_search_is_that_of_a_number_of_steps(steps, monkeypatch):
    """Beyond it, a start or a cycle of breathing that has begun ends, and the last steps follow."""
    monkeypatch.setattr(search, "_STEPS", steps)
    monkeypatch.setattr(search, "_LEAST", 0)
    noise = np.random.default_rng(0).random((20_000, 3))
    with in_memory(noise, np.ones(len(noise))) as points:
        search.search(points, 60, 0)
    longest = 2 * search.ITERATIONS  # the last cycle and the last steps
    assert steps <= points.multiplications / (noise.size * 60) <= steps + longest


def planted(n, d, k, seed=0):
    """Rows of k clusters in a random subspace of ten dimensions, and noise in all d."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(k, 10)) @ np.linalg.qr(rng.normal(size=(d, 10)))[0].T
    return (centers[rng.integers(k, size=n)] + 0.05 * rng.normal(size=(n, d))).astype(np.float32)


def projected(x, weights=None):
    weights = np.ones(len(x)) if weights is None else weights
    with in_memory(x, weights) as points:
        space = Subspace(points)
        return space, space.project(x)


def test_leading_directions_contain_the_clusters():
    x = planted(3000, 100, 12) * np.float32(1e-12) + np.float32(3e-11)
    space, few = projected(x)
    assert few.shape == (3000, DIRECTIONS)
    with in_memory(few, np.ones(len(x))) as points:
        centroids = space.lift(search.search(points, 12, 0))
    want = KMeans(12, random_state=0).fit(x)
    assert reference.inertia(x, centroids) <= 1.01 * want.inertia_


def test_a_projection_is_a_contraction_that_keeps_the_distances_of_the_subspace():
    x = planted(500, 80, 7).astype(np.float64)
    space, few = projected(x)
    lifted = space.lift(few)
    np.testing.assert_allclose(space.project(lifted), few, atol=1e-9)
    kept = reference.squared_distances(lifted[:50], lifted)
    assert (kept <= reference.squared_distances(x[:50], x) * (1 + 1e-9) + 1e-12).all()
    assert np.square(x - lifted).sum() < 0.1 * np.square(x - x.mean(axis=0)).sum()


def test_fill_values_leave_the_directions_to_the_other_rows():
    x = planted(3000, 60, 12)
    filled = np.concatenate([x, np.full((7, 60), 9.97e36, np.float32)])
    km = KMeans(13, random_state=0).fit(filled)
    want = KMeans(12, random_state=0).fit(x).inertia_
    assert reference.inertia(x, km.cluster_centers_) <= 1.001 * want


@pytest.mark.parametrize("fill", [9.97e36, 0.0])
def test_directions_are_those_of_rows_that_are_not_all_equal(fill):
    """Most rows are zero, as in sparse or masked data, and a few may be fill values."""
    x = planted(2000, 60, 12)
    many = np.concatenate([x, np.zeros((3000, 60), np.float32), np.full((7, 60), fill, np.float32)])
    with in_memory(many, np.ones(len(many))) as points:
        space = Subspace(points)
    kept = space.project(x).astype(np.float64).var(axis=0).sum()
    whole = np.square((x - x.mean(axis=0)) / points.frame.scale).mean(axis=0).sum()
    assert kept > 0.9 * whole


def test_weights_of_any_size_have_directions():
    x = planted(9001, 40, 5)
    weights = np.full(len(x), 1e-30)
    weights[1] = 1e300
    _, few = projected(x, weights)
    assert np.isfinite(few).all()
    assert np.ptp(few, axis=0).min() > 0


def test_few_features_are_not_projected():
    space, same = projected(GOOD)
    assert same is GOOD
    assert np.array_equal(space.lift(GOOD[:3]), GOOD[:3])


@pytest.mark.parametrize("d", [2, 20])
def test_gaps_to_the_second_best(d):
    x = tile(mixture(700, d, 9).astype(np.float64))
    labels, d2, gaps = Centroids(x[:9], np.float64).nearest_and_gaps(x)
    apart = np.sort(reference.squared_distances(x, x[:9]), axis=1)
    assert np.array_equal(labels, reference.labels(x, x[:9]))
    np.testing.assert_allclose(d2, apart[:, 0], atol=1e-9)
    np.testing.assert_allclose(gaps, apart[:, 1] - apart[:, 0], atol=1e-8)
