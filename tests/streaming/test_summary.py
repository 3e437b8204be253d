"""Summaries are unbiased, of bounded size, and mergeable in any order."""

from __future__ import annotations

import pickle
from dataclasses import replace

import dask
import numpy as np
import pytest

from streamkm.engine import map_reduce
from streamkm.errors import DataError, NonFiniteError
from streamkm.passes import Counted
from streamkm.rows import Block, BlockPlan, StoredRows, open_rows
from streamkm.runs.stream import StreamBudget, absorb
from streamkm.streaming import Frozen, Summarise, Summary, solve, summary_rows
from streamkm.streaming.solution import searches
from tests import reference
from tests.conftest import mixture
from tests.passes.contract import same

K, MOST = 4, 300
X = mixture(12_000, 2, K, seed=3)
CENTROIDS = np.array([[0.0, 0], [3, 1], [-5, 2], [4, 4]])
LOSS = reference.inertia(X, CENTROIDS)


def summarised(batches, seed=0, most=MOST, weights=None):
    summary = Summary.none(most, K, seed)
    for at, batch in enumerate(batches):
        weight = None if weights is None else weights[at]
        summary = absorb(summary, open_rows(batch, sample_weight=weight))
    return summary


def in_blocks(x, edges):
    return StoredRows(x, open_rows(x).layout, BlockPlan((tuple(edges),)))


def estimate(summary):
    return reference.inertia(summary.values, CENTROIDS, summary.estimates)


def test_sums_are_unbiased_after_many_reductions_and_not_less_accurate_than_after_one():
    many = [summarised(np.array_split(X, 15), seed) for seed in range(14)]
    one = [map_reduce(Summarise(MOST, K, seed), in_blocks(X, [0, len(X)])) for seed in range(14)]
    for found in (many, one):
        assert {len(s.draws) <= 2 * MOST for s in found} == {True}
        off = np.array([estimate(s) for s in found]) / LOSS - 1
        assert abs(off.mean()) < 4 * off.std() / np.sqrt(len(off))
        assert off.std() < 2.5 / np.sqrt(MOST)  # as for one sample [docs/seeding.md]
    weights = [s.estimates.sum() / len(X) - 1 for s in many]
    assert abs(np.mean(weights)) < 4 * np.std(weights) / np.sqrt(len(weights))


def test_rows_that_were_sampled_before_keep_their_probability_where_it_is_lower():
    """Wide rows were sampled with the probability of a half; beside tight rows all would stay."""
    rng, half = np.random.default_rng(0), np.log(2)
    wide, tight = rng.normal(size=(400, 2)) * 100, rng.normal(size=(500, 2)) + 1000
    found = []
    for seed in range(40):
        whole = summarised([wide], seed)
        kept = whole.draws < half
        columns = {n: getattr(whole, n)[kept] for n in ("draws", "weights", "numbers", "values")}
        sampled = replace(whole, bounds=np.full(kept.sum(), half), **columns)
        both = Summary.combine([sampled, summarised([tight], seed)])
        assert len(both.draws) == MOST
        found.append(both.estimates[both.values[:, 0] < 800].sum())
    assert abs(np.mean(found) - 400) < 4 * np.std(found) / np.sqrt(len(found))


def test_weights_count_and_rows_without_weight_are_never_in_a_summary():
    weights = np.where(np.arange(len(X)) % 3, np.arange(len(X)) % 5, 0.0)
    parts = np.array_split(X, 7), np.array_split(weights, 7)
    found = [summarised(parts[0], seed, weights=parts[1]) for seed in range(12)]
    want = reference.inertia(X, CENTROIDS, weights)
    off = np.array([estimate(s) for s in found]) / want - 1
    assert abs(off.mean()) < 4 * off.std() / np.sqrt(len(off))
    assert all((s.weights > 0).all() and s.total == weights.sum() for s in found)
    assert found[0].counted.weighted == np.count_nonzero(weights)


def test_a_summary_has_at_most_twice_its_size_for_any_number_of_rows():
    summary, seen = Summary.none(MOST, K, 0), 0
    for batch in (X, *np.array_split(X, 13), X[:1], X[:0], X, *np.array_split(X[:900], 90)):
        if len(batch):
            summary = absorb(summary, open_rows(batch))
        seen += len(batch)
        assert len(summary.draws) <= 2 * MOST
        assert summary.counted.rows == summary.length == seen
    assert len(pickle.dumps(summary)) < 2 * MOST * (2 * 4 + 4 * 8) + 2000


def test_few_rows_are_all_kept_and_their_centroids_do_not_depend_on_the_batches():
    x = X[: 2 * MOST]
    whole, parts = summarised([x]), summarised(np.array_split(x, 9))
    assert whole.is_complete
    assert parts.is_complete
    assert np.array_equal(np.sort(whole.values, axis=0), np.sort(x, axis=0))
    a, b = solve(whole), solve(parts)
    assert a.centroids.tobytes() == b.centroids.tobytes()
    assert a.inertia == pytest.approx(reference.inertia(x, a.centroids))
    assert a.counts.sum() == pytest.approx(len(x))


def test_tiny_distant_clusters_survive_every_reduction():
    x = X.copy()
    x[[7, 4000, 9001]] = [[900, 0], [0, -900], [900, 900]]
    for seed in range(3):
        for summary in (summarised([x], seed), summarised(np.array_split(x, 40), seed)):
            far = np.abs(summary.values).max(axis=1) > 800
            assert far.sum() == 3 < len(far) <= 2 * MOST
            assert summary.estimates[far] == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("order", ["cluster", "norm", "one cluster last"])
