from __future__ import annotations

import pickle

import numpy as np
import pytest

from streamkm import KMeans
from streamkm.engine import map_reduce
from streamkm.errors import DataError, NonFiniteError
from streamkm.passes import Census
from streamkm.rows import open_rows


def test_bad_rows_are_counted_and_the_first_is_named(tmp_path):
    x = np.ones((1_000_000, 3), np.float32)
    x[[700_001, 900_000], [0, 2]] = np.nan, np.inf
    x[5] = np.finfo(np.float32).max  # large, but its square fits float64
    rows = open_rows(x)
    census = map_reduce(Census(), rows)
    assert (census.rows, census.bad) == (1_000_000, 2)
    edges = rows.plan.edges[0]
    block = int(np.searchsorted(edges, 700_001, side="right")) - 1
    with pytest.raises(NonFiniteError, match=f"2 bad rows.*row 700001 in block {block}\\."):
        census.check()


def test_values_too_large_to_square_are_bad():
    x = np.ones((10, 2))
    x[3, 1] = -1e154
    census = map_reduce(Census(), open_rows(x))
    assert census.bad == 1
    with pytest.raises(NonFiniteError, match="squares are too large.*1 bad row.*row 3") as caught:
        census.check()
    assert "NaN" not in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).large
    with pytest.raises(NonFiniteError, match="squares are too large"):
        KMeans(2, random_state=0).fit(np.eye(2)).predict(x * 10)
    x[4, 0] = np.inf
    with pytest.raises(NonFiniteError, match="NaN or infinity: 2 bad rows"):
        map_reduce(Census(), open_rows(x)).check()


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_bad_weights_are_refused(bad):
    weights = np.array([1, 2, bad, 0])
    census = map_reduce(Census(), open_rows(np.ones((4, 1)), sample_weight=weights))
    with pytest.raises(DataError, match="1 rows have a negative or non-finite sample_weight"):
        census.check()


def test_all_zero_weights_are_refused():
    census = map_reduce(Census(), open_rows(np.ones((4, 1)), sample_weight=np.zeros(4)))
    with pytest.raises(DataError, match="every sample_weight is zero"):
        census.check()
