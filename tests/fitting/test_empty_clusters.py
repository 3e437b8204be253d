"""An empty cluster moves to the farthest row or stays; it never moves to the origin."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from streamkm.fitting import first_state, iterate
from streamkm.rows import open_rows
from streamkm.updates import AcceleratedUpdate, StopRules
from tests import reference
from tests.conftest import mixture

pytestmark = pytest.mark.usefixtures("no_table")

X = mixture(2000, 2, 3, seed=2)
FAR = np.array([[0.0, 0], [1, 1], [1e4, 1e4], [2e4, 1e4]])  # the last two get no row


def run(relocate, max_iter, data=X):
    rows = open_rows(data)
    rules = StopRules(max_iter, tol=0)
    return iterate(
        rows, first_state(rows, 4, FAR, [0], AcceleratedUpdate(rules, relocate=relocate))
    )


def test_empty_clusters_move_to_the_farthest_rows():
    """dask-ml replaces the centroid of an empty cluster by the zero vector."""
    state = run(True, 1)
    step = state.best.history[0]
    assert (step.empty, step.relocated) == (2, 2)
    distances = reference.squared_distances(X, FAR).min(axis=1)
    farthest = X[np.argsort(-distances, kind="stable")[:2]]
    np.testing.assert_allclose(state.best.centroids[2:], farthest, rtol=1e-6)
    # The rows left their former clusters.
    rest = np.ones(len(X), bool)
    rest[np.argsort(-distances, kind="stable")[:2]] = False
    want = reference.means(X[rest], reference.labels(X[rest], FAR), 4)
    np.testing.assert_allclose(state.best.centroids[:2], want[:2], rtol=1e-12)


def test_it_costs_a_read_only_when_a_cluster_is_empty():
    assert run(True, 1).n_passes == 1 + 1 + 1
    assert run(False, 1).n_passes == 1 + 1


def test_no_cluster_is_empty_at_the_end_and_the_loss_is_lower_than_without():
    moved, kept = run(True, 100).best, run(False, 100).best
    assert np.bincount(reference.labels(X, moved.centroids), minlength=4).min() > 0
    assert moved.inertia < kept.inertia


def test_kept_clusters_stay_where_they_are():
    best = run(False, 100).best
    assert np.array_equal(best.centroids[2:], FAR[2:])
    assert best.history[0].empty == 2
    assert best.history[0].relocated == 0


def test_chunks_do_not_matter():
    whole = run(True, 100).best
    cut = run(True, 100, da.from_array(X, chunks=(333, 2))).best
    np.testing.assert_allclose(cut.centroids, whole.centroids, rtol=1e-12)


@pytest.mark.parametrize("weights", [None, np.linspace(0.1, 2, 6)])
def test_a_row_alone_in_its_cluster_is_not_taken(weights):
    x = np.array([[0.0], [0.1], [0.2], [10], [10.1], [500]])
    init = np.array([[0.1], [10], [490], [1e5]])
    rows = open_rows(x, sample_weight=weights)
    best = iterate(
        rows, first_state(rows, 4, init, [0], AcceleratedUpdate(StopRules(50, tol=0)))
    ).best
    assert np.bincount(reference.labels(x, best.centroids), minlength=4).min() > 0
    assert 500 in best.centroids
