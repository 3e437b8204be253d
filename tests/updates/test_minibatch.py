"""Mini-batch k-means: its steps, batches and reads."""

from __future__ import annotations

from dataclasses import replace

import dask
import numpy as np
import pytest
import zarr

from streamkm.checkpoint import Generations, load_saved
from streamkm.engine import folding, last
from streamkm.errors import NonFiniteError
from streamkm.fitting import checkpointing, first_state, fit, iterate, restart_seeds
from streamkm.reasons import MAX_ITER, TIME_LIMIT
from streamkm.rows import Budget, in_batches, open_rows
from streamkm.updates import Batches, MiniBatchUpdate, StopRules
from tests import reference
from tests.conftest import mixture

SEED = restart_seeds(1, 1)[0]
X = mixture(3000, 4, 6, seed=2, dtype=np.float64)
FIRST = X[:6] + 0.01


def rows_of(data, batch_size, **asked):
    return in_batches(open_rows(data, **asked), batch_size, Budget())


def start(rows, batch_size, init, k=6, rules=None, **options):
    rules = rules or StopRules(100, 0.0, max_no_improvement=10)
    update = MiniBatchUpdate(rules, batches=Batches(batch_size), **options)
    return first_state(rows, k, init, [SEED], update)


def stepped(rows, batch_size, n_steps, init=FIRST, **options):
    """States after each of some batches, and the row numbers of these."""
    trajectory = start(rows, batch_size, init, **options).trajectories[0]
    update, state, found = trajectory.update, trajectory.state, []
    for _ in range(n_steps):
        places = update.blocks(state)
        statistic = last(folding(update.ask(state), rows, 8, blocks=places)).total()
        blocks = [rows.block(number) for number in places]
        numbers = np.concatenate([block.row_numbers(0, block.n_rows) for block in blocks])
        state = update.tell(state, statistic)
        found.append((state, numbers))
    return found


