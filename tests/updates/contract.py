"""The contract of every update: its states, its loss and its labels."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any, ClassVar

import dask.array as da
import numpy as np
import pytest

from streamkm.checkpoint import flatten, restore
from streamkm.fitting import first_state, fit, iterate, label
from streamkm.in_memory import descent
from streamkm.rows import Block, Room, open_rows
from streamkm.updates import StopRules, Update
from tests.checkpoint.test_states import alike
from tests.conftest import mixture

X = mixture(1200, 3, 6, seed=2, dtype=np.float64)
X /= np.linalg.norm(X, axis=1, keepdims=True)  # directions, for the spherical update
N_BLOCKS, K = 12, 5
RULES = StopRules(max_iter=6, tol=0)
START = np.concatenate([X[: K - 1], X[:1] + 1e3])  # one cluster starts empty
ROWS = open_rows(da.from_array(X, chunks=(len(X) // N_BLOCKS, -1)))


def first(update, init=START):
    return first_state(ROWS, K, init, [7], update, Room(0, 300))


def blocks_of(numbers):
    size = len(X) // N_BLOCKS
    cuts = [(size * n, size * (n + 1)) for n in numbers]
    return [Block(X[a:b], None, a // size, (a,), (size,), (len(X),)) for a, b in cuts]


def loss_of(trajectory):
    """The loss of final centroids, and the labels, by the label pass alone."""
    update, state = trajectory.update, trajectory.state
    question = update.labels(state, np.dtype(np.int32))
    labels, statistics = zip(*map(question, blocks_of(range(N_BLOCKS))), strict=True)
    return sum(update.loss(each, state.centroids) for each in statistics), np.concatenate(labels)


def n_steps(trajectory):
    return getattr(trajectory.state, "n_steps", len(trajectory.history))


class UpdateContract:
    """Tests of updates; derive a test class and list updates under `RULES` in `updates`."""

    updates: ClassVar[tuple[Update[Any], ...]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        names = [type(each).__name__ for each in self.updates]
        metafunc.parametrize("update", self.updates, ids=names)

    def test_ask_and_tell_change_no_state_and_answer_alike_each_time(self, update, monkeypatch):
        monkeypatch.setattr(descent, "_WHILE", -1.0)  # else the clock decides how far a state is
        state = first(update)
        while not state.done:
            before = pickle.dumps(state)
            advanced = state.advance()
            if advanced is None:
                passes, blocks = state.ask()
                assert alike(state.ask(), (passes, blocks))
                numbers = range(N_BLOCKS) if blocks is None else blocks
                parts = [[p(block) for p in passes] for block in blocks_of(numbers)]
                answers = [type(column[0]).combine(column) for column in zip(*parts, strict=True)]
                told = state.tell(answers, blocks)
                assert alike(state.tell(answers, blocks), told)
            else:
                told = advanced
                assert alike(state.advance(), told)
            assert pickle.dumps(state) == before
            state = told
        assert state.advance() is None
        assert list(fit(ROWS, state)) == []

    def test_a_fit_resumed_from_any_state_ends_with_the_same_bits(self, update):
        states = [first(update), *fit(ROWS, first(update), wave=8)]
        for state in states[:-1]:
            arrays = []
            saved = restore(flatten(state, arrays), arrays)
            assert alike(saved, state)
            *_, last = fit(ROWS, saved, wave=64)
            assert alike(last, states[-1])

    def test_labels_and_the_loss_are_those_of_the_label_pass(self, update):
        state = iterate(ROWS, first(update), skip_evaluation=True)
        written = np.empty(len(X), np.int32)
        state = label(ROWS, state, written)
        inertia, labels = loss_of(state.best)
        assert np.array_equal(written, labels)
        assert state.best.inertia == pytest.approx(inertia, rel=1e-9)

    def test_a_fit_that_is_stopped_at_any_state_knows_the_loss_of_its_centroids(self, update):
        for state in fit(ROWS, first(update)):
            best = iterate(ROWS, state.stop("time limit")).best
            assert best.done
            assert best.inertia == pytest.approx(loss_of(best)[0], rel=1e-9)

    def test_a_fit_that_a_time_limit_ended_continues_with_the_same_bits(self, update):
        states = [first(update), *fit(ROWS, first(update))]
        for state in states[:-1]:
            if state.folded is None and not state.evaluating:
                ended = iterate(ROWS, state.stop("time limit"))
                more = ended.trajectories[0].under(RULES)
                resumed = iterate(ROWS, replace(ended, trajectories=(more,)))
                assert alike(resumed.best, states[-1].best)

    def test_a_fit_that_ended_iterates_further_under_rules_that_allow_it(self, update):
        short = iterate(ROWS, first(replace(update, rules=StopRules(max_iter=2, tol=0))))
        (trajectory,) = short.trajectories
        assert trajectory.stop_reason == "max_iter"
        assert trajectory.under(trajectory.update.rules) is trajectory
        longer = iterate(ROWS, replace(short, trajectories=(trajectory.under(RULES),))).best
        assert longer.history[: len(trajectory.history)] == trajectory.history
        assert n_steps(longer) > n_steps(trajectory)
        assert longer.inertia == pytest.approx(loss_of(longer)[0], rel=1e-9)
