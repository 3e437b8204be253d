"""Balanced samples: shares down a tree against a plain recursion, and fair draws in clusters."""

from __future__ import annotations

import dask
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import streamkm
from streamkm.engine import map_reduce
from streamkm.models.hierarchy import Hierarchy
from streamkm.passes import DrawMembers
from streamkm.rows import open_rows
from streamkm.runs.sampling import down_the_tree, equal_shares
from tests import reference

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(size=(3000, 2)), RNG.normal(size=(100, 2)) / 3 + 9])


@pytest.fixture(scope="module")
def model():
    return streamkm.HierarchicalKMeans([24, 6, 2], random_state=0).fit(X)


def one_by_one(total, sizes):
    """Give out rows one by one, to the parts with the fewest of those that have more."""
    found = np.zeros(len(sizes), int)
    for _ in range(min(total, sum(sizes))):
        found[np.where(found < sizes, found, 10**9).argmin()] += 1
    return found


@settings(deadline=None, max_examples=200)
@given(sizes=st.lists(st.integers(0, 30), min_size=1, max_size=12), total=st.integers(0, 200))
def test_shares_are_equal_up_to_one_row(sizes, total):
    sizes = np.array(sizes)
    found = equal_shares(total, sizes, np.random.default_rng(0))
    want = one_by_one(total, sizes)
    assert found.sum() == want.sum()
    assert (found <= sizes).all()
    assert sorted(found) == sorted(want)  # which parts get one row more is drawn


def test_shares_of_every_level_are_equal(model):
    labels, rng = model.predict(X), np.random.default_rng(0)
    sizes = np.bincount(labels, minlength=24)
    quotas = down_the_tree(150, sizes, model.hierarchy_, rng)
    assert quotas.sum() == 150
    for parents in model.parents_:
        above = np.bincount(parents, quotas).astype(int)
        below = np.bincount(parents, sizes).astype(int)
        for parent in range(len(above)):
            own = parents == parent
            assert sorted(quotas[own]) == sorted(one_by_one(above[parent], sizes[own]))
        quotas, sizes = above, below
    assert sorted(quotas) == sorted(one_by_one(150, sizes))
    flat = down_the_tree(150, np.bincount(labels, minlength=24), Hierarchy(), rng)
    assert np.ptp(flat[np.bincount(labels, minlength=24) > flat.max()]) <= 1


@pytest.mark.parametrize("assign", ["exact", "routed"])
@pytest.mark.parametrize("how", ["hierarchical", "flat"])
def test_rows_are_those_of_the_clusters_and_the_same_for_any_blocks(model, how, assign):
    import dask.array as da

    found = model.sample(X, 120, how, assign=assign, random_state=7)
    assert found.dtype == np.int64
    assert len(np.unique(found)) == 120
    assert (np.diff(found) > 0).all()
    with dask.config.set(scheduler="sync"):
        lazy = da.from_array(X, chunks=(130, 2))
        again = model.sample(lazy, 120, how, assign=assign, random_state=7)
    np.testing.assert_array_equal(found, again)
    labels = model.predict(X, how=assign)
    per_leaf, sizes = (np.bincount(each, minlength=24) for each in (labels[found], labels))
    if how == "flat":
        assert sorted(per_leaf) == sorted(one_by_one(120, sizes))
    else:
        tops = model.parents_[1][model.parents_[0]]
        per_top = np.bincount(tops, per_leaf)
        assert per_top.tolist() == [60, 60]  # 100 rows are in one, 3,000 in the other
    assert not np.array_equal(found, model.sample(X, 120, how, assign=assign, random_state=8))


def test_every_row_of_a_cluster_is_drawn_equally_often():
    """Expected counts of 200 draws; five standard deviations."""
    x = np.concatenate([np.zeros((20, 1)), np.ones((30, 1))])
    centroids, quotas = np.array([[0.0], [1.0]]), np.array([5, 3])
    counts = np.zeros(50)
    for seed in range(200):
        counts[
            map_reduce(DrawMembers(centroids, quotas, None, False, seed), open_rows(x)).numbers
        ] += 1
    for rows, share in ((slice(0, 20), 5 / 20), (slice(20, 50), 3 / 30)):
        apart = np.abs(counts[rows] - 200 * share)
        assert (apart < 5 * np.sqrt(200 * share * (1 - share))).all()
    assert counts.sum() == 200 * 8


def test_more_rows_than_there_are(model):
    mask = np.ones(len(X), bool)
    mask[:2900] = False
    assert model.sample(X, 10**6, mask=mask).tolist() == list(range(2900, 3100))
    with pytest.raises(ValueError, match="use 'hierarchical' or 'flat'"):
        model.sample(X, 5, "even")
    labels = reference.labels(X, model.cluster_centers_)
    assert (labels == model.predict(X)).all()
