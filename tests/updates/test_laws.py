"""Laws of every update; two updates of this file have their own passes and reads."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import dask.array as da
import numpy as np
import pytest

from streamkm.checkpoint import flatten, restore
from streamkm.fitting import first_state, fit, iterate, label
from streamkm.passes import Assigned, Lloyd, Pass, PerRow
from streamkm.rows import Block, Room, open_rows
from streamkm.updates import (
    AcceleratedUpdate,
    Batches,
    LloydUpdate,
    LossesUpdate,
    MiniBatchUpdate,
    Request,
    ScatterUpdate,
    SphericalUpdate,
    StopRules,
    Update,
)
from tests.checkpoint.test_states import alike
from tests.conftest import mixture

X = mixture(1200, 3, 6, seed=2, dtype=np.float64)
X /= np.linalg.norm(X, axis=1, keepdims=True)  # directions, for the spherical update
N_BLOCKS, K = 12, 5
RULES = StopRules(max_iter=6, tol=0)


@dataclass(frozen=True)
class BinnedRows(Assigned):
    """Rows by their nearest centroid in the city-block distance, counted in bins."""

    bins: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0)))

    @classmethod
    def combine(cls, parts):
        whole = Assigned.combine(parts)
        bins = np.sum([part.bins for part in parts], axis=0)
        return cls(whole.sums, whole.counts, whole.loss, 0, bins)


@dataclass(frozen=True)
class CityBlock(Pass[BinnedRows]):
    """A pass with a parameter, `edges`, the borders of the bins."""

    centroids: np.ndarray
    edges: tuple[float, ...]

    def identity(self):
        k, d = self.centroids.shape
        bins = np.zeros((k, d, len(self.edges) - 1))
        return BinnedRows(np.zeros((k, d)), np.zeros(k), 0.0, 0, bins)

    def labels_and_distances(self, block):
        apart = np.abs(block.values[:, None] - self.centroids).sum(axis=2)
        return apart.argmin(axis=1), apart.min(axis=1)

    def __call__(self, block):
        found = self.identity()
        labels, distances = self.labels_and_distances(block)
        np.add.at(found.sums, labels, block.values)
        np.add.at(found.counts, labels, 1)
        columns = np.arange(block.values.shape[1])
        places = np.clip(np.searchsorted(self.edges, block.values) - 1, 0, len(self.edges) - 2)
        np.add.at(found.bins, (labels[:, None], columns, places), 1)
        return BinnedRows(found.sums, found.counts, float(distances.sum()), 0, found.bins)


@dataclass(frozen=True)
class CityBlockLabels(PerRow[BinnedRows]):
    question: CityBlock
    dtype: np.dtype[Any]

    def identity(self):
        return self.question.identity()

    def __call__(self, block):
        labels, _ = self.question.labels_and_distances(block)
        return labels.astype(self.dtype), self.question(block)


@dataclass(frozen=True)
class MediansUpdate(LloydUpdate):
    """k-medians, with the medians within the width of a bin."""

    edges: tuple[float, ...] = tuple(np.linspace(-1, 1, 2001).tolist())

    never_rises: ClassVar[bool] = False

    def step(self, centroids):
        return CityBlock(centroids, self.edges)

    def means(self, statistic, otherwise):
        below = np.cumsum(statistic.bins, axis=2)
        middle = (below < below[..., -1:] / 2).sum(axis=2)
        found = np.asarray(self.edges)[middle] + (self.edges[1] - self.edges[0]) / 2
        return np.where(statistic.counts[:, None] > 0, found, otherwise)

    def label_pass(self, centroids, dtype):
        return CityBlockLabels(self.step(centroids), dtype)


@dataclass(frozen=True)
class FewBlocksUpdate(LloydUpdate):
    """Lloyd's step on `most` blocks at a time."""

    most: int = 3

    never_rises: ClassVar[bool] = False

    def ask(self, state):
        if state.evaluating:
            return super().ask(state)
        first = self.most * len(state.history)
        blocks = tuple((first + at) % N_BLOCKS for at in range(self.most))
        return Request(self.step(state.centroids), blocks)


UPDATES: dict[str, Update] = {
    "lloyd": LloydUpdate(RULES),
    "accelerated": AcceleratedUpdate(RULES),
    "accelerated, Lloyd's steps only": AcceleratedUpdate(RULES, settles=False),
    "spherical": SphericalUpdate(RULES),
    "scatter": ScatterUpdate(RULES),
    "losses": LossesUpdate(RULES),
    "medians": MediansUpdate(RULES, relocate=False),
    "few blocks": FewBlocksUpdate(RULES, relocate=False),
    "mini-batch": MiniBatchUpdate(RULES, batches=Batches(300, 1)),
}
START = np.concatenate([X[: K - 1], X[:1] + 1e3])  # one cluster starts empty


