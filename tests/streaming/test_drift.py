"""Clusters keep their numbers, and those that move, appear and die are reported."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
import zarr

import streamkm
from streamkm import KMeans, StreamingKMeans
from streamkm.errors import DataError
from streamkm.streaming import compare
from streamkm.streaming.drift import pairs

PLACES = np.array([[0.0, 0], [40, 0], [0, 40], [40, 40]])


def batch(places, seed, n=400):
    """Rows about the places, n for each."""
    rng = np.random.default_rng(seed)
    return rng.permutation(np.repeat(places, n, axis=0) + rng.normal(size=(n * len(places), 2)))


def test_moved_new_and_dead_clusters_are_told_apart_and_all_others_keep_their_numbers(tmp_path):
    model = StreamingKMeans(4, random_state=0).partial_fit(batch(PLACES, 0))
    first = model.cluster_centers_
    assert model.drift_ is None
    # Of two places of 400 rows each, 1.5 apart, the mean moves by half as much.
    model.partial_fit(batch(PLACES + np.array([1.5, 0]), 1))
    moved = model.drift_
    assert moved.match.tolist() == [0, 1, 2, 3]
    assert moved.moved == pytest.approx(0.75, abs=0.15)
    assert moved.share_after == pytest.approx(0.25)
    assert np.linalg.norm(model.cluster_centers_ - first, axis=1) == pytest.approx(moved.moved)
    # So many rows at a new place that two of the old ones must share a centroid.
    model.partial_fit(batch(PLACES[:1] + 400, 2, 4000))
    later = model.drift_
    (new,) = later.appeared
    (dead,) = later.died
    assert new == dead
    assert model.cluster_centers_[new] == pytest.approx([400, 400], abs=1)
    assert later.share_after[new] == pytest.approx(4000 / 7200)
    assert later.share_before == pytest.approx(0.25)
    assert np.isnan(later.moved[new])
    kept = np.flatnonzero(later.match >= 0)
    assert later.match[kept].tolist() == kept.tolist()
    model.save(tmp_path / "m")  # also the NaN of a cluster that appeared
    stored = streamkm.load(tmp_path / "m").drift_
    assert np.array_equal(stored.moved, later.moved, equal_nan=True)


def test_a_stored_or_pickled_model_continues_with_the_same_numbers_and_drift(tmp_path):
    model = StreamingKMeans(4, random_state=0).partial_fit(batch(PLACES, 0))
    assert model.cluster_centers_.shape == (4, 2)
    model.partial_fit(batch(PLACES + 1, 1))
    model.save(tmp_path / "m")
    others = [pickle.loads(pickle.dumps(model)), streamkm.load(tmp_path / "m")]
    for again in others:
        for name in ("match", "moved", "share_before", "share_after"):
            assert np.array_equal(getattr(again.drift_, name), getattr(model.drift_, name))
    for each in (model, *others):
        each.partial_fit(batch(PLACES[:3], 2))
        assert each.cluster_centers_.tobytes() == model.cluster_centers_.tobytes()
        assert each.drift_.moved.tobytes() == model.drift_.moved.tobytes()
    assert model.merge(others[0]).drift_ is None
    assert "drift" in zarr.open_group(tmp_path / "m", mode="r")


def test_the_pairs_of_few_moved_clusters_are_those_of_the_least_sum():
    rng = np.random.default_rng(3)
    before, order = rng.normal(size=(5, 3)) * 10, rng.permutation(5)
    after = (before + rng.normal(size=(5, 3)) * 0.1)[order]
    old, new = pairs(before, after)
    cost = {
        p: sum(((before[i] - after[j]) ** 2).sum() for i, j in enumerate(p))
        for p in itertools.permutations(range(5))
    }
    assert tuple(new[np.argsort(old)]) == min(cost, key=cost.__getitem__)
    assert np.array_equal(order[new], old)


def test_a_cluster_that_dies_at_one_end_of_a_row_does_not_shift_the_numbers():
    before, after, ones = np.arange(4.0)[:, None], np.arange(1.0, 5)[:, None], np.ones(4)
    found = compare(before, ones, after, ones)
    assert found.match.tolist() == [1, 2, 3, -1]
    assert (found.died.tolist(), found.appeared.tolist()) == ([0], [3])


def test_models_of_other_numbers_of_clusters_are_compared():
    x = batch(PLACES, 5)
    model = StreamingKMeans(4, random_state=0).partial_fit(x)
    assert len(model.cluster_centers_) == 4
    model.set_params(n_clusters=3).partial_fit(x[x[:, 0] < 20])
    assert model.drift_.match.shape == (3,)
    assert len(model.drift_.share_before) == 4


def test_models_and_paths_are_compared(tmp_path):
    x = batch(PLACES, 4)
    a, b = KMeans(4, random_state=0).fit(x), StreamingKMeans(3, random_state=1)
    b.fit(x[x[:, 0] < 20]).save(tmp_path / "b")
    a.save(tmp_path / "a")
    found = streamkm.drift(tmp_path / "a", b)
    again = streamkm.drift(a, tmp_path / "b")
    assert found.moved.tobytes() == again.moved.tobytes()
    assert found.share_before == pytest.approx(a.counts_ / len(x))
    assert (a.cluster_centers_[found.died, 0] > 20).all()
    with pytest.raises(DataError, match="no `counts_`"):
        streamkm.drift(KMeans.from_centroids([[0.0, 1]]), b)
    with pytest.raises(DataError, match="1 and 2 features"):
        streamkm.drift(KMeans(1).fit(x[:, :1]), b)
