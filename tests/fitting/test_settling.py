"""Rows that a read kept are of use after the steps they decide: fewer reads, and J never rises."""

from __future__ import annotations

import pickle
from itertools import pairwise

import dask
import dask.array as da
import numpy as np
import pytest

from streamkm.fitting import StopRules, begin_fit, begin_sweep, fit, solve
from streamkm.passes import Lloyd
from streamkm.rows import Block, Room, open_rows
from tests import reference
from tests.conftest import mixture

STILL = StopRules(max_iter=300, tol=0)


def lazy(x, chunk=1000):
    return open_rows(da.from_array(x, chunks=(chunk, -1)))


def begun(x, centroids, algorithm="auto", share=0.2, rules=STILL, **options):
    room = Room(0, int(share * len(x)))
    rows = lazy(x)
    k = len(centroids)
    return rows, begin_fit(
        rows, k, centroids, [0], rules, room=room, algorithm=algorithm, **options
    )


def overlapping(dtype=np.float32):
    return (mixture(6000, 5, 30) + mixture(6000, 5, 3, seed=1)).astype(dtype)


@pytest.mark.parametrize("share", [0.02, 0.2])
@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_the_losses_of_a_history_are_exact_and_never_rise(dtype, share):
    x = (overlapping() * 10).astype(dtype)
    rows, state = begun(x, x[:12].astype(np.float64), share=share)
    exact = [reference.inertia(x, state.best.centroids)]
    for told in fit(rows, state):
        exact.append(reference.inertia(x, told.best.centroids))
    history = [step.inertia for step in told.best.history]
    np.testing.assert_allclose(history, exact[: len(history)], rtol=1e-11)
    assert (np.diff(exact) <= 1e-11 * exact[0]).all()


def test_photographs_need_a_third_of_the_reads_and_end_as_well(pixels):
    centroids = pixels[:: len(pixels) // 32][:32].astype(np.float64)
    lloyd, auto = (solve(*begun(pixels, centroids, name)) for name in ("lloyd", "auto"))
    assert auto.n_passes * 3 <= len(lloyd.best.history)
    assert auto.best.inertia <= 1.01 * lloyd.best.inertia


@pytest.mark.parametrize("algorithm", ["auto", "lloyd"])
def test_where_nothing_moves_any_more_lloyds_step_moves_nothing_either(algorithm):
    x = overlapping()
    best = solve(*begun(x, x[:9].astype(np.float64), algorithm)).best
    assert best.stop_reason == "nothing moved"
    means = Lloyd(best.centroids)(Block.of(x)).means(otherwise=best.centroids)
    np.testing.assert_allclose(means, best.centroids, rtol=0, atol=1e-12)


def test_every_scheduler_and_going_on_from_any_state_give_the_same_bits():
    x = overlapping()
    rows, state = begun(x, x[:9].astype(np.float64))
    states = list(fit(rows, state))
    last = states[-1]
    assert any(s.in_memory for s in states)
    for scheduler in ("synchronous", "processes"):
        with dask.config.set(scheduler=scheduler):
            assert solve(rows, state).best.centroids.tobytes() == last.best.centroids.tobytes()
    for earlier in states[:-1]:
        resumed = solve(rows, pickle.loads(pickle.dumps(earlier)))
        assert resumed.best.centroids.tobytes() == last.best.centroids.tobytes()
        assert resumed.n_passes == last.n_passes


def test_empty_clusters_are_filled_as_without_kept_rows():
    x = overlapping()
    centroids = np.concatenate([x[:6], x[:3] + 1e4]).astype(np.float64)
    rows, state = begun(x, centroids)
    best = solve(rows, state).best
    assert sum(s.relocated for s in best.history) == 3
    assert best.inertia == pytest.approx(reference.inertia(x, best.centroids), rel=1e-12)
    assert best.history[-1].empty == 0


def test_a_read_is_judged_by_all_that_came_of_it():
    """Between reads a step may gain less than a read must."""
    x = overlapping()
    rules = StopRules(tol=0, reading_tol=3e-2)
    state = solve(*begun(x, x[:12].astype(np.float64), "lloyd", share=0.5, rules=rules))
    history = state.best.history
    assert state.best.stop_reason == "relative loss decrease"
    reads = [step.inertia for step in history if step.read]
    drops = -np.diff(reads) / reads[1:]
    assert (drops[:-1] >= 3e-2).all()
    assert drops[-1] < 3e-2
    small = [a.inertia - b.inertia < 3e-2 * b.inertia for a, b in pairwise(history)]
    assert any(small[:-1])


def test_nothing_is_kept_where_it_saves_no_read(blobs):
    centroids = blobs[:4].astype(np.float64)
    room = Room(0, 1000)
    plain = begin_fit(open_rows(blobs), 4, centroids, [0], STILL, room=room)
    few = begin_fit(lazy(blobs), 4, centroids, [0], STILL, room=Room(0, 49))
    swept = begin_sweep(lazy(blobs), [2, 3], ["random"], [0], STILL, room)
    halved = begin_fit(lazy(blobs), 4, "random", [0, 1], STILL, room=room, halving=True)
    for state in (plain, few, swept, halved):
        assert not any(t.keeps for t in state.trajectories)
    kept = begin_fit(lazy(blobs), 4, "random", [0, 1], STILL, room=room)
    assert all(t.keeps for t in kept.trajectories)
