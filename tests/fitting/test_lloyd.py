"""Lloyd's iterations are exact, can be resumed, and never increase the loss."""

from __future__ import annotations

import itertools
import pickle
import warnings

import dask.array as da
import numpy as np
import pytest
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.datasets import load_digits

from streamkm.fitting import first_state, fit, iterate
from streamkm.rows import open_rows
from streamkm.seeding import METHODS
from streamkm.updates import AcceleratedUpdate, StopRules
from tests import reference
from tests.conftest import mixture

pytestmark = pytest.mark.usefixtures("no_table")

UNTIL_STILL = StopRules(max_iter=300, tol=0)


def states(data, k, init="k-means||", seed=0, rules=UNTIL_STILL, **options):
    rows = open_rows(data)
    return list(fit(rows, first_state(rows, k, init, [seed], AcceleratedUpdate(rules, **options))))


DATA = {
    "float32": mixture(4000, 5, 6),
    "float32 at 1e4": mixture(4000, 5, 6, offset=1e4),
    "float64": mixture(4000, 5, 6, dtype=np.float64),
    "float16": mixture(4000, 5, 6, dtype=np.float16),
    "digits": load_digits().data,
    "digits uint8": load_digits().data.astype(np.uint8),
    "int64": (mixture(4000, 5, 6) * 1000).astype(np.int64),
}


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("chunked", [False, True])
def test_every_step_is_the_oracles(name, chunked):
    x = DATA[name]
    data = da.from_array(x, chunks=(777, x.shape[1])) if chunked else x
    before = None
    for state in states(data, 6, "random"):
        now = state.best
        if before is not None and now.history != before.history and not now.history[-1].relocated:
            exact = reference.squared_distances(x, before.centroids)
            of_row = exact.argmin(axis=1)
            want = reference.means(x, of_row, 6)
            np.testing.assert_allclose(now.centroids, want, rtol=1e-12, atol=1e-12)
            loss = exact.min(axis=1).sum()
            assert now.history[-1].inertia == pytest.approx(loss, rel=1e-12)
            moves = ((now.centroids - before.centroids) ** 2).sum()
            assert now.history[-1].shift == pytest.approx(moves)
        before = now if now.centroids is not None else None
    assert before.stop_reason == "nothing moved"
    assert before.inertia == pytest.approx(reference.inertia(x, before.centroids), rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_never_rises(method, seed, blobs):
    losses = [s.inertia for s in states(blobs, 12, method, seed)[-1].best.history]
    assert all(b <= a * (1 + 1e-12) for a, b in itertools.pairwise(losses))


def test_it_ends_where_scikit_learn_ends(blobs):
    init = blobs[:8].astype(np.float64)
    theirs = SklearnKMeans(8, init=init, n_init=1, tol=0, max_iter=300).fit(blobs.astype(float))
    ours = states(blobs, 8, init)[-1].best
    np.testing.assert_allclose(ours.centroids, theirs.cluster_centers_, rtol=1e-9)
    assert ours.inertia == pytest.approx(theirs.inertia_, rel=1e-12)


def test_a_weight_of_two_is_the_row_twice(blobs):
    weights = np.random.default_rng(0).integers(0, 3, len(blobs))
    init, rules = blobs[:5].astype(np.float64), StopRules(8, tol=0)
    weighted = open_rows(blobs, sample_weight=weights)
    repeated = open_rows(np.repeat(blobs, weights, axis=0))
    one, two = (
        iterate(r, first_state(r, 5, init, [0], AcceleratedUpdate(rules))).best
        for r in (weighted, repeated)
    )
    np.testing.assert_allclose(one.centroids, two.centroids, rtol=1e-10)
    assert one.inertia == pytest.approx(two.inertia, rel=1e-10)


def test_integer_pixels_give_the_same_bits_for_any_chunking(pixels):
    want = states(pixels, 9)[-1].best
    for chunks in (999, 20_000):
        lazy = da.from_array(pixels, chunks=(chunks, 3))
        got = states(lazy, 9, settles=False)[-1].best
        assert got.centroids.tobytes() == want.centroids.tobytes()
        assert [s.inertia for s in got.history] == [s.inertia for s in want.history]


@pytest.mark.parametrize("method", ["k-means||", "k-means++", "farthest", "random"])
def test_going_on_from_any_state_ends_in_the_same_bits(method, blobs):
    rows = open_rows(da.from_array(blobs, chunks=(600, 6)))
    all_states = list(
        fit(rows, first_state(rows, 5, method, [1, 2], AcceleratedUpdate(UNTIL_STILL)))
    )
    last = all_states[-1]
    for state in all_states[:-1]:
        resumed = iterate(rows, pickle.loads(pickle.dumps(state)))
        assert resumed.best.centroids.tobytes() == last.best.centroids.tobytes()
        assert (resumed.n_passes, resumed.best.history) == (last.n_passes, last.best.history)


def test_restarts_share_their_reads_and_each_is_the_fit_of_its_own_seed(blobs):
    """In dask-ml, `n_init` does not restart."""
    rows = open_rows(da.from_array(blobs, chunks=(600, 6)))
    seeds = [11, 22, 33, 44]
    alone = [
        iterate(rows, first_state(rows, 8, "random", [s], AcceleratedUpdate(UNTIL_STILL)))
        for s in seeds
    ]
    shared = iterate(rows, first_state(rows, 8, "random", seeds, AcceleratedUpdate(UNTIL_STILL)))
    for one, among in zip(alone, shared.trajectories, strict=True):
        assert one.best.centroids.tobytes() == among.centroids.tobytes()
    assert shared.n_passes == max(one.n_passes for one in alone)
    assert shared.best.inertia == min(one.best.inertia for one in alone)


def test_the_first_read_is_checked_and_costs_nothing_more(blobs):
    assert states(blobs, 4, blobs[:4].astype(float))[0].n_passes == 1


@pytest.mark.parametrize("init", [*METHODS, "array"])
@pytest.mark.parametrize("tol", [0, 1e-4])
def test_rounding_of_the_means_of_equal_rows_is_no_risen_loss(init, tol):
    """(0.1 + 0.1 + 0.1) / 3 is not 0.1, so J goes from 0 to 7e-32."""
    distinct = np.array([[0.1], [0.7], [1.3]])
    x = np.repeat(distinct, [3, 6, 7], axis=0)
    start = distinct if init == "array" else init
    best = states(x, 3, start, rules=StopRules(tol=tol))[-1].best
    assert best.inertia < 1e-30


@pytest.mark.parametrize("seed", range(3))
def test_differences_below_the_rounding_of_the_values_end_without_an_error(seed):
    x = 1.7e9 + 1e-6 * np.random.default_rng(seed).normal(size=(500, 2))
    assert states(x, 5, seed=seed, rules=StopRules(50, tol=0))[-1].done


@pytest.mark.parametrize("method", METHODS)
def test_more_clusters_than_distinct_rows_ends_with_a_warning(method):
    x = np.repeat(np.array([[0.0, 1], [5, 5], [9, 0]]), 50, axis=0)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        best = states(x, 5, method)[-1].best
    assert [w.category.__name__ for w in seen] == ["FewDistinctRowsWarning"]
    assert (best.inertia, best.stop_reason) == (0, "nothing moved")


def test_fifty_restarts_read_what_the_slowest_of_them_reads(blobs):
    rows, rules = open_rows(blobs), StopRules()
    shared = iterate(rows, first_state(rows, 12, "random", range(50), AcceleratedUpdate(rules)))
    alone = [
        iterate(rows, first_state(rows, 12, "random", [seed], AcceleratedUpdate(rules)))
        for seed in range(50)
    ]
    assert shared.n_passes == max(one.n_passes for one in alone)
    assert shared.best.inertia == min(one.best.inertia for one in alone)