ROWS = open_rows(da.from_array(X, chunks=(len(X) // N_BLOCKS, -1)))


def first(update, init=START):
    return first_state(ROWS, K, init, [7], update, Room(0, 300))


def blocks_of(numbers):
    size = len(X) // N_BLOCKS
    return [Block.from_values(X[size * n : size * (n + 1)]) for n in numbers]


@pytest.fixture(params=UPDATES)
def update(request):
    return UPDATES[request.param]


def test_every_update_is_put_to_the_laws():
    def below(kind):
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    concrete = {kind for kind in below(Update) if not inspect.isabstract(kind)}
    assert concrete == {type(update) for update in UPDATES.values()}


def test_ask_and_tell_change_no_state_and_answer_alike_each_time(update):
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
            told = state.tell(answers)
            assert alike(state.tell(answers), told)
        else:
            told = advanced
            assert alike(state.advance(), told)
        assert pickle.dumps(state) == before
        state = told
    assert state.advance() is None
    assert list(fit(ROWS, state)) == []


def test_a_fit_resumed_from_any_state_ends_with_the_same_bits(update):
    states = [first(update), *fit(ROWS, first(update), wave=8)]
    for state in states[:-1]:
        arrays = []
        saved = restore(flatten(state, arrays), arrays)
        assert alike(saved, state)
        *_, last = fit(ROWS, saved, wave=64)
        assert alike(last, states[-1])


MONOTONE = [name for name, update in UPDATES.items() if getattr(update, "never_rises", False)]


@pytest.mark.parametrize("name", MONOTONE)
def test_the_loss_never_rises_where_the_update_promises_so(name):
    best = iterate(ROWS, first(UPDATES[name])).best
    assert len(best.history) > 1
    losses = [*(step.inertia for step in best.history), best.inertia]
    for before, after, step in zip(losses, losses[1:], best.history, strict=False):
        assert step.relocated or after <= before * (1 + 1e-9)


def loss_of(update, centroids):
    """The loss of centroids, and the labels, by the label pass alone."""
    question = update.label_pass(centroids, np.dtype(np.int32))
    labels, statistics = zip(*map(question, blocks_of(range(N_BLOCKS))), strict=True)
    return sum(update.loss(each, centroids) for each in statistics), np.concatenate(labels)


def test_labels_and_the_loss_are_those_of_the_label_pass(update):
    state = iterate(ROWS, first(update), skip_evaluation=True)
    written = np.empty(len(X), np.int32)
    state = label(ROWS, state, written, written.dtype)
    inertia, labels = loss_of(update, state.best.centroids)
    assert np.array_equal(written, labels)
    assert state.best.inertia == pytest.approx(inertia, rel=1e-9)


def test_a_fit_that_is_stopped_at_any_state_knows_the_loss_of_its_centroids(update):
    for state in fit(ROWS, first(update)):
        best = iterate(ROWS, state.stop("time limit")).best
        assert best.done
        assert best.inertia == pytest.approx(loss_of(update, best.centroids)[0], rel=1e-9)


def n_steps(trajectory):
    return getattr(trajectory.state, "n_steps", len(trajectory.history))


def test_a_fit_that_ended_iterates_further_under_rules_that_allow_it(update):
    short = iterate(ROWS, first(replace(update, rules=StopRules(max_iter=2, tol=0))))
    (trajectory,) = short.trajectories
    assert trajectory.stop_reason == "max_iter"
    assert trajectory.under(trajectory.update.rules) is trajectory
    longer = iterate(ROWS, replace(short, trajectories=(trajectory.under(RULES),))).best
    assert longer.history[: len(trajectory.history)] == trajectory.history
    assert n_steps(longer) > n_steps(trajectory)
    assert longer.inertia == pytest.approx(loss_of(update, longer.centroids)[0], rel=1e-9)


def test_a_pass_with_a_parameter_gives_medians_within_the_width_of_a_bin():
    update = MediansUpdate(StopRules(max_iter=30, tol=0), relocate=False)
    best = iterate(ROWS, first(update, init="random")).best
    _, labels = loss_of(update, best.centroids)
    medians = np.stack([np.median(X[labels == c], axis=0) for c in range(K)])
    np.testing.assert_allclose(best.centroids, medians, atol=update.edges[1] - update.edges[0])


def test_reads_of_some_blocks_are_counted_by_their_share():
    state = iterate(ROWS, first(UPDATES["few blocks"]))
    steps = len(state.best.history)
    assert state.n_passes == 1 + steps * 3 / N_BLOCKS  # one for the loss
    assert state.reads.bytes_read == X.nbytes + steps * 3 * X.nbytes // N_BLOCKS
    expected = START
    for n in range(steps):
        blocks = [(3 * n + at) % N_BLOCKS for at in range(3)]
        gathered = [Lloyd(expected)(block) for block in blocks_of(blocks)]
        expected = Assigned.combine(gathered).means(otherwise=expected)
    np.testing.assert_allclose(state.best.centroids, expected, rtol=1e-12)
