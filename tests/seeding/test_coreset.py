"""The coreset represents the rows, and the search on it finds good centroids."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from sklearn.cluster import KMeans as SklearnKMeans

from streamkm.engine import map_reduce
from streamkm.fitting import first_state, iterate
from streamkm.rows import Room, open_rows
from streamkm.seeding import Seeding, Task, method_of
from tests import reference
from tests.conftest import mixture, searched


def seeded(data, k, seed=0, sample=4096, weights=None):
    rows = open_rows(data, sample_weight=weights)
    state = method_of("coreset").start(Task(k, seed, rows.layout.n_rows, sample))
    asked = []
    while isinstance(state, Seeding):
        answer = map_reduce(state.ask(), rows)
        asked.append(answer)
        state = searched(state.tell(answer))
    return state, asked


@pytest.mark.parametrize("k", [5, 40])
def test_a_twentieth_of_the_rows_finds_as_low_a_loss_as_ten_restarts(k):
    x = mixture(80_000, 4, 30, seed=1)
    theirs = SklearnKMeans(k, n_init=10, random_state=0).fit(x).inertia_
    rows = open_rows(x)
    state = iterate(rows, first_state(rows, k, "auto", [0], room=Room(0, 4096)))
    assert state.reads.seeding == 2
    assert state.best.inertia <= 1.002 * theirs


def test_tiny_far_clusters_are_found():
    """Two of fifty thousand rows, which a uniform sample of four thousand would miss."""
    x = mixture(50_000, 3, 4)
    x[[7, 40_000]] = [[900, 0, 0], [0, -900, 900]]
    for seed in range(5):
        centroids, asked = seeded(x, 6, seed)
        assert not {7, 40_000} <= set(asked[0].numbers)
        assert reference.squared_distances(x[[7, 40_000]], centroids).min(axis=1).max() < 1


def test_the_loss_on_the_coreset_is_the_loss_on_the_rows():
    """For good, random and distant centroids, with an error that depends on its size."""
    x = mixture(60_000, 3, 8, seed=2)
    rng = np.random.default_rng(0)
    good, asked = seeded(x, 8, 0)
    sample = asked[-1]
    kinds = {
        "good": good,
        "random": x[rng.integers(len(x), size=8)].astype(float),
        "far": good + 50,
    }
    for name, centroids in kinds.items():
        estimate = reference.inertia(sample.values, centroids, sample.estimates)
        assert estimate == pytest.approx(reference.inertia(x, centroids), rel=0.06), name
    assert len(sample.keys) <= 4096


def test_few_rows_of_positive_weight_are_all_drawn_by_a_second_read():
    x = mixture(100_000, 2, 3)
    weights = np.zeros(len(x))
    weights[::5000] = 1
    centroids, asked = seeded(x, 3, weights=weights)
    assert [len(sample.keys) for sample in asked[1:]] == [20]
    kept = x[::5000]
    assert (
        reference.inertia(kept, centroids) <= 1.01 * SklearnKMeans(3, n_init=20).fit(kept).inertia_
    )


def test_the_same_bits_for_any_number_of_cores(monkeypatch):
    x = mixture(30_000, 3, 6)
    want, _ = seeded(x, 6)
    for cores in ("1", "5"):
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", cores)
        assert np.array_equal(seeded(x, 6)[0], want)


def test_restarts_are_the_fits_of_their_own_seeds():
    rows = open_rows(mixture(20_000, 3, 9))
    room = Room(0, 4096)
    shared = iterate(rows, first_state(rows, 7, "auto", [5, 6, 7], room=room))
    alone = [iterate(rows, first_state(rows, 7, "auto", [seed], room=room)) for seed in (5, 6, 7)]
    for trajectory, one in zip(shared.trajectories, alone, strict=True):
        assert trajectory.centroids.tobytes() == one.best.centroids.tobytes()
    assert shared.n_passes == max(one.n_passes for one in alone)


def rows_with_rare_ones():
    """Nearly all rows at twenty points, and a wide cloud of few."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(20, 2)) * 10)[rng.integers(20, size=200_000)]
    rare = rng.random(len(x)) < 0.02
    x[rare] = np.array([50, 0]) + rng.normal(size=(rare.sum(), 2))
    return x


@cache
def loss_of_sklearn_with_rare_rows():
    return SklearnKMeans(100, n_init=3, random_state=0).fit(rows_with_rare_ones()).inertia_


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_rare_rows_that_the_pilot_hardly_met_do_not_crowd_out_the_bulk(scale):
    """The loss of the pilot, which meets few rows of the cloud, is nearly zero."""
    rows = open_rows(rows_with_rare_ones() * scale)
    best = iterate(rows, first_state(rows, 100, "coreset", [0], room=Room(1000, 4096))).best
    theirs = loss_of_sklearn_with_rare_rows()
    assert best.inertia / scale**2 < 1.05 * theirs


def test_the_pilot_of_many_clusters_has_few_so_that_its_read_costs_little():
    _, asked = seeded(mixture(30_000, 2, 9), 100, sample=8000)
    assert len(asked) == 2
    rates = method_of("coreset").start(Task(100, 0, 30_000, 8000)).tell(asked[0]).ask()
    assert 32 <= len(rates.centroids) <= 64


def test_a_table_of_which_all_rows_are_searched_needs_no_pilot():
    x = mixture(3000, 2, 9)
    first = method_of("coreset").start(Task(9, 0, 10**6, 4096)).for_table(len(x))
    sample = map_reduce(first.ask(), open_rows(x))
    assert len(sample.keys) == len(x)
    centroids = searched(first.tell(sample))
    theirs = SklearnKMeans(9, n_init=10, random_state=0).fit(x).inertia_
    assert reference.inertia(x, centroids) <= 1.002 * theirs
