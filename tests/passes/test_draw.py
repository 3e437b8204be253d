"""Frequencies of samplers; draws depend on the rows, not on the blocks."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from streamkm.engine import map_reduce
from streamkm.passes import DrawFarthest, DrawSquaredDistance, DrawUniform
from streamkm.rows import Block, open_rows
from tests import reference
from tests.conftest import mixture

ROWS = np.array([[0.0, 0], [1, 0], [0, 3], [4, 4], [-2, 1], [9, 9], [0.5, 0.5]])
DRAWS = 6000


def frequencies(question):
    """Count how often each row is drawn first, over many seeds."""
    block = Block.from_values(ROWS)
    return np.bincount([question(s)(block).numbers[0] for s in range(DRAWS)], minlength=len(ROWS))


def test_uniform_draws_are_uniform():
    assert stats.chisquare(frequencies(lambda s: DrawUniform(1, s, 0))).pvalue > 1e-4


def test_weighted_draws_follow_the_weights():
    weights = np.array([1, 2, 0, 4, 1, 0.5, 3])
    block = Block.from_values(ROWS, weights)
    drawn = [DrawUniform(1, s, 0)(block).numbers[0] for s in range(DRAWS)]
    seen = np.bincount(drawn, minlength=7)
    assert seen[2] == 0
    kept = weights > 0
    expected = DRAWS * weights[kept] / weights.sum()
    assert stats.chisquare(seen[kept], expected).pvalue > 1e-4


def test_squared_distance_draws_follow_the_true_distribution():
    """In knor, the first rows nearly always win, because it divides by RAND_MAX twice."""
    centroids = ROWS[[0, 3]]
    seen = frequencies(lambda s: DrawSquaredDistance(1, s, 1, centroids))
    d2 = reference.squared_distances(ROWS, centroids).min(axis=1)
    assert seen[d2 == 0].sum() == 0
    expected = DRAWS * d2 / d2.sum()
    assert stats.chisquare(seen[d2 > 0], expected[d2 > 0]).pvalue > 1e-4


def test_draws_are_without_replacement():
    block = Block.from_values(ROWS)
    for seed in range(50):
        assert sorted(DrawUniform(7, seed, 0)(block).numbers) == list(range(7))
    second = [DrawUniform(2, s, 0)(block).numbers[1] for s in range(DRAWS)]
    assert stats.chisquare(np.bincount(second, minlength=7)).pvalue > 1e-4


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 399), max_size=8, unique=True))
def test_the_same_rows_are_drawn_for_every_chunking(cuts):
    x = mixture(400, 3, 4)
    edges = [0, *sorted(cuts), 400]
    chunks = (tuple(np.diff(edges).tolist()), (3,))
    for question in (
        DrawUniform(9, 3, 0),
        DrawSquaredDistance(9, 3, 1, x[:2].astype(np.float64)),
        DrawFarthest(9, x[:2].astype(np.float64)),
    ):
        whole = question(Block.from_values(x))
        got = map_reduce(question, open_rows(da.from_array(x, chunks=chunks)))
        assert np.array_equal(got.numbers, whole.numbers)
        assert np.array_equal(got.keys, whole.keys)
        assert np.array_equal(got.values, whole.values)


def test_equal_rows_are_drawn_once_and_as_often_as_there_are_many():
    x = np.repeat(np.array([[1.0], [2], [3]]), [90, 9, 1], axis=0)
    firsts = [DrawUniform(1, s, 0)(Block.from_values(x)).values[0, 0] for s in range(DRAWS)]
    seen = [firsts.count(v) for v in (1, 2, 3)]
    assert stats.chisquare(seen, np.array([90, 9, 1]) * DRAWS / 100).pvalue > 1e-4
    drawn = DrawUniform(5, 0, 0)(Block.from_values(x))
    assert sorted(drawn.values[:, 0]) == [1, 2, 3]


def test_minus_zero_is_zero():
    drawn = DrawUniform(5, 0, 0)(Block.from_values(np.array([[0.0, 1], [-0.0, 1]])))
    assert len(drawn.keys) == 1


def test_few_distinct_rows_among_very_many():
    x = np.random.default_rng(0).integers(0, 3, (200_000, 2)).astype(np.uint8)
    drawn = DrawUniform(20, 0, 0)(Block.from_values(x))
    assert len(drawn.keys) == 9
    assert len({tuple(v) for v in drawn.values}) == 9


@pytest.mark.parametrize("most", [1, 4])
def test_farthest_rows_are_those_of_the_oracle(most):
    x = mixture(1000, 4, 3)
    centroids = x[:5].astype(np.float64)
    drawn = DrawFarthest(most, centroids)(Block.from_values(x))
    distances = reference.squared_distances(x, centroids).min(axis=1)
    assert drawn.numbers.tolist() == np.argsort(-distances, kind="stable")[:most].tolist()
    assert drawn.labels.tolist() == reference.labels(x[drawn.numbers], centroids).tolist()


def test_farthest_ties_go_to_the_lowest_row_and_weightless_rows_never_win():
    x = np.array([[0.0], [5], [-5], [7]])
    drawn = DrawFarthest(1, np.zeros((1, 1)))(Block.from_values(x, np.array([1.0, 1, 1, 0])))
    assert drawn.numbers.tolist() == [1]
