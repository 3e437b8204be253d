"""Each stop rule ends the fit at its threshold, and the result has its name."""

from __future__ import annotations

import numpy as np
import pytest

from streamkm.errors import DataError, LossRoseError
from streamkm.fitting import first_state, fit, iterate
from streamkm.rows import open_rows
from streamkm.updates import AcceleratedUpdate, Step, StopRules
from tests import reference

pytestmark = pytest.mark.usefixtures("no_table")

X = (10 * np.random.default_rng(5).random((3000, 3))).astype(np.float32)
INIT = X[:9].astype(np.float64)


def run(rules, **options):
    rows = open_rows(X)
    return iterate(rows, first_state(rows, 9, INIT, [0], AcceleratedUpdate(rules)), **options)


def losses():
    return [loss for _, loss in reference.lloyd(X.astype(np.float64), INIT, 60)]


def test_nothing_moved_and_the_loss_is_known_without_another_read():
    state = run(StopRules(tol=0))
    assert state.best.stop_reason == "nothing moved"
    assert state.n_passes == len(state.best.history)
    assert state.best.history[-1].shift == 0


def test_max_iter_and_one_read_for_the_loss_of_the_last_centroids():
    state = run(StopRules(max_iter=3))
    assert (state.best.stop_reason, len(state.best.history)) == ("max_iter", 3)
    assert state.n_passes == 4
    assert state.best.inertia == pytest.approx(losses()[3])


def test_the_shift_is_scaled_by_the_mean_variance_as_in_scikit_learn():
    best = run(StopRules(tol=1e-3)).best
    bound = 1e-3 * X.astype(np.float64).var(axis=0).mean()
    shifts = [s.shift for s in best.history]
    assert best.stop_reason == "centroid shift"
    assert shifts[-1] <= bound < min(shifts[:-1])


def test_the_assignments_rule_of_relative_loss_decrease():
    """Stop when (J[t-1] - J[t]) / J[t] < eps, not before the second iteration."""
    eps, expected = 1e-2, losses()
    stop = next(t for t in range(1, 60) if (expected[t - 1] - expected[t]) / expected[t] < eps)
    best = run(StopRules(tol=0, loss_tol=eps)).best
    assert best.stop_reason == "relative loss decrease"
    assert len(best.history) == stop + 1
    assert len(run(StopRules(tol=0, loss_tol=1e9)).best.history) == 2


def test_the_primers_rule_of_distortion_decrease():
    threshold, expected = 0.02, np.array(losses()) / len(X)
    stop = next(t for t in range(1, 60) if expected[t - 1] - expected[t] < threshold)
    best = run(StopRules(tol=0, distortion_tol=threshold)).best
    assert best.stop_reason == "distortion decrease"
    assert len(best.history) == stop + 1


def test_the_time_limit_stops_after_seeding_and_leaves_whole_centroids():
    rows = open_rows(X)
    state = iterate(
        rows,
        first_state(rows, 9, "k-means||", [0, 1], AcceleratedUpdate(StopRules(tol=0))),
        time_limit=0,
    )
    assert state.done
    assert state.n_passes == 5
    for trajectory in state.trajectories:
        assert trajectory.stop_reason == "time limit"
        assert trajectory.inertia == pytest.approx(reference.inertia(X, trajectory.centroids))


def test_a_risen_loss_is_an_error_that_keeps_the_last_good_state():
    rows = open_rows(X)
    generator = fit(rows, first_state(rows, 9, INIT, [0], AcceleratedUpdate(StopRules(tol=0))))
    next(generator)
    state = next(generator)
    good = state.best
    changed = open_rows(X[::-1] * 5)  # the data change under a running fit
    with pytest.raises(LossRoseError, match=r"the inertia rose from .* check the store") as caught:
        list(fit(changed, state))
    assert caught.value.state is good.state
    assert good.history[-1].inertia == caught.value.before


def test_too_few_rows_and_centroids_that_do_not_fit():
    rows = open_rows(X[:5])
    with pytest.raises(DataError, match="n_samples=5 should be >= n_clusters=6"):
        first_state(rows, 6, "random", [0])
    with pytest.raises(DataError, match=r"\(2, 4\) does not match .*features of the data 3"):
        first_state(rows, 2, np.zeros((2, 4)), [0])
    with pytest.raises(DataError, match="initial centers contain NaN"):
        first_state(rows, 1, np.full((1, 3), np.nan), [0])


def test_a_step_is_what_history_holds():
    assert Step(1.0, 2.0) == Step(1.0, 2.0, 0, 0)
