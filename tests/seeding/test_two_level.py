"""Seeding on two levels: groups of a sample, and a search within each."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from streamkm.checkpoint.tree import flatten, restore
from streamkm.engine import map_reduce
from streamkm.in_memory.monitor import monitored
from streamkm.in_memory.shares import shares
from streamkm.passes import Sampled
from streamkm.rows import open_rows
from streamkm.seeding import Seeding, Task, method_of
from streamkm.seeding.sample_groups import grouped, nearest_in_pieces
from streamkm.seeding.two_level import TwoLevelSearch
from tests import reference
from tests.conftest import mixture

K, ROWS = 30, 3000
X = mixture(ROWS, 5, 20, seed=3)


def sample_of(x, weights=None):
    """A sample that has all rows, in the order of their numbers."""
    n = len(x)
    weights = np.ones(n) if weights is None else weights
    keys = np.arange(n) / n
    return Sampled(n, np.inf, keys, np.ones(n), weights, np.arange(n), x)


def states(x, k, seed=1, sample=1500, save=False, method="two-level"):
    """All states of a seeding, and the centroids; restored from their saved form on request."""
    rows = open_rows(x)
    found = [method_of(method).start(Task(k, seed, len(x), sample))]
    while isinstance(found[-1], Seeding):
        state = found[-1]
        if save:
            arrays = []
            state = restore(flatten(state, arrays), arrays)
        after = state.advance()
        found.append(state.tell(map_reduce(state.ask(), rows)) if after is None else after)
    return found


@pytest.fixture(scope="module")
def centroids():
    return states(X, K)[-1]


def test_its_loss_is_lower_than_that_of_random_rows_and_of_kmeans_parallel(centroids):
    def loss_of(method):
        rows, state = open_rows(X), method_of(method).start(Task(K, 1, ROWS, 1500))
        while isinstance(state, Seeding):
            after = state.advance()
            state = state.tell(map_reduce(state.ask(), rows)) if after is None else after
        return reference.inertia(X, state)

    own = reference.inertia(X, centroids)
    assert own < 0.8 * loss_of("random")
    assert own < 1.05 * loss_of("k-means||")
    assert len(np.unique(centroids, axis=0)) == K


@pytest.mark.parametrize("k", [100, 160])
def test_its_loss_around_isolated_centres_is_that_of_a_search_of_the_whole_sample(k):
    """Shares of the groups alone would be too coarse: 1.07 to 1.34 times this loss."""
    rng = np.random.default_rng(0)
    x = (4 * rng.normal(size=(150, 8)))[rng.integers(150, size=3000)]
    x = (x + 0.3 * rng.normal(size=x.shape)).astype("f4")
    whole = states(x, k, sample=3000, method="coreset")[-1]
    assert reference.inertia(x, states(x, k, sample=3000)[-1]) < 1.03 * reference.inertia(x, whole)


def test_saved_states_and_the_number_of_cores_change_no_bit(centroids, monkeypatch):
    for cores, save in (("1", True), ("3", False)):
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", cores)
        assert np.array_equal(states(X, K, save=save)[-1], centroids)


def test_the_states_name_the_search_of_the_groups_and_each_group():
    search = next(s.search for s in states(X, K) if getattr(s, "search", None) is not None)
    names = []
    while isinstance(search, TwoLevelSearch):
        names.append(search.working)
        search = search.advance()
    assert names[0].startswith("groups")
    assert any(name.startswith("group 1 of 5") for name in names)


def test_a_time_limit_ends_the_search_with_distinct_rows_of_the_groups_that_are_left():
    search = TwoLevelSearch.begin(sample_of(X), K, 0, ROWS)
    while search.groups is None:
        search = search.advance()
    with monitored(deadline=0.0) as monitor:
        found = search.advance()
    assert monitor.timed_out
    assert found.shape == (K, 5)
    assert len(np.unique(found, axis=0)) == K
    assert (found[:, None] == X[None]).all(axis=2).any(axis=1).all()


def test_groups_share_the_clusters_by_the_loss_of_high_and_the_root_of_low_dimensions():
    """Zador's exponents d / (d + 2): on a line a third, in a plane a half."""
    rng = np.random.default_rng(0)
    for d, ratio in ((1, 8 ** (1 / 3)), (2, 8**0.5)):
        g = 16 if d == 2 else 40
        corner = np.stack(np.meshgrid(*[np.arange(round(g ** (1 / d)))] * d), -1).reshape(-1, d)
        rows = np.repeat(corner, 400, axis=0) + rng.random((400 * len(corner), d))
        weights = np.where(np.arange(len(rows)) < len(rows) // 2, 8.0, 1.0)
        found = grouped(sample_of(rows.astype("f4"), weights), corner + 0.5, 50 * len(corner))
        half = len(corner) // 2
        heavy, light = found.clusters[:half].mean(), found.clusters[half:].mean()
        assert heavy / light == pytest.approx(ratio, rel=0.1)


def test_rows_are_in_the_group_of_the_nearest_centroid():
    upper = X[:9].astype(float)
    found = grouped(sample_of(X), upper, K)
    labels = reference.labels(X, upper)
    for group in range(9):
        own = found.rows[found.offsets[group] : found.offsets[group + 1]]
        assert own.tolist() == np.flatnonzero(labels == group).tolist()
    assert np.array_equal(nearest_in_pieces(X, upper)[0], labels)
    assert found.clusters.sum() == K


def test_a_group_gets_no_more_clusters_than_it_has_distinct_rows():
    x = np.concatenate([np.repeat([[100.0], [101.0]], 500, axis=0), X[:1000, :1]]).astype("f4")
    found = grouped(sample_of(x), np.array([[100.5], [0.0]]), 300)
    assert found.clusters.tolist() == [2, 298]
    assert shares(5, np.zeros(2), np.array([3, 4])).tolist() == [3, 2]


def test_a_sample_with_too_few_distinct_rows_is_no_reason_to_repeat_rows():
    """The data have 600 distinct rows, of which a sample of 700 rows has fewer."""
    x = np.resize(np.arange(600.0), 60_000)[:, None].astype("f4")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = states(x, 590, sample=100)[-1]
    assert len(np.unique(found)) == 590


def test_weights_count_like_repeated_rows():
    x = np.array([[0.0], [1.0], [10.0], [11.0], [12.0]], "f4")
    found = grouped(sample_of(x, np.array([1.0, 1, 3, 3, 3])), np.array([[0.5], [11.0]]), 4)
    other = grouped(sample_of(x[[0, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]]), np.array([[0.5], [11.0]]), 4)
    assert found.clusters.tolist() == other.clusters.tolist()