def check_against_the_oracle(found, x, first, weights=None, ratio=0.0):
    def drawn(step):
        numbers = np.sort(found[step][1])
        draws = reference.draws(numbers, SEED, 2**62 + 2**61 + step)
        return numbers[np.argsort(draws if weights is None else draws / weights[numbers])]

    batches = [numbers for _, numbers in found]
    expected = reference.mini_batches(x, first, batches, weights, ratio, drawn)
    for (state, _), (centroids, counts, mean) in zip(found, expected, strict=True):
        np.testing.assert_allclose(state.centroids, centroids, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(state.counts, counts, rtol=1e-12)
        assert state.mean_loss == pytest.approx(mean, rel=1e-11)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_steps_are_those_of_the_oracle(dtype):
    x = (16 * X).astype(dtype)
    found = stepped(rows_of(x, 100), 100, 40, 16 * FIRST, reassignment_ratio=0.0)
    check_against_the_oracle(found, x, 16 * FIRST)


def test_steps_with_weights_and_reassignment_are_those_of_the_oracle():
    """Distant centroids are empty at first, and each is moved to a row of the batch."""
    weights = np.random.default_rng(0).integers(1, 9, len(X)) / 4
    first = np.concatenate([FIRST[:3], FIRST[3:] + 1e3])
    rows = rows_of(X, 64, sample_weight=weights)
    found = stepped(rows, 64, 30, first, reassignment_ratio=0.05)
    assert np.abs(found[1][0].centroids).max() < 500  # near rows after two batches
    check_against_the_oracle(found, X, first, weights, 0.05)


def test_no_more_than_half_of_a_batch_is_reassigned():
    first = np.concatenate([FIRST[:1], np.full((19, 4), 1e4)])
    found = stepped(rows_of(X, 10), 10, 1, first, k=20, reassignment_ratio=0.5)
    near = np.abs(found[0][0].centroids).max(axis=1) < 5e3
    assert near.sum() == 1 + 5
    check_against_the_oracle(found, X, first, ratio=0.5)


def test_a_weight_of_two_is_a_row_twice():
    weights = np.where(np.arange(500) % 3 == 0, 2.0, 1.0)
    twice = np.repeat(X[:500], weights.astype(int), axis=0)
    options = {"reassignment_ratio": 0.0}
    weighted = stepped(rows_of(X[:500], 2000, sample_weight=weights), 2000, 5, **options)
    repeated = stepped(rows_of(twice, 2000), 2000, 5, **options)
    for (one, _), (other, _) in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(one.centroids, other.centroids, rtol=1e-12)
        np.testing.assert_array_equal(one.counts, other.counts)


def test_every_epoch_visits_each_block_once_in_an_order_of_its_own():
    batches = Batches(250, 5, n_blocks=30, n_rows=2990, block_rows=100)
    assert (batches.blocks_each, batches.rows_each, batches.per_epoch) == (2, 200, 15)
    epochs = [[batches.blocks(15 * epoch + step) for step in range(15)] for epoch in range(3)]
    for epoch in epochs:
        assert sorted(number for blocks in epoch for number in blocks) == list(range(30))
    assert epochs[0] != epochs[1] != epochs[2]
    assert replace(batches, seed=6).blocks(0) != batches.blocks(0)


@pytest.fixture
def store(tmp_path, no_table):
    return zarr.create_array(tmp_path / "x", data=X, chunks=(70, 4))


def outcome(state):
    best = state.best
    return best.centroids.tobytes(), best.inertia, best.state.n_steps, state.reads


@pytest.mark.parametrize("init", ["random", "coreset", FIRST])
def test_the_bits_are_the_same_on_every_scheduler(store, init):
    rows = rows_of(store, 300)
    found = set()
    for scheduler in ("threads", "synchronous"):
        with dask.config.set(scheduler=scheduler):
            found.add(outcome(iterate(rows, start(rows, 300, init))))
    *_, state = fit(rows, start(rows, 300, init), wave=8)
    assert found == {outcome(state)}


@pytest.mark.parametrize("batch_size", [300, 1500])
def test_a_fit_resumes_from_every_state_with_the_same_bits(
    store, tmp_path, monkeypatch, batch_size
):
    """Also in the middle of a batch of several waves of blocks."""
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 1)
    rows = rows_of(store, batch_size)
    rules = StopRules(2, 0.0)
    states = list(fit(rows, start(rows, batch_size, "coreset", rules=rules), wave=8))
    mid_batch = [s for s in states if s.folded and s.can_stop and not s.evaluating]
    assert bool(mid_batch) == (batch_size == 1500)
    for number in (0, 1, 2, 5, len(states) - 2):
        where = tmp_path / f"{number}"
        with checkpointing(where, rows, {}) as checkpoint:
            assert checkpoint.save(states[number])
        *_, resumed = fit(rows, load_saved(Generations(where, "r")).state)
        assert outcome(resumed) == outcome(states[-1])


def test_reads_count_the_blocks_that_were_read(store, monkeypatch):
    rows = rows_of(store, 300)
    numbers = []
    kind = type(rows)
    cut = kind.block_beside

    def counted(self, number, beside):
        numbers.append(number)
        return cut(self, number, beside)

    monkeypatch.setattr(kind, "block_beside", counted)
    with dask.config.set(scheduler="synchronous"):
        state = iterate(rows, start(rows, 300, "random", init_size=500))
    sizes = np.minimum(70, 3000 - 70 * np.array(numbers))
    assert state.reads.bytes_read == sizes.sum() * 32
    assert state.n_passes == sizes.sum() / 3000
    assert state.reads.by_phase["seeding"] == {"reads": 560 / 3000, "bytes": 560 * 32}


