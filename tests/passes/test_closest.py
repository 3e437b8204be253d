"""The rows nearest to each centroid are those of a full sort, on every scheduler and block plan."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import zarr

from streamkm.arrays import LARGE_NBYTES
from streamkm.engine import folding, map_reduce
from streamkm.passes import Closest
from streamkm.rows import BlockPlan, Budget, StoredRows, UnitLength, open_rows
from tests import reference

RNG = np.random.default_rng(0)
X = RNG.integers(0, 12, (900, 3)).astype(np.float32)  # many equal distances
CENTROIDS = RNG.integers(0, 12, (40, 3)) + 0.25


def in_blocks(array, size):
    rows = open_rows(array)
    edges = ((*range(0, array.shape[0], size), array.shape[0]),)
    return StoredRows(rows.array, rows.layout, BlockPlan(edges))


def sorted_rows(x, centroids, n):
    """Row numbers (k, n) by a full sort of each cluster; -1 where it has fewer rows."""
    labels = reference.labels(x, centroids)
    found = np.full((len(centroids), n), -1)
    for cluster, centroid in enumerate(centroids):
        own = np.flatnonzero(labels == cluster)
        d2 = np.square(x[own].astype(np.float64) - centroid).sum(axis=1)
        order = own[np.lexsort((own, d2))][:n]
        found[cluster, : len(order)] = order
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return zarr.create_array(tmp_path_factory.mktemp("x") / "x.zarr", data=X, chunks=(50, 3))


@pytest.mark.parametrize("n", [1, 7, 60])
@pytest.mark.parametrize("size", [50, 450, 900])
def test_they_are_the_first_of_a_full_sort(store, n, size):
    found = map_reduce(Closest(CENTROIDS, n), in_blocks(store, size)).nearest(len(CENTROIDS), n)
    want = sorted_rows(X, CENTROIDS, n)
    np.testing.assert_array_equal(found.numbers, want)
    there = want >= 0
    np.testing.assert_array_equal(found.values[there], X[want[there]])
    distances = np.linalg.norm(X[want] - CENTROIDS[:, None], axis=2)
    np.testing.assert_allclose(found.distances[there], distances[there], rtol=1e-12)
    assert np.isinf(found.distances[~there]).all()


def test_rows_of_later_tiles_are_compared_with_those_of_earlier_ones():
    """A block of several tiles, whose rows move nearer and farther."""
    x = RNG.integers(0, 40, (140_000, 3)).astype(np.float32)
    x[70_000:] //= 2
    assert len(list(open_rows(x).block(0).tiles())) > 2
    found = map_reduce(Closest(CENTROIDS[:5], 300), in_blocks(x, len(x))).nearest(5, 300)
    np.testing.assert_array_equal(found.numbers, sorted_rows(x, CENTROIDS[:5], 300))


def test_equal_rows_are_in_the_order_of_their_numbers():
    x = np.repeat([[1.0, 0.0], [0.0, 1.0]], 300, axis=0)[np.argsort(RNG.random(600))]
    found = map_reduce(Closest(np.array([[0.0, 0.0], [9.0, 9.0]]), 5, None, False), open_rows(x))
    assert found.numbers.tolist() == [0, 1, 2, 3, 4]
    assert found.clusters.tolist() == [0] * 5  # the other cluster has no rows
    assert found.values.shape == (5, 0)


def test_directions_have_the_order_of_their_cosines():
    x, centroids = RNG.normal(size=(400, 5)), RNG.normal(size=(6, 5))
    centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    rows = open_rows(x, scaling=UnitLength())
    found = map_reduce(Closest(centroids, 4), rows).nearest(6, 4)
    cosines = (x / np.linalg.norm(x, axis=1, keepdims=True)) @ centroids.T
    for cluster in range(6):
        own = np.flatnonzero(cosines.argmax(axis=1) == cluster)
        want = own[np.argsort(-cosines[own, cluster], kind="stable")][:4]
        assert found.numbers[cluster, : len(want)].tolist() == want.tolist()


@pytest.mark.parametrize("wave", [8, 512])
@pytest.mark.parametrize("scheduler", ["threads", "sync"])
def test_large_results_are_added_in_order_with_the_same_bits(store, monkeypatch, wave, scheduler):
    """No node of a tree holds the rows of all clusters."""
    question, rows = Closest(CENTROIDS, 7, None, False), in_blocks(store, 50)
    small = map_reduce(question, rows)
    assert question.statistic_nbytes(3) == 40 * 7 * 24
    monkeypatch.setattr("streamkm.engine.in_order.LARGE_NBYTES", 40 * 7 * 24)
    with dask.config.set(scheduler=scheduler):
        states = list(folding(question, rows, wave))
    assert all(len(state.levels) == 1 for state in states)
    for name in ("clusters", "numbers", "distances"):
        want, found = (getattr(each, name) for each in (small, states[-1].total()))
        assert want.tobytes() == found.tobytes()


def test_the_projection_of_memory_grows_with_the_rows_that_are_found():
    def need(ranked):
        return Budget(threads=2, clusters=10, n_features=3, ranked=ranked).projected(0, 100)

    assert need(10**6) - need(0) == 24 * 10**6 * (2 + 7 * 3)
    assert LARGE_NBYTES <= 24 * 10**7
    assert need(10**7) - need(0) == 24 * 10**7 * 6
