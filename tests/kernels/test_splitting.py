"""Division follows its definition for all kinds of points, and finds all distinct points."""

from __future__ import annotations

import numpy as np
import pytest

from streamkm.kernels import split
from tests import reference
from tests.conftest import mixture


def divided(values, weights, k):
    """The definition, on whole lists of members."""
    values = values.astype(np.float64)
    clusters = [np.arange(len(values))]

    def errors(members):
        x, w = values[members], weights[members]
        mean = np.average(x, axis=0, weights=w)
        return w @ (x - mean) ** 2, mean

    while len(clusters) < k:
        worst = max(range(len(clusters)), key=lambda c: errors(clusters[c])[0].sum())
        members = clusters[worst]
        spread, mean = errors(members)
        axis = int(spread.argmax())
        above = values[members, axis] > mean[axis]
        clusters[worst] = members[~above]
        clusters.append(members[above])
    return np.array([errors(members)[1] for members in clusters])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("d", "k", "offset"), [(1, 7, 0), (3, 40, 0), (12, 25, 1e4)])
def test_it_is_the_definition(d, k, offset, dtype):
    values = mixture(900, d, 6, seed=d, offset=offset, dtype=dtype)
    weights = np.random.default_rng(0).random(900) + 0.1
    np.testing.assert_allclose(split(values, weights, k), divided(values, weights, k), rtol=1e-9)


def test_weights_are_repeats(pixels):
    distinct, counts = np.unique(pixels[:4000], axis=0, return_counts=True)
    once = split(distinct.astype(np.float32), counts, 60)
    repeated = split(pixels[:4000].astype(np.float32), np.ones(4000), 60)
    np.testing.assert_allclose(once, repeated, rtol=1e-9)


def test_it_is_a_good_beginning(pixels):
    """The result is better than k random rows, as found by Su and Dy."""
    x = pixels[::8].astype(np.float64)
    drawn = [reference.inertia(x, np.random.default_rng(s).permutation(x)[:32]) for s in range(5)]
    assert reference.inertia(x, split(x, np.ones(len(x)), 32)) < 0.8 * min(drawn)


@pytest.mark.parametrize("step", [1.0, 1e-300, 2.0**-52])
def test_all_distinct_points_are_found_and_no_more(step):
    """Also if the errors underflow or are lost by rounding."""
    rows = 1.0 + step * np.arange(6) if step == 2.0**-52 else step * np.arange(6)
    values = np.repeat(rows, 5)[:, None] * np.ones(2)
    found = split(values, np.ones(len(values)), 20)
    assert np.array_equal(np.unique(found[:, 0]), np.unique(values[:, 0]))
    assert len(found) == 6
