"""States of updates after single steps: averages, counts, thresholds and notes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamkm.errors import DataError
from streamkm.passes import KeepBoundary, Lloyd
from streamkm.reasons import MAX_ITER, NO_IMPROVEMENT, SHIFT
from streamkm.rows import Block
from streamkm.seeding import Task, method_of
from streamkm.updates import (
    AcceleratedUpdate,
    Batches,
    BoundedUpdate,
    MiniBatchUpdate,
    Step,
    StopRules,
)
from streamkm.updates.batches import DRAWS, ORDERS, PartialSeeding
from streamkm.updates.bounded_state import check_sizes
from tests.checkpoint.test_states import alike
from tests.updates.test_minibatch import FIRST, X, rows_of, stepped


def test_averages_and_their_lowest_are_those_of_scikit_learn():
    """Its moving average has a share of 2 b / (n + 1) and starts after the first batch."""
    states = [state for state, _ in stepped(rows_of(X, 100), 100, 60)]
    assert states[0].average is None
    average, lowest, since, before = None, np.inf, 0, FIRST
    for number, state in enumerate(states):
        assert state.shift == pytest.approx(np.square(state.centroids - before).sum())
        assert state.weight == pytest.approx(3000)
        before = state.centroids
        if number == 0:
            continue
        share = 2 * 100 / 3001
        last = state.mean_loss
        average = last if average is None else average * (1 - share) + last * share
        since = 0 if average < lowest else since + 1
        lowest = min(lowest, average)
        assert state.average == pytest.approx(average, rel=1e-12)
        assert state.lowest == pytest.approx(lowest, rel=1e-12)
        assert state.no_improvement == since
    assert {0, 1, 2} <= {state.no_improvement for state in states}


def test_mini_batches_stop_at_their_thresholds():
    update = MiniBatchUpdate(
        StopRules(2, 0.5, max_no_improvement=3), batches=Batches(10, 0, 7, 70, 10)
    )
    assert update.batches.per_epoch == 7
    state = replace(update.init(FIRST), variance=2.0, average=1.0, n_steps=3)
    assert update.reason(replace(state, shift=1.0)) == SHIFT
    moving = replace(state, shift=1.1)
    assert update.reason(moving) is None
    assert update.reason(replace(moving, no_improvement=2)) is None
    assert update.reason(replace(moving, no_improvement=3)) == NO_IMPROVEMENT
    assert update.reason(replace(moving, n_steps=13)) is None
    assert update.reason(replace(moving, n_steps=14)) == MAX_ITER
    assert update.reason(replace(state, shift=0.0, average=None)) is None  # the first batch
    off = replace(update, rules=StopRules(2, 0.0))
    assert off.reason(replace(state, shift=0.0, no_improvement=99)) is None


@pytest.mark.parametrize(
    ("size", "blocks", "rows", "batches"),
    [
        (None, 7, 65, 1),
        (65, 7, 65, 1),
        (64, 6, 60, 2),
        (30, 3, 30, 3),
        (29, 2, 20, 4),
        (1, 1, 10, 7),
    ],
)
def test_a_batch_is_whole_blocks_and_at_least_one(size, blocks, rows, batches):
    """Of 65 rows in seven blocks of 10, the last one shorter."""
    found = Batches(size, 0, 7, 65, 10)
    assert (found.blocks_each, found.rows_each, found.per_epoch) == (blocks, rows, batches)


@pytest.mark.parametrize(("n", "n_rows"), [(1, 10), (2, 20), (6, 60), (7, 65), (9, 65)])
def test_a_seeding_on_blocks_is_that_of_data_that_consist_of_them(n, n_rows):
    task = Task(3, 5, 65, 40)
    found = PartialSeeding.on_blocks("coreset", task, 20, Batches(10, 1, 7, 65, 10), n)
    assert len(found.blocks) == len(set(found.blocks)) == min(n, 7)
    assert alike(found.inner, method_of("coreset").start(Task(3, 5, n_rows, 40)))


@pytest.mark.parametrize(("n", "whole"), [(2, False), (3, True)])
def test_a_seeding_without_rows_reads_more_blocks_and_ends_with_the_data(n, whole):
    batches = Batches(10, 1, 3, 30, 10)
    state = PartialSeeding.on_blocks("random", Task(2, 5, 30, 40), 20, batches, n)
    nothing = state.ask()(Block.from_values(np.empty((0, 2))))
    if whole:
        with pytest.raises(DataError):
            state.tell(nothing)
    else:
        more = state.tell(nothing)
        assert (more.n_blocks, more.inner.k) == (3, 2)


def test_random_streams_of_mini_batches_are_far_from_those_of_seedings():
    assert 2**62 <= ORDERS < ORDERS + 2**50 < DRAWS < 2**63


def test_notes_of_mini_batches_name_the_batch_and_its_loss():
    (first, _), (second, _) = stepped(rows_of(X, 300), 300, 2)
    assert MiniBatchUpdate().init(FIRST).note == ""
    assert first.note == f"batch 1, mean loss {first.mean_loss:.6g}"
    assert second.note == f"batch 2, mean loss {second.mean_loss:.6g}, average {second.average:.6g}"


def test_notes_of_bounded_sizes_name_the_work_that_is_next():
    state = BoundedUpdate().init(FIRST)
    assert state.note == ""
    sampled = replace(state, sample=X[:50])
    assert sampled.note == "prices of the size bounds from a sample"
    iterated = replace(sampled, history=(object(),))
    assert iterated.note == ""
    assert replace(iterated, n_roundings=1).note == "prices of the size bounds corrected"
    assert replace(iterated, n_roundings=1, inertia=1.0).note == ""


def test_an_update_reads_for_every_step_unless_rows_are_worth_caching():
    plain = AcceleratedUpdate(StopRules())
    assert type(plain.ask(plain.init(FIRST))) is Lloyd
    caching = replace(plain, most=10)
    assert type(caching.ask(caching.init(FIRST))) is KeepBoundary
    assert type(caching.ask(caching.init(FIRST[:1]))) is Lloyd
    assert type(caching.on_table().ask(caching.init(FIRST))) is Lloyd


def test_the_largest_cluster_is_never_moved_and_others_by_their_share():
    """The counts of moved clusters become the least of the others, as in scikit-learn."""
    update = MiniBatchUpdate(reassignment_ratio=2.0)
    state = replace(update.init(np.zeros((4, 1))), counts=np.array([8.0, 3.0, 8.0, 5.0]))
    rows = np.array([[1.0], [2.0], [3.0]])
    moved = update._reassigned(state, rows, 100)
    assert moved.centroids.ravel().tolist() == [0, 1, 0, 2]
    assert moved.counts.tolist() == [8, 8, 8, 8]
    some = replace(update, reassignment_ratio=0.5)._reassigned(state, rows, 100)
    assert some.centroids.ravel().tolist() == [0, 1, 0, 0]
    assert some.counts.tolist() == [8, 5, 8, 5]
    one = update._reassigned(state, rows, 3)  # half of three rows
    assert one.centroids.ravel().tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((30, None), "5 clusters of at least 30 rows need 150 rows, .* are 102. .* at most 20,"),
        ((None, 20), "5 clusters of at most 20 rows hold 100 rows, .* are 102. .* at least 21,"),
    ],
)
def test_sizes_that_cannot_hold_are_refused_with_those_that_can(bounds, message):
    with pytest.raises(DataError, match=message):
        check_sizes(5, 102, *bounds)
    check_sizes(5, 102, 20, 21)
    check_sizes(5, 100, 20, 20)


def test_clusters_are_reassigned_after_ten_rows_for_each_or_while_one_is_empty():
    update = MiniBatchUpdate(batches=Batches(30, 0, 9, 270, 30))
    state = replace(update.init(np.zeros((10, 1))), counts=np.ones(10))
    assert not update._reassigns(replace(state, rows_since=69))
    assert update._reassigns(replace(state, rows_since=70))
    assert update._reassigns(replace(state, counts=np.arange(10.0)))


def test_an_equal_average_is_no_improvement():
    update, block = (
        MiniBatchUpdate(batches=Batches(1, 0, 9, 9, 1)),
        Block.from_values(np.array([[2.0]])),
    )
    state = replace(update.init(np.zeros((1, 1))), counts=np.ones(1), average=4.0, lowest=4.0)
    after = update._averaged(state, Lloyd(state.centroids)(block))
    assert (after.average, after.lowest, after.no_improvement) == (4.0, 4.0, 1)
    better = update._averaged(
        replace(state, lowest=4.5, no_improvement=3), Lloyd(state.centroids)(block)
    )
    assert (better.lowest, better.no_improvement) == (4.0, 0)


@pytest.mark.parametrize("began", [False, True])
def test_a_restarted_fit_of_bounded_sizes_rounds_like_a_new_one(began):
    update = BoundedUpdate()
    new = update.init(FIRST)
    ended = replace(
        new, prices=np.arange(6.0), sample=X[:50], began=began, trial=np.ones(6), n_roundings=3,
        growth=8.0, surplus=4, numbers=np.arange(2), labels=np.arange(2, dtype=np.int32),
        stop_reason=SHIFT, inertia=1.0,
    )  # fmt: skip
    kept = {"prices": ended.prices, "sample": ended.sample, "began": True} if began else {}
    assert alike(update.restart(ended), replace(new, **kept))


def test_caching_that_saved_no_read_is_left_out_for_more_and_more_reads():
    update, step = AcceleratedUpdate(StopRules(), most=10), Step(1.0, 1.0)
    state = replace(update.init(FIRST), history=(step,) * 5, last_plain_reads=3)
    after = update._without_cached(replace(state, read_at=4), useful=False)
    assert (after.plain_reads, after.last_plain_reads) == (7, 7)
    for changed, useful in ((replace(state, read_at=3), False), (replace(state, read_at=4), True)):
        after = update._without_cached(changed, useful)
        assert (after.plain_reads, after.last_plain_reads) == (0, 0)


def test_the_loss_that_is_not_read_is_estimated_by_the_average_if_there_is_one():
    update = MiniBatchUpdate(StopRules(evaluates=False))
    state = replace(update.init(FIRST), mean_loss=9.0, weight=10.0)
    assert update.stop(state, MAX_ITER).inertia == 90.0
    assert update.stop(replace(state, average=4.0), MAX_ITER).inertia == 40.0
    assert MiniBatchUpdate(StopRules()).stop(state, MAX_ITER).inertia is None


@pytest.mark.parametrize(("n_roundings", "width"), [(0, 16), (1, 32), (9, 32)])
def test_candidates_of_all_rows_never_exceed_the_memory_for_sixteen_of_the_most_rows(
    n_roundings, width
):
    update = BoundedUpdate(most=9000)
    state = replace(update.init(np.zeros((100, 1))), sample=X[:1], weight=4500.0)
    state = replace(state, stop_reason=SHIFT, n_roundings=n_roundings)
    question = update.ask(state)
    assert (question.most, question.width) == (9000, width)


@pytest.mark.parametrize(("price", "accepted"), [(0.0, False), (39.0, False), (50.0, True)])
def test_a_rounding_is_accepted_at_prices_that_prove_it_nearly_the_least(price, accepted):
    """Prices between 40 and 60 divide four rows by two."""
    x = np.array([[1.0], [2.0], [3.0], [4.0]])
    update = BoundedUpdate(max_size=2, most=4)
    state = replace(update.init(np.array([[0.0], [10.0]])), prices=np.array([price, 0.0]))
    state = replace(state, sample=x, weight=4.0, stop_reason=SHIFT)
    rounded = update.tell(state, update.ask(state)(Block.from_values(x)))
    assert rounded.inertia == (1 + 4 + 49 + 36 if accepted else None)
    assert rounded.n_roundings == 1
