"""Blocks that stay in memory between the reads of a fit."""

from __future__ import annotations

import gc

import numpy as np
import zarr
from zarr.storage import MemoryStore

from streamkm import KMeans
from streamkm.rows import KeptRows
from tests.rows.test_reading import Counting


def test_a_fit_reads_each_chunk_of_small_data_once_and_lets_go_of_them(blobs):
    store = Counting(MemoryStore())
    array = zarr.create_array(store, shape=blobs.shape, chunks=(100, 6), dtype="f4")
    array[...] = blobs
    store.reads.clear()
    km = KMeans(8, random_state=0).fit(array)
    assert set(store.reads.values()) == {1}
    assert len(store.reads) == 50
    assert km.reads_ == {"seeding": {"reads": 1, "bytes": blobs.nbytes}}
    gc.collect()
    assert not any(isinstance(thing, KeptRows) for thing in gc.get_objects())
    assert np.array_equal(np.bincount(km.labels_.compute()), np.bincount(km.predict(blobs)))


def test_it_is_the_same_fit_without(blobs, no_table, monkeypatch):
    array = zarr.create_array(MemoryStore(), shape=blobs.shape, chunks=(100, 6), dtype="f4")
    array[...] = blobs
    without = KMeans(8, random_state=0, loss_tol=None).fit(array)
    monkeypatch.setattr("streamkm.rows.memory.KEPT_SHARE", 1)
    kept = KMeans(8, random_state=0, loss_tol=None).fit(array)
    assert np.array_equal(kept.cluster_centers_, without.cluster_centers_)
    assert kept.inertia_ == without.inertia_
    assert without.n_passes_ > kept.n_passes_ == 1
