"""Every method gives k centroids in its declared reads, independent of the chunks."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from scipy import stats

from streamkm.engine import map_reduce
from streamkm.errors import FewDistinctRowsWarning
from streamkm.passes import DrawSquaredDistance
from streamkm.rows import Block, open_rows
from streamkm.seeding import METHODS, Seeding, Task, method_of
from streamkm.seeding.farthest import Farthest
from streamkm.seeding.kmeans_plusplus import KMeansPlusPlus
from tests import reference
from tests.conftest import mixture, searched
from tests.recipes import SEEDING


def run(method, data, k, seed=0):
    """Centroids and reads of a seeding that is driven step by step."""
    rows = open_rows(data)
    state, reads = method_of(method).start(Task(k, seed, rows.layout.n_rows, 2000)), 0
    while isinstance(state, Seeding):
        state, reads = searched(state.tell(map_reduce(state.ask(), rows))), reads + 1
    return state, reads


@pytest.mark.parametrize("k", [1, 2, 7])
def test_k_distinct_centroids_in_the_reads_that_were_said(seeding_method, k, blobs):
    centroids, reads = run(seeding_method, blobs, k)
    assert centroids.shape == (k, 6)
    assert centroids.dtype == np.float64
    assert len(np.unique(centroids, axis=0)) == k
    assert reads == method_of(seeding_method).reads(k)


@pytest.mark.parametrize(
    "seeding_method", [name for name in (*METHODS, SEEDING) if name != "farthest||"], indirect=True
)
def test_chunks_do_not_matter(seeding_method, pixels):
    """Integers give the same bits. The seedings of dask-ml and OTB depend on the chunks.

    Only 'farthest||' chooses within each block, as documented.
    """
    want, _ = run(seeding_method, pixels, 5, seed=3)
    for chunks in (1000, 7777, 60_000):
        got, _ = run(seeding_method, da.from_array(pixels, chunks=(chunks, 3)), 5, seed=3)
        assert np.array_equal(got, want)
    assert not np.array_equal(run(seeding_method, pixels, 5, seed=4)[0], want)


def test_fewer_distinct_rows_than_clusters(seeding_method):
    x = np.repeat(np.array([[0.0, 1], [5, 5], [9, 0]]), 50, axis=0)
    with pytest.warns(FewDistinctRowsWarning, match="only 3 distinct rows.*5 clusters"):
        centroids, _ = run(seeding_method, x, 5)
    assert centroids.shape == (5, 2)
    assert {tuple(c) for c in centroids} == {(0, 1), (5, 5), (9, 0)}


def test_exactly_as_many_distinct_rows_as_clusters(seeding_method):
    x = np.repeat(np.array([[0.0, 1], [5, 5], [9, 0]]), [500, 1, 20], axis=0)
    centroids, _ = run(seeding_method, x, 3)
    assert {tuple(c) for c in centroids} == {(0, 1), (5, 5), (9, 0)}


def test_rows_without_weight_are_never_chosen(seeding_method, blobs):
    weights = (blobs[:, 0] > 0).astype(float)
    state = method_of(seeding_method).start(Task(4, 1, len(blobs), 2000))
    rows = open_rows(blobs, sample_weight=weights)
    while isinstance(state, Seeding):
        state = searched(state.tell(map_reduce(state.ask(), rows)))
    assert (state[:, 0] > 0).all()


def test_plusplus_draws_by_squared_distance():
    rows = np.array([[0.0], [1], [4], [10], [11]])
    second = []
    for seed in range(4000):
        state = KMeansPlusPlus(3, seed, chosen=rows[:1])
        value = state.tell(state.ask()(Block.from_values(rows))).chosen[1]
        second.append(int(np.flatnonzero(rows[:, 0] == value[0])[0]))
    seen = np.bincount(second, minlength=5)
    expected = 4000 * rows[:, 0] ** 2 / (rows**2).sum()
    assert stats.chisquare(seen[1:], expected[1:]).pvalue > 1e-4


def test_farthest_is_gonzalezs_traversal(blobs):
    centroids, reads = run("farthest", blobs, 6, seed=2)
    first = int(np.flatnonzero((blobs == centroids[0]).all(axis=1))[0])
    np.testing.assert_allclose(centroids, reference.farthest_first(blobs, first, 6))
    assert isinstance(method_of("farthest").start(Task(6, 2, 5000, 0)), Farthest)
    assert reads == 6


def test_parallel_draws_twice_k_rows_a_round(blobs):
    """dask-ml draws about two rows per round for every k."""
    state = method_of("k-means||").start(Task(8, 0, len(blobs), 0))
    rows, sizes = open_rows(blobs), []
    while isinstance(state, Seeding):
        question = state.ask()
        sizes.append(getattr(question, "most", 0))
        state = searched(state.tell(map_reduce(question, rows)))
    assert sizes == [16, 16, 16, 0]


def test_parallel_finds_a_tiny_far_cluster():
    x = mixture(50_000, 3, 1)
    x[123] = 1e3
    for seed in range(5):
        centroids, _ = run("k-means||", x, 3, seed)
        assert reference.squared_distances(x[123:124], centroids).min() < 1


def test_parallel_starts_lower_than_random_rows(blobs):
    losses = {
        method: [reference.inertia(blobs, run(method, blobs, 8, s)[0]) for s in range(10)]
        for method in ("random", "k-means||")
    }
    assert np.median(losses["k-means||"]) < 0.5 * np.median(losses["random"])


def test_a_second_draw_uses_a_fresh_stream(blobs):
    first = DrawSquaredDistance(50, 0, 1, blobs[:1].astype(float))(Block.from_values(blobs))
    second = DrawSquaredDistance(50, 0, 2, blobs[:1].astype(float))(Block.from_values(blobs))
    assert len(set(first.numbers) & set(second.numbers)) < 25


def test_an_unknown_method_names_those_there_are():
    with pytest.raises(ValueError, match=r"init='kmeans' is not known; use one of \['auto'"):
        method_of("kmeans")
