"""Several of Lloyd's steps from one read equal those of one read each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamkm.fitting import first_state, fit
from streamkm.passes import Boundary, KeepBoundary, Lloyd
from streamkm.rows import Block, Room, open_rows
from streamkm.updates import AcceleratedUpdate, StopRules
from tests import reference
from tests.conftest import mixture


def fitted(x, centroids, keeps, weights=None, settles=False):
    rows = open_rows(x, sample_weight=weights)
    rules = StopRules(max_iter=200, tol=0)
    state = first_state(rows, len(centroids), centroids, [0], room=Room(0, 0))
    update = AcceleratedUpdate(rules, most=keeps, settles=settles)
    trajectories = tuple(replace(t, update=update) for t in state.trajectories)
    for told in fit(rows, replace(state, trajectories=trajectories)):
        state = told
    return state


def losses(state):
    return np.array([step.inertia for step in state.best.history])


@pytest.mark.parametrize("share", [0.02, 0.2, 1.0])
def test_whole_numbers_give_the_same_bits_in_fewer_reads(share):
    x = (mixture(6000, 3, 12) * 8 + 120).clip(0, 255).astype(np.uint8)
    centroids = x[:12].astype(np.float64)
    plain, kept = fitted(x, centroids, 0), fitted(x, centroids, int(share * len(x)))
    assert np.array_equal(losses(plain), losses(kept))
    assert np.array_equal(plain.best.centroids, kept.best.centroids)
    assert kept.n_passes < plain.n_passes * (1 if share < 0.1 else 0.5)
    if share == 1.0:
        assert kept.n_passes == 1


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("d", "k"), [(3, 9), (12, 7), (2, 60)])
def test_other_numbers_give_the_same_losses_to_rounding(d, k, weighted):
    x = mixture(5000, d, 8)
    weights = np.random.default_rng(0).random(len(x)) if weighted else None
    centroids = x[:k].astype(np.float64)
    plain = losses(fitted(x, centroids, 0, weights))
    kept = losses(fitted(x, centroids, 1000, weights))
    assert len(plain) == len(kept)
    np.testing.assert_allclose(kept, plain, rtol=1e-12)


@pytest.mark.parametrize("most", [0, 10, 300, 5000])
def test_what_is_kept_and_the_rest_are_all_rows_and_no_margin_promises_too_much(most):
    x = mixture(4000, 4, 6)
    centroids = x[:6].astype(np.float64)
    blocks = [Block.from_values(x[a : a + 1000]) for a in range(0, 4000, 1000)]
    found = Boundary.combine([KeepBoundary(centroids, most)(block) for block in blocks])
    assert len(found.margins) <= most
    apart = np.sqrt(np.sort(reference.squared_distances(x, centroids), axis=1))
    margins = np.sort(apart[:, 1] - apart[:, 0])
    assert found.reach <= (margins[len(found.margins)] if most < len(x) else np.inf)
    again = Lloyd(centroids)(Block.from_values(found.values)) if len(found.margins) else None
    counts = found.rest.counts + (0 if again is None else again.counts)
    assert np.array_equal(counts, Lloyd(centroids)(Block.from_values(x)).counts)


def test_merging_in_any_grouping_keeps_the_same_rows():
    x = mixture(3000, 3, 5)
    ask = KeepBoundary(x[:5].astype(np.float64), 200)
    parts = [ask(Block.from_values(x[a : a + 300])) for a in range(0, 3000, 300)]
    left = Boundary.combine([Boundary.combine(parts[:7]), *parts[7:]])
    right = Boundary.combine([*parts[:2], Boundary.combine(parts[2:])])
    assert left.reach == right.reach
    assert np.array_equal(left.values, right.values)
    assert np.array_equal(left.rest.counts, right.rest.counts)


def test_where_rows_cannot_be_kept_for_long_reads_are_as_before():
    x = np.random.default_rng(0).random((3000, 30), dtype=np.float32)  # no clusters
    centroids = x[:40].astype(np.float64)
    plain, kept = fitted(x, centroids, 0), fitted(x, centroids, 5)
    np.testing.assert_allclose(losses(kept), losses(plain), rtol=1e-12)
    assert kept.n_passes <= plain.n_passes
