"""Farthest-first in one read: the bound of the paper, and dependence on the plan only."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from streamkm.engine import map_reduce
from streamkm.passes import FarthestFirst, Picked
from streamkm.rows import Block, open_rows
from tests import reference
from tests.conftest import mixture

X = mixture(6000, 3, 12)


def radius(x, centroids):
    return np.sqrt(reference.squared_distances(x, centroids).min(axis=1).max())


def test_one_block_is_gonzalezs_traversal():
    picked = FarthestFirst(7, 3, 0)(Block.from_values(X))
    first = int(reference.draws(np.arange(len(X)), 3, 0).argmin())
    np.testing.assert_allclose(picked.values, reference.farthest_first(X, first, 7))


@pytest.mark.parametrize("chunks", [500, 97])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_merged_picks_are_within_their_bound(chunks, seed):
    """Gonzalez is within twice the best radius, the merged form within four times."""
    rows = open_rows(da.from_array(X, chunks=(chunks, 3)))
    merged = map_reduce(FarthestFirst(12, seed, 0), rows).values
    exact = reference.farthest_first(X, seed, 12)
    assert merged.shape == (12, 3)
    # best <= exact, so the bound 4 * best on the merged radius is at most 4 * exact.
    assert radius(X, merged) <= 4 * radius(X, exact)
    assert radius(X, merged) <= 2 * radius(X, exact)  # observed here


def test_the_identity_and_one_part_change_nothing():
    picked = FarthestFirst(4, 0, 0)(Block.from_values(X[:50]))
    none = FarthestFirst(4, 0, 0).identity()
    again = Picked.combine([none, picked, none])
    assert np.array_equal(again.values, picked.values)
    assert again.key == picked.key
    assert Picked.combine([none, none]).values.size == 0


def test_rows_without_weight_and_equal_rows_are_never_picked():
    weights = (X[:, 0] > 0).astype(float)
    picked = FarthestFirst(9, 0, 0)(Block.from_values(X, weights))
    assert (picked.values[:, 0] > 0).all()
    same = FarthestFirst(9, 0, 0)(Block.from_values(np.repeat([[0.0], [5], [9]], 40, axis=0)))
    assert sorted(same.values[:, 0]) == [0, 5, 9]
