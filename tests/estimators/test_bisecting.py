"""Bisecting k-means: the tree, and comparison with scikit-learn."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import sklearn.cluster
import zarr

import streamkm.rows.memory
from streamkm import BisectingKMeans
from streamkm.errors import DataError
from tests import reference

RNG = np.random.default_rng(0)
CENTERS = RNG.normal(size=(12, 3)) * 8
X = CENTERS[RNG.integers(12, size=6000)] + RNG.normal(size=(6000, 3))


def down(tree, row):
    """The cluster of one row, by a plain walk down the tree."""
    at = 0
    while at >= 0:
        pair = tree.pairs[at]
        at = int(tree.children[at][((pair - row) ** 2).sum(axis=1).argmin()])
    return -1 - at


@pytest.mark.parametrize("strategy", ["biggest_inertia", "largest_cluster"])
@pytest.mark.parametrize("k", [1, 2, 3, 7, 20])
def test_as_good_as_scikit_learns(k, strategy):
    x = X[:1500]
    ours = BisectingKMeans(k, bisecting_strategy=strategy, random_state=0).fit(x)
    theirs = sklearn.cluster.BisectingKMeans(
        k, bisecting_strategy=strategy, random_state=0, n_init=10
    ).fit(x)
    assert ours.inertia_ <= 1.02 * theirs.inertia_
    assert np.unique(ours.labels_).size == k
    assert ours.inertia_ == pytest.approx(
        sum(
            reference.inertia(x[ours.labels_ == c], ours.cluster_centers_[c : c + 1])
            for c in range(k)
        ),
        rel=1e-9,
    )


def test_rows_go_down_the_tree():
    model = BisectingKMeans(9, random_state=0).fit(X)
    assert model.labels_[:300].tolist() == [down(model.tree_, row) for row in X[:300]]
    assert sorted(-1 - c for c in model.tree_.children.ravel() if c < 0) == list(range(9))


@pytest.mark.usefixtures("no_table")
def test_beyond_memory_the_same_tree_is_as_good_and_reads_are_counted():
    reads = []

    def block(block_info=None):
        place = block_info[None]["array-location"][0]
        reads.append(place)
        return X[slice(*place)]

    lazy = da.map_blocks(block, chunks=((1500,) * 4, 3), dtype=X.dtype)
    model = BisectingKMeans(8, random_state=0).fit(lazy)
    here = BisectingKMeans(8, random_state=0).fit(X)
    assert model.inertia_ == pytest.approx(here.inertia_, rel=0.05)
    assert len(reads) == 4 * model.n_passes_
    assert model.n_passes_ <= 7 * 6


def test_blocks_that_are_kept_are_read_once(tmp_path, monkeypatch):
    monkeypatch.setattr(streamkm.rows.memory, "TABLE_NBYTES", 0)
    store = zarr.create_array(tmp_path / "x", data=X, chunks=(1000, 3))
    model = BisectingKMeans(8, random_state=0).fit(store)
    assert model.n_passes_ == 1
    assert model.labels_.compute().max() == 7


def test_what_cannot_be_split():
    with pytest.raises(DataError, match="fewer distinct rows than clusters"):
        BisectingKMeans(4, random_state=0).fit(np.repeat([[0.0], [1.0], [5.0]], 9, axis=0))
    with pytest.raises(DataError, match="n_samples=3 should be >= n_clusters=4"):
        BisectingKMeans(4).fit(X[:3])
    with pytest.raises(ValueError, match="bisecting_strategy='best'"):
        BisectingKMeans(4, bisecting_strategy="best").fit(X)
    with pytest.raises(ValueError, match="init must be the name"):
        BisectingKMeans(4, init=X[:2]).fit(X)
