"""Assignments of bounded size have the least cost of all."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from streamkm.kernels import exchange


def least_cost(costs, low, high):
    """The least cost by an assignment of rows to places, of which `low` must be taken."""
    k = len(low)
    clusters = np.concatenate([np.repeat(np.arange(k), low), np.repeat(np.arange(k), high - low)])
    must = 1e6 * (np.arange(len(clusters)) < low.sum())
    rows, places = linear_sum_assignment(costs[:, clusters] - must)
    return costs[rows, clusters[places]].sum()


@st.composite
def problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    k, m = draw(st.integers(1, 6)), draw(st.integers(0, 24))
    low = rng.integers(0, m // k + 1, k)
    high = low + rng.integers(0, m + 1, k)
    high[0] += max(0, m - high.sum())
    ties = draw(st.booleans())
    costs = rng.integers(0, 4, (m, k)).astype(float) if ties else rng.random((m, k))
    return costs, low, high, draw(st.sampled_from([0.0, 1.0])) * rng.normal(size=k)


def test_reports_divide_a_search_and_may_end_it(monkeypatch):
    costs = np.random.default_rng(0).random((200, 4))
    costs[:, 0] = 0
    clusters = np.tile(np.arange(4, dtype=np.int32), (200, 1))
    problem = clusters, costs, np.full(4, 50), np.full(4, 50), np.zeros(4)
    whole, seen = exchange(*problem), []
    module = import_module("streamkm.kernels.exchange")
    monkeypatch.setattr(module, "_WORK", 0)  # a report after each path
    found = exchange(*problem, seen.append)
    assert seen == sorted(seen, reverse=True)
    assert seen[0] == 149
    assert seen[-1] == 1
    assert np.array_equal(found.places, whole.places)
    assert np.array_equal(found.prices, whole.prices)

    def stop(missing):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exchange(*problem, stop)


@settings(deadline=None, max_examples=150)
@given(problems())
def test_the_cost_is_the_least_and_the_prices_prove_it(problem):
    check_least(*problem)


def test_the_cost_is_the_least_from_prices_that_are_far_off():
    """Then most paths lead over the ground, whose price changes."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        low = rng.integers(0, 5, 10)
        check_least(rng.random((40, 10)), low, low + rng.integers(0, 41, 10), rng.normal(size=10))


def check_least(costs, low, high, start):
    m, k = costs.shape
    clusters = np.tile(np.arange(k, dtype=np.int32), (m, 1))
    found = exchange(clusters, costs, low, high, start)
    sizes = np.bincount(found.places, minlength=k)
    assert found.missing == 0
    assert (sizes >= low).all()
    assert (sizes <= high).all()
    own = costs[np.arange(m), found.places]
    assert own.sum() == pytest.approx(least_cost(costs, low, high), abs=1e-9)
    assert (own + found.prices[found.places] <= (costs + found.prices).min(axis=1) + 1e-9).all()
    assert (sizes[found.prices > 1e-9] == high[found.prices > 1e-9]).all()
    assert (sizes[found.prices < -1e-9] == low[found.prices < -1e-9]).all()


def test_rows_that_no_candidate_leads_to_are_counted_as_missing():
    clusters = np.array([[0, 1], [0, 1], [1, 0]], np.int32)
    found = exchange(clusters, np.ones((3, 2)), np.array([0, 0, 2]), np.full(3, 3), np.zeros(3))
    assert found.missing == 2
