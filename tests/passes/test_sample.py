"""Samples are unbiased, contain heavy rows with certainty, and do not depend on chunks."""

from __future__ import annotations

import numpy as np
import pytest

from streamkm.passes import Sampled, SampleSensitive, SampleUniform
from streamkm.rows import Block
from tests import reference
from tests.conftest import mixture

X = mixture(4000, 2, 3)
CENTROIDS = X[:3].astype(np.float64)


def test_uniform_rows_come_as_often_as_their_rate_says():
    threshold, seen = 0.1, np.zeros(len(X))
    for seed in range(200):
        seen[SampleUniform(4000, threshold, seed, 0)(Block.from_values(X)).numbers] += 1
    p = -np.expm1(-threshold)
    assert abs(seen.mean() / 200 - p) < 5 * np.sqrt(p / (200 * len(X)))
    spread = seen.var() / (200 * p * (1 - p))
    assert spread == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("most", [150, 4000])
def test_sums_over_a_sample_are_unbiased(most):
    """Also if the cap, not the threshold, determines the sample."""
    rng = np.random.default_rng(0)
    weights = rng.random(len(X))
    block = Block.from_values(X, weights)
    base = np.full(3, 1e-4)
    other = np.array([[0.0, 0], [3, 1], [-5, 2], [4, 4]])
    want = reference.inertia(X, other, weights)
    found = []
    for seed in range(300):
        sample = SampleSensitive(most, 300.0, seed, 1, CENTROIDS, 1e-5, base)(block)
        found.append(reference.inertia(sample.values, other, sample.estimates))
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - want) < 4 * error
    assert error < 0.02 * want


def test_a_far_row_is_certain_and_stands_for_itself():
    x = np.concatenate([X, [[1e4, 1e4]]]).astype(np.float32)
    for seed in range(20):
        question = SampleSensitive(100, 100.0, seed, 1, CENTROIDS, 1 / 3e5, np.full(3, 1e-4))
        sample = question(Block.from_values(x))
        at = np.flatnonzero(sample.numbers == len(X))
        assert at.size == 1
        assert sample.estimates[at[0]] == pytest.approx(1)


def test_room_for_fewer_is_the_sample_that_had_been_drawn():
    block = Block.from_values(X)
    large, small = (SampleUniform(most, 0.5, 7, 0)(block) for most in (1000, 200))
    cut = large.lowest(200)
    assert np.array_equal(cut.numbers, small.numbers)
    assert cut.threshold == small.threshold
    assert small.estimates.sum() == pytest.approx(len(X), rel=0.2)


def test_rows_without_weight_are_never_drawn():
    weights = np.where(np.arange(len(X)) % 3, 0.0, 1.0)
    for question in (
        SampleUniform(4000, np.inf, 0, 0),
        SampleSensitive(4000, np.inf, 0, 0, CENTROIDS, 1.0, np.ones(3)),
    ):
        sample = question(Block.from_values(X, weights))
        assert sorted(sample.numbers) == list(range(0, len(X), 3))
        assert np.array_equal(sample.estimates, np.ones(len(sample.keys)))


def test_parts_that_were_cut_combine_to_the_whole():
    question = SampleUniform(50, np.inf, 0, 0)
    parts = [
        question(Block(X[a : a + 1000], None, i, (a,), (1000,), (4000,)))
        for i, a in enumerate(range(0, 4000, 1000))
    ]
    whole = question(Block.from_values(X))
    assert np.array_equal(Sampled.combine(parts).numbers, whole.numbers)
    assert Sampled.combine(parts).threshold == whole.threshold
