"""Stop rules at their exact thresholds, and the rounding that a loss may rise by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamkm.reasons import DISTORTION, MAX_ITER, NOTHING_MOVED, RELATIVE_LOSS, SHIFT
from streamkm.updates import (
    AcceleratedUpdate,
    BoundedUpdate,
    LloydUpdate,
    ObservedUpdate,
    Step,
    StopRules,
)
from streamkm.updates.lloyd import _rounding

VARIANCE, WEIGHT = 2.0, 4.0


def reason(losses, before=None, shift=9.0, relocated=0, **rules):
    """The rule that ends a fit whose steps have these losses, the last one with this shift."""
    history = [Step(loss, 9.0, relocated=relocated) for loss in losses[:-1]]
    history.append(Step(losses[-1], shift))
    before = None if before is None else Step(before, 9.0)
    return StopRules(**({"tol": 0.0} | rules)).reason(history, VARIANCE, WEIGHT, before)


def test_the_shift_is_compared_with_tol_times_the_variance():
    assert reason([1.0], shift=0.0) == NOTHING_MOVED
    assert reason([1.0], shift=1.0, tol=0.5) == SHIFT
    assert reason([1.0], shift=np.nextafter(1.0, 2), tol=0.5) is None


@pytest.mark.parametrize(
    ("losses", "found"),
    [
        ([9.0], None),
        ([11.25, 9.0], None),
        ([11.0, 9.0], RELATIVE_LOSS),
        ([11.0, 3.0, 3.0], RELATIVE_LOSS),
    ],
)
def test_the_loss_is_compared_from_the_second_step_on(losses, found):
    assert reason(losses, loss_tol=0.25) == found
    assert reason(losses) is None
    assert reason(losses, loss_tol=0.25, relocated=1) is None


def test_the_loss_of_a_read_is_compared_with_that_of_the_read_before():
    assert reason([11.0, 9.0], before=11.25, reading_tol=0.25) is None
    assert reason([11.25, 9.0], before=11.0, reading_tol=0.25) == RELATIVE_LOSS
    assert reason([11.0, 9.0], before=None, reading_tol=0.25) is None
    rules = StopRules(tol=0.0, reading_tol=0.25)
    steps, moved = [Step(11.0, 9.0), Step(9.0, 9.0)], Step(11.0, 9.0, 1, 1)
    assert rules.reason(steps, VARIANCE, WEIGHT, moved) is None


def test_the_distortion_is_the_loss_for_a_unit_of_weight():
    assert reason([13.0, 9.0], distortion_tol=1.0) is None
    assert reason([12.0, 9.0], distortion_tol=1.0) == DISTORTION
    assert reason([9.0, 9.0], distortion_tol=0.0) is None


def test_max_iter_is_the_number_of_steps():
    assert reason([5.0, 4.0], max_iter=3) is None
    assert reason([6.0, 5.0, 4.0], max_iter=3) == MAX_ITER
    assert reason([5.0], max_iter=1) == MAX_ITER


@pytest.mark.parametrize(
    ("k", "wanted"), [(1, 1e-3), (400, 1e-3), (800, 2e-3), (2000, 5e-3), (9000, 5e-3)]
)
def test_the_gain_of_a_read_is_in_proportion_to_many_clusters(k, wanted):
    """As documented, with 1e-3 for a coreset [docs/architecture.md, "Stopping"]."""
    rules = StopRules(loss_tol="auto").after("coreset", k)
    assert rules.reading_tol == pytest.approx(wanted)
    assert rules.loss_tol is None


def test_without_auto_the_seeding_changes_no_rule():
    assert StopRules(loss_tol=0.1).after("coreset", 900) == StopRules(loss_tol=0.1)
    for init in ("random", np.zeros((2, 1))):
        found = StopRules(loss_tol="auto").after(init, 900)
        assert (found.loss_tol, found.reading_tol) == (None, None)


@pytest.mark.parametrize(
    "update",
    [
        LloydUpdate(),
        AcceleratedUpdate(),
        AcceleratedUpdate(settles=False),
        BoundedUpdate(),
        ObservedUpdate(),
    ],
    ids=lambda update: type(update).__name__,
)
def test_the_loss_of_the_read_before_counts_only_if_steps_cost_reads(update):
    update = replace(update, rules=StopRules(tol=0.0, reading_tol=0.25))
    state = replace(update.init(np.zeros((2, 1))), weight=WEIGHT)

    def ended(update, *losses):
        return update.reason(replace(state, history=tuple(Step(each, 9.0) for each in losses)))

    assert ended(update, 9.0) is None
    assert ended(update, 11.25, 9.0) is None
    assert ended(update, 11.0, 9.0) == RELATIVE_LOSS
    assert ended(replace(update, costs_reads=False), 11.0, 9.0) is None


def test_the_rounding_of_a_loss_has_its_unit_and_grows_with_the_distance_from_zero():
    state = replace(LloydUpdate().init(np.array([[3.0, -5.0], [1.0, 2.0]])), weight=100.0)
    allowed = _rounding(state, 7.0)
    assert 0 < allowed < 1e-10
    doubled = replace(state, centroids=state.centroids * 2)
    assert _rounding(doubled, 4 * 7.0) == 4 * allowed
    assert _rounding(replace(state, centroids=-state.centroids), 7.0) == allowed
    assert _rounding(replace(state, centroids=np.zeros((2, 2))), 7.0) == 0.0


def test_a_loss_may_rise_by_the_rounding_of_its_centroids():
    """J changes by no more if every centroid moves by 4 units in the last place."""
    rng = np.random.default_rng(0)
    rows = 1e6 + rng.normal(size=(500, 2))
    centre = rows.mean(axis=0)
    loss = np.square(rows - centre).sum()
    moved = np.square(rows - centre * (1 + 8 * np.finfo(float).eps)).sum()
    state = replace(LloydUpdate().init(centre[None]), weight=500.0)
    assert 0 < abs(moved - loss) < _rounding(state, loss) < 1e-3 * loss
