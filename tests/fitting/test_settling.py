"""Settling on the boundary rows of a read takes fewer reads, and J never rises."""

from __future__ import annotations

import pickle
from itertools import pairwise

import dask
import dask.array as da
import numpy as np
import pytest

from streamkm.errors import NonFiniteError
from streamkm.fitting import first_state, first_sweep_state, fit, iterate
from streamkm.passes import KeepBoundary, Lloyd
from streamkm.rows import Block, Room, open_rows
from streamkm.updates import AcceleratedUpdate, StopRules
from streamkm.updates.accelerated import BoundaryRows, Settling
from tests import reference
from tests.conftest import mixture

STILL = StopRules(max_iter=300, tol=0)


def lazy(x, chunk=1000):
    return open_rows(da.from_array(x, chunks=(chunk, -1)))


def begun(x, centroids, algorithm="auto", share=0.2, rules=STILL, **options):
    room = Room(0, int(share * len(x)))
    rows = lazy(x)
    k = len(centroids)
    return rows, first_state(
        rows,
        k,
        centroids,
        [0],
        AcceleratedUpdate(rules, settles=algorithm == "auto"),
        room=room,
        **options,
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
        if told.best.state.settling is None:
            exact.append(reference.inertia(x, told.best.centroids))
    history = [step.inertia for step in told.best.history]
    np.testing.assert_allclose(history, exact[: len(history)], rtol=1e-11)
    assert (np.diff(exact) <= 1e-11 * exact[0]).all()


def test_photographs_need_a_third_of_the_reads_and_end_as_well(pixels):
    centroids = pixels[:: len(pixels) // 32][:32].astype(np.float64)
    lloyd, auto = (iterate(*begun(pixels, centroids, name)) for name in ("lloyd", "auto"))
    assert auto.n_passes * 3 <= len(lloyd.best.history)
    assert auto.best.inertia <= 1.01 * lloyd.best.inertia


@pytest.mark.parametrize("algorithm", ["auto", "lloyd"])
def test_where_nothing_moves_any_more_lloyds_step_moves_nothing_either(algorithm):
    x = overlapping()
    best = iterate(*begun(x, x[:9].astype(np.float64), algorithm)).best
    assert best.stop_reason == "nothing moved"
    means = Lloyd(best.centroids)(Block.from_values(x)).means(otherwise=best.centroids)
    np.testing.assert_allclose(means, best.centroids, rtol=0, atol=1e-12)


def test_every_scheduler_and_going_on_from_any_state_give_the_same_bits(processes):
    x = overlapping()
    rows, state = begun(x, x[:9].astype(np.float64))
    states = list(fit(rows, state))
    last = states[-1]
    assert any(s.in_memory for s in states)
    for scheduler in ({"scheduler": "synchronous"}, processes):
        with dask.config.set(scheduler):
            assert iterate(rows, state).best.centroids.tobytes() == last.best.centroids.tobytes()
    for earlier in states[:-1]:
        resumed = iterate(rows, pickle.loads(pickle.dumps(earlier)))
        assert resumed.best.centroids.tobytes() == last.best.centroids.tobytes()
        assert resumed.n_passes == last.n_passes


def test_empty_clusters_are_filled_as_without_kept_rows():
    x = overlapping()
    centroids = np.concatenate([x[:6], x[:3] + 1e4]).astype(np.float64)
    best = iterate(*begun(x, centroids)).best
    plain = iterate(*begun(x, centroids, share=0.0)).best
    assert best.history[0].inertia == pytest.approx(plain.history[0].inertia, rel=1e-12)
    assert best.inertia <= 1.01 * plain.inertia
    assert sum(s.relocated for s in best.history) == 3
    assert best.inertia == pytest.approx(reference.inertia(x, best.centroids), rel=1e-12)
    assert best.history[-1].empty == 0


def test_a_read_is_judged_by_all_that_came_of_it():
    """A step between reads may gain less than a read must gain."""
    x = overlapping()
    rules = StopRules(tol=0, reading_tol=3e-2)
    state = iterate(*begun(x, x[:20].astype(np.float64), share=0.35, rules=rules))
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
    plain = first_state(open_rows(blobs), 4, centroids, [0], AcceleratedUpdate(STILL), room=room)
    few = first_state(lazy(blobs), 4, centroids, [0], AcceleratedUpdate(STILL), room=Room(0, 49))
    swept = first_sweep_state(lazy(blobs), [2, 3], ["random"], [0], STILL, room)
    halved = first_state(
        lazy(blobs), 4, "random", [0, 1], AcceleratedUpdate(STILL), room=room, halving=True
    )
    for state in (plain, few, swept, halved):
        assert not any(getattr(t.update, "most", 0) for t in state.trajectories)
    kept = first_state(lazy(blobs), 4, "random", [0, 1], AcceleratedUpdate(STILL), room=room)
    assert all(t.update.most for t in kept.trajectories)


@pytest.mark.parametrize("algorithm", ["auto", "lloyd"])
@pytest.mark.parametrize("noise", [1e-3, 1e-7, 1e-9])
def test_a_loss_that_falls_by_orders_of_magnitude_keeps_its_digits(algorithm, noise):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 3)) * 10
    x = centres[rng.integers(4, size=4000)] + noise * rng.normal(size=(4000, 3))
    best = iterate(*begun(x, centres + rng.normal(size=(4, 3)), algorithm, share=0.1)).best
    plain = iterate(*begun(x, centres + 1.0, "lloyd", share=0.0)).best
    assert best.inertia == pytest.approx(plain.inertia, rel=1e-9)
    assert best.inertia == pytest.approx(reference.inertia(x, best.centroids), rel=1e-9)


