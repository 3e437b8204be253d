from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from streamkm.kernels import exponentials
from tests import reference


@pytest.mark.parametrize(("seed", "stream"), [(0, 0), (5, 7), (2**64 - 1, 2**63)])
def test_draws_are_those_of_numpys_philox_stream(seed, stream):
    rows = np.array([0, 1, 2, 3, 4, 5, 1000, 7, 6, 999, 3])
    np.testing.assert_allclose(
        exponentials(rows, seed, stream), reference.draws(rows, seed, stream), rtol=1e-14
    )


def test_large_draws_are_exact_to_the_last_digits():
    """A change of the half that keeps a draw finite shows in draws of small numbers only."""
    row = np.array([864020])
    found = exponentials(row, 5, 7)
    assert found > 15
    np.testing.assert_allclose(found, reference.draws(row, 5, 7), rtol=1e-14)


def test_draws_are_exponential_and_streams_are_independent():
    rows = np.arange(200_000)
    first, second = exponentials(rows, 3, 0), exponentials(rows, 3, 1)
    assert stats.kstest(first, "expon").pvalue > 1e-4
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.01
    assert abs(np.corrcoef(first, exponentials(rows, 4, 0))[0, 1]) < 0.01


def test_a_draw_belongs_to_its_row_alone():
    rows = np.arange(1000)
    whole = exponentials(rows, 1, 2)
    shuffled = np.random.default_rng(0).permutation(rows)
    assert np.array_equal(exponentials(shuffled, 1, 2), whole[shuffled])