def test_a_seeding_on_masked_blocks_reads_more_blocks(store):
    mask = np.zeros(len(X), bool)
    mask[2100:] = True
    rows = rows_of(store, 300, mask=mask)
    state = iterate(rows, start(rows, 300, "random", init_size=300))
    assert state.reads.by_phase["seeding"]["reads"] > 300 / 3000
    present = X[mask]
    nearest = np.sqrt(reference.squared_distances(state.best.centroids, present).min(axis=1))
    assert nearest.max() < 3  # means of existing rows


def test_a_batch_that_is_all_masked_changes_nothing():
    mask = np.zeros(len(X), bool)
    rows = rows_of(X, 100, mask=mask)
    (state, _), *_ = stepped(rows, 100, 1)
    assert np.array_equal(state.centroids, FIRST)
    assert not state.counts.any()
    assert (state.n_steps, state.average) == (1, None)


def test_a_bad_row_of_any_batch_is_refused(store):
    store[2900:2901] = np.nan
    rows = rows_of(store, 300)
    with pytest.raises(NonFiniteError, match="row 2900"):
        iterate(rows, start(rows, 300, FIRST))
    store[2900:2901] = X[2900:2901]
    store[2801:2802] = np.nan
    quick = StopRules(1, 1e9)  # ends after two batches; the loss is of all rows
    with pytest.raises(NonFiniteError, match="row 2801"):
        iterate(rows, start(rows, 300, FIRST, rules=quick))


def test_stop_rules(store):
    rows = rows_of(store, 300)

    def fitted(rules):
        return iterate(rows, start(rows, 300, FIRST, rules=rules)).best

    assert rows.n_blocks == 43  # four in a batch
    whole = fitted(StopRules(3, 0.0))
    assert (whole.stop_reason, whole.state.n_steps) == (MAX_ITER, 3 * 11)
    assert fitted(StopRules(3, 1.0)).stop_reason == "centroid shift"
    early = fitted(StopRules(100, 0.0, max_no_improvement=2))
    assert early.stop_reason == "no improvement"
    assert early.state.no_improvement == 2
    state = iterate(rows, start(rows, 300, FIRST), time_limit=0)
    assert (state.best.stop_reason, state.best.state.n_steps) == (TIME_LIMIT, 1)
    assert state.best.inertia == pytest.approx(reference.inertia(X, state.best.centroids))


def test_a_fit_under_more_epochs_is_that_of_so_many_from_the_start(store):
    rows = rows_of(store, 300)
    few = iterate(rows, start(rows, 300, FIRST, rules=StopRules(1, 0.0)))
    more = tuple(t.under(StopRules(4, 0.0)) for t in few.trajectories)
    resumed = iterate(rows, replace(few, trajectories=more)).best
    whole = iterate(rows, start(rows, 300, FIRST, rules=StopRules(4, 0.0))).best
    assert resumed.centroids.tobytes() == whole.centroids.tobytes()
    assert resumed.inertia == whole.inertia


@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_estimated_where_it_is_not_read(store, weighted):
    weights = np.linspace(0.5, 1.5, len(X)) if weighted else None
    rows = rows_of(store, 300, sample_weight=weights)
    rules = StopRules(100, 0.0, max_no_improvement=10, evaluates=False)
    best = iterate(rows, start(rows, 300, FIRST, rules=rules)).best
    assert best.inertia == pytest.approx(reference.inertia(X, best.centroids, weights), rel=0.1)


def test_rows_far_from_zero_keep_their_digits():
    far = X + 2.0**44
    rows = rows_of(far, 300)
    first = FIRST + 2.0**44
    state = iterate(rows, start(rows, 300, first, rules=StopRules(2, 0.0)))
    near = far - 2.0**44
    expected = iterate(
        rows_of(near, 300), start(rows_of(near, 300), 300, first - 2.0**44, rules=StopRules(2, 0.0))
    )
    moved = state.scaling.back(state.best.centroids) - 2.0**44
    np.testing.assert_allclose(moved, expected.best.centroids, atol=0.01)
    assert state.best.inertia == pytest.approx(expected.best.inertia, rel=1e-6)