@pytest.mark.parametrize("seed", [4, 7, 21])
def test_lloyds_steps_on_whole_numbers_hang_on_no_chunk_and_on_nothing_that_was_kept(seed):
    x = (overlapping() * 5 + 120).clip(0, 255).astype(np.uint8)
    rules, room = StopRules(tol=0, loss_tol="auto"), Room(0, 2000)
    fits = []
    for chunk in (6000, 300):
        state = first_state(
            lazy(x, chunk),
            12,
            "coreset",
            [seed],
            AcceleratedUpdate(rules, settles=False),
            room=room,
        )
        fits.append(iterate(lazy(x, chunk), state).best)
    assert fits[0].stop_reason == fits[1].stop_reason
    assert fits[0].centroids.tobytes() == fits[1].centroids.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_cluster_needs_nothing_kept_and_rows_that_are_not_finite_are_refused(dtype):
    x = overlapping().astype(dtype)
    best = iterate(*begun(x, x[:1].astype(np.float64))).best
    np.testing.assert_allclose(best.centroids[0], x.mean(axis=0, dtype=np.float64), rtol=1e-6)
    x[77, 2] = np.inf
    with pytest.raises(NonFiniteError, match="row 77"):
        iterate(*begun(x, x[:4].astype(np.float64)))


def test_a_restart_that_is_done_keeps_no_rows(blobs):
    rows = lazy(blobs)
    state = first_state(rows, 4, "random", [0, 1, 2], AcceleratedUpdate(STILL), room=Room(0, 5000))
    held = [t.state.cached is not None for s in fit(rows, state) for t in s.trajectories if t.done]
    assert held
    assert not any(held)


@pytest.mark.parametrize("algorithm", ["auto", "lloyd"])
def test_a_fit_that_is_stopped_after_any_state_knows_the_loss_of_its_centroids(algorithm):
    x = overlapping()
    centroids = np.concatenate([x[:6], x[:3] + 1e4]).astype(np.float64)
    rows, state = begun(x, centroids, algorithm)
    states = list(fit(rows, state))
    assert any(s.best.state.pending is not None for s in states)
    for told in states:
        best = iterate(rows, told.stop("time limit")).best
        assert best.done
        assert best.inertia == pytest.approx(reference.inertia(x, best.centroids), rel=1e-11)


def test_settling_ends_where_a_step_gains_less_for_its_cost_than_the_read():
    x = overlapping()
    anchor = x[:40].astype(np.float64)
    cached = BoundaryRows.from_read(anchor, KeepBoundary(anchor, 1200)(Block.from_values(x)))
    assert cached.cost(len(x)) == pytest.approx(0.2 / (1 + 500 / 40))
    read = reference.inertia(x, anchor)
    start = Settling(cached.statistic(anchor).means(anchor))

    def losses(cost):
        states = [start.step(cached, 0.0, read, cost)]
        while not states[-1].done:
            states.append(states[-1].step(cached, 0.0, read, cost))
        return [state.loss for state in states]

    all_losses = losses(0.0)
    worth = 2 * (all_losses[3] - all_losses[4])
    n_steps = 2 + int(np.flatnonzero(-np.diff(all_losses) < worth)[0])
    assert 2 < n_steps < len(all_losses)
    assert losses(worth / (read - all_losses[0])) == all_losses[:n_steps]