def test_the_order_of_the_rows_hardly_changes_the_loss(order):
    x = mixture(30_000, 3, 12, seed=5)
    labels = reference.labels(x, mixture_centres := solve(whole_of(x)).centroids)
    keys = {
        "cluster": labels,
        "norm": np.linalg.norm(x, axis=1),
        "one cluster last": labels == 5,
    }
    best = reference.inertia(x, mixture_centres)
    sorted_rows = x[np.argsort(keys[order], kind="stable")]
    summary = Summary.none(2000, 12, 0)
    for batch in np.array_split(sorted_rows, 25):
        summary = absorb(summary, open_rows(batch))
    assert reference.inertia(x, solve(summary).centroids) <= 1.02 * best


def whole_of(x, k=12):
    return absorb(Summary.none(len(x), k, 0), open_rows(x))


def test_merging_has_the_same_bits_in_both_orders_and_the_same_guarantee_in_any():
    rng, losses = np.random.default_rng(0), []
    for seed in range(12):
        left = [summarised([part], seed) for part in np.array_split(X, 12)]
        assert same(Summary.combine(left[:2]), Summary.combine(left[1::-1]))
        while len(left) > 1:
            pair = [left.pop(rng.integers(len(left))) for _ in range(2)]
            left.append(Summary.combine(pair))
        assert left[0].counted == Counted(len(X), len(X))
        assert len(left[0].draws) <= 2 * MOST
        losses.append(estimate(left[0]) / LOSS - 1)
    assert abs(np.mean(losses)) < 4 * np.std(losses) / np.sqrt(len(losses))
    assert np.std(losses) < 2.5 / np.sqrt(MOST)


def test_the_solution_is_the_best_of_several_searches():
    rng = np.random.default_rng(1)
    summary = absorb(Summary.none(2000, 36, 7), open_rows(rng.normal(size=(600, 2))))
    assert [searches(np.empty((600, 2)), k) for k in (32, 36)] == [1, 8]
    assert searches(np.empty((20_000, 2)), 3) == 8  # a search sees a part of them
    assert searches(np.empty((200_000, 8)), 100) == 1  # each would take seconds
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamkm.streaming.solution._SEARCHES", 1)
        first = solve(summary).inertia
    assert solve(summary).inertia < first


def test_rows_of_equal_numbers_and_seeds_have_different_draws():
    """Also in data that begin with the same row, such as scenes whose corner has no data."""
    first, weights = np.concatenate([X[:1], X[151:300]]), np.arange(1.0, 151)
    blocks = [Block.from_values(x) for x in (X[:150], X[150:300], first)]
    blocks.append(Block.from_values(X[:150], weights))
    found = [Summarise(100, K, 0)(block).draws for block in blocks]
    found.append(Summarise(100, K, 0, first=150)(blocks[0]).draws)
    assert len(np.unique(np.concatenate(found))) == 5 * 150


def test_reads_of_one_grid_are_sampled_independently():
    """Forty scenes of the same pixels; the same pixels of all scenes would be in the summary."""
    base = X[:500] * 3
    scenes = np.random.default_rng(0).normal(0, 0.05, (40, 500, 2)).astype("f4") + base
    scenes[:, 0] = 0
    off = [summarised(scenes, seed).estimates.sum() / scenes[..., 0].size - 1 for seed in range(10)]
    assert np.sqrt(np.mean(np.square(off))) < 0.15  # 0.4 with the same draws in every scene


def test_merging_summaries_of_the_same_data_does_not_depend_on_their_order():
    changed = X[:MOST].copy()
    changed[1] += 9  # not among the rows that tell the data apart
    a, b = (summarised([x]) for x in (X[:MOST], changed))
    assert (a.draws == b.draws).all()
    assert same(Summary.combine([a, b]), Summary.combine([b, a]))


def test_weights_whose_sum_is_too_large_are_refused():
    half = np.full(10, 1e307)
    summary = summarised([X[:10]], weights=[half])
    assert solve(summary).counts.sum() == pytest.approx(1e308)
    with pytest.raises(DataError, match="sum of the weights is too large"):
        absorb(summary, open_rows(X[:10], sample_weight=half))
    with pytest.raises(DataError, match="sum of the weights is too large"):
        summarised([X[:10]], weights=[np.full(10, 1e308)])


@pytest.mark.parametrize("frozen", [Frozen(), Frozen.beginning(CENTROIDS[:2], 2.0)])
def test_the_same_bits_on_every_scheduler_and_with_any_size_of_waves(frozen, cluster):
    rows, question = in_blocks(X, range(0, 12_001, 1000)), Summarise(MOST, K, 5, frozen=frozen)
    want = map_reduce(question, rows)
    assert not want.is_complete
    for scheduler in ("synchronous", "threads"):
        with dask.config.set(scheduler=scheduler):
            assert same(map_reduce(question, rows, wave=8), want)
    with cluster.as_current():
        assert same(map_reduce(question, rows), want)


def test_invalid_rows_are_named_and_leave_the_summary_as_it_was():
    summary, bad = summarised([X]), X.copy()
    bad[77, 1] = np.nan
    with pytest.raises(NonFiniteError, match="row 77"):
        absorb(summary, open_rows(bad))


def test_the_memory_of_the_summaries_is_part_of_the_projection():
    rows = open_rows(X, budget=StreamBudget(None, 2, K, size=1000))
    small, large = (StreamBudget(None, 2, K, size=s).of(rows.layout) for s in (1000, 100_000))
    more = large.projected(2**20, 8) - small.projected(2**20, 8)
    assert more >= 99_000 * 2 * (8 + 2) * 2 * 8
    assert summary_rows(10, 3) == 65536
    assert summary_rows(10, 10_000) == 4096
    assert summary_rows(1000, 3) == 256_000
