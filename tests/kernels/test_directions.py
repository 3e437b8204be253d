"""Cosine similarities above a threshold, against all pairs in float64."""

from __future__ import annotations

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from streamkm.kernels import directions
from streamkm.kernels.directions import Directions, independent, near_any, similarities

RNG = np.random.default_rng(0)


def cosines(x):
    x = x.astype("f8")
    length = np.linalg.norm(x, axis=1, keepdims=True)
    unit = np.divide(x, length, out=np.zeros_like(x), where=length > 0)
    return unit @ unit.T


def greedy(x, threshold):
    """The rows that are kept, one after another."""
    near, kept = cosines(x) >= threshold, []
    for row in range(len(x)):
        if not near[row, kept].any():
            kept.append(row)
    return kept


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1"])
@pytest.mark.parametrize("threshold", [0.5, 0.95])
def test_the_kept_rows_are_those_of_all_pairs(dtype, threshold):
    x = (RNG.normal(size=(1300, 4)) * 20).astype(dtype)
    kept = independent(Directions.from_rows(x), threshold)
    np.testing.assert_array_equal(np.flatnonzero(kept), greedy(x, threshold))
    others = Directions.from_rows(x[700:])
    near = near_any(Directions.from_rows(x[:700]), others, threshold)
    np.testing.assert_array_equal(near, (cosines(x)[:700, 700:] >= threshold).any(axis=1))


@given(arrays.arrays("i1", (30, 3), elements=st.integers(-2, 2)), st.sampled_from([0.5, 0.8, 1.0]))
def test_pairs_at_the_threshold_are_decided_in_float64(x, threshold):
    """Products of float32 would decide many of these pairs by their rounding."""
    kept = np.flatnonzero(independent(Directions.from_rows(x), threshold)).tolist()
    each = np.arange(30)
    pairs = similarities(x[each.repeat(30)], x[np.tile(each, 30)]).reshape(30, 30)
    expected = []
    for row in range(30):
        if not (pairs[row, expected] >= threshold).any():
            expected.append(row)
    assert kept == expected


@given(arrays.arrays("f8", (4, 5), elements=st.floats(-1e300, 1e300)))
def test_equal_rows_have_similarity_one_and_zeros_none(x):
    zero = ~x.any(axis=1)
    assert (similarities(x, x) == np.where(zero, 0, 1)).all()
    twice = np.concatenate([x, x])
    kept = independent(Directions.from_rows(twice), 1.0)
    assert kept[:4][zero].all()
    assert (kept[4:] == zero).all()


def test_strips_and_tiles_change_nothing(monkeypatch):
    x = RNG.integers(-3, 4, (400, 3))
    whole = independent(Directions.from_rows(x), 0.9)
    monkeypatch.setattr(directions, "_STRIP", 7)
    monkeypatch.setattr(directions, "_OTHERS", 11)
    monkeypatch.setattr(directions, "_PAIRS_NBYTES", 24)
    np.testing.assert_array_equal(independent(Directions.from_rows(x), 0.9), whole)


def test_the_bound_holds_for_float32_products():
    x = RNG.normal(size=(300, 700)) + 0.5
    units = Directions.from_rows(x).units
    error = np.abs((units @ units.T).astype("f8") - cosines(x)).max()
    assert 0 < error < directions._bound(700) < 1e-3  # else every pair would be decided again
    assert directions._bound(2**24) == np.inf
