"""Blocks that are cached for a fit: they are read once, give the same bits, and are released."""

from __future__ import annotations

import gc
import json
import pickle
import shutil
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

from streamkm import KMeans, sweep
from streamkm.engine import caching, can_cache, map_reduce
from streamkm.engine.cached import CachedRows
from streamkm.engine.schedule import client, on_threads
from streamkm.errors import ReadError
from streamkm.fitting import describe, first_state, fit, label
from streamkm.passes import Census
from streamkm.rows import BlockPlan, Budget, Room, StoredRows, in_plan, open_rows
from tests.conftest import mixture
from tests.rows.test_reading import Counting

X = mixture(6000, 5, 7, seed=3)
EDGES = (*range(0, 6000, 61), 6000)
WHERE = ["threads", "synchronous", "processes", "cluster"]


@pytest.fixture
def path(tmp_path):
    array = zarr.create_array(tmp_path / "x", shape=X.shape, chunks=(61, 5), dtype=X.dtype)
    array[...] = X
    return tmp_path / "x"


@pytest.fixture
def counting():
    store = Counting(MemoryStore())
    array = zarr.create_array(store, shape=X.shape, chunks=(61, 5), dtype=X.dtype)
    array[...] = X
    store.reads.clear()
    return array


def rows_of(data):
    """99 blocks of one chunk each, which may be cached."""
    return replace(open_rows(data), plan=BlockPlan((EDGES,)), fits_in_memory=True)


def on(where, cluster, processes=None):
    if where == "cluster":
        return cluster.as_current()
    if where == "processes":
        return dask.config.set(processes)
    return dask.config.set(scheduler=where, num_workers=2)


def fitted(rows, after_a_read=lambda: None):
    """The bits of a fit and its labels, without a table; and the states."""
    seen = []
    for state in fit(rows, first_state(rows, 6, "auto", [1, 2], room=Room(0, 4096))):
        if state.folded:
            continue
        seen.append(state)
        if len(seen) == 1:
            after_a_read()
    labels = np.empty(6000, np.int32)
    seen.append(label(rows, state, labels))
    return labels.tobytes() + state.best.centroids.tobytes(), seen


def nothing_left(cluster):
    """Wait until the workers hold no result."""
    deadline = time.monotonic() + 20
    while any(held := cluster.has_what().values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(held)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("keep") / "x"
    zarr.create_array(path, data=X, chunks=(61, 5))
    bits, states = fitted(rows_of(path))
    return bits, states[-1].reads


@pytest.mark.parametrize("where", WHERE)
def test_with_kept_blocks_the_bits_are_the_same_and_one_read_is_counted(
    where, path, cluster, processes, plain
):
    """The store is removed after the first read, so later reads must use the cached blocks."""
    bits, reads = plain
    with on(where, cluster, processes), caching(rows_of(path)) as rows:
        assert can_cache(rows) == (where != "processes")
        got, states = fitted(
            rows, (lambda: shutil.rmtree(path)) if can_cache(rows) else lambda: None
        )
    assert got == bits
    if where == "processes":  # the workers read the data themselves
        assert states[-1].reads == reads
        return
    assert states[-1].reads.by_phase == {"seeding": {"reads": 1, "bytes": X.nbytes}}
    assert describe(states[0]).startswith("read 1: seeding")
    assert all(describe(state).startswith("in memory: ") for state in states[1:])


def test_without_kept_blocks_every_read_is_one_of_the_store(counting, plain):
    _, states = fitted(rows_of(counting))
    assert states[-1].reads == plain[1]
    assert set(counting.store.reads.values()) == {plain[1].total}
    assert plain[1].total > 2


@pytest.mark.usefixtures("no_table")
@pytest.mark.parametrize("run", ["KMeans", "sweep"])
def test_an_estimator_and_a_sweep_read_every_chunk_once(counting, run, monkeypatch):
    monkeypatch.setattr("streamkm.rows.memory.KEPT_SHARE", 1)
    if run == "KMeans":
        found = KMeans(7, random_state=0).fit(counting).reads_
    else:
        found = json.loads(
            sweep(counting, range(1, 4), max_iter=5, silhouette_rows=0).attrs["reads"]
        )
    assert found == {"seeding": {"reads": 1, "bytes": X.nbytes}}
    assert counting.store.reads == Counter({f"c/{n}/0": 1 for n in range(99)})


@pytest.mark.usefixtures("no_table")
def test_the_result_does_not_hang_on_whether_data_are_kept(counting, monkeypatch):
    """Neither does the stop rule, which compares the gain of an iteration with its read."""
    without = KMeans(7, random_state=0).fit(counting)
    monkeypatch.setattr("streamkm.rows.memory.KEPT_SHARE", 1)
    kept = KMeans(7, random_state=0).fit(counting)
    assert np.array_equal(kept.cluster_centers_, without.cluster_centers_)
    assert np.array_equal(kept.history_, without.history_)
    assert (kept.inertia_, kept.stop_reason_) == (without.inertia_, without.stop_reason_)
    assert without.n_passes_ > kept.n_passes_ == 1


@pytest.mark.usefixtures("no_table")
def test_lazy_labels_do_not_hold_on_to_blocks(counting, monkeypatch):
    monkeypatch.setattr("streamkm.rows.memory.KEPT_SHARE", 1)
    km = KMeans(7, random_state=0).fit(counting)
    gc.collect()
    # isinstance would follow weak proxies, also those of other tests whose objects are gone.
    assert not [thing for thing in gc.get_objects() if issubclass(type(thing), CachedRows)]
    assert np.array_equal(km.labels_.compute(), km.predict(X))
    assert set(counting.store.reads.values()) == {2}


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("where", ["synchronous", "cluster"])
def test_a_fit_that_is_broken_off_leaves_nothing_behind(error, where, path, cluster):
    def broken():
        with caching(rows_of(path)) as rows:
            held.append(rows)
            map_reduce(Census(), rows)
            assert rows.cached
            raise error

    held = []
    with on(where, cluster):
        with pytest.raises(error):
            broken()
        assert not held[0].cached
        assert not held[0].blocks
        assert nothing_left(cluster)


def test_a_task_that_ends_after_the_fit_was_broken_off_keeps_nothing(path):
    with on("threads", None), caching(rows_of(path)) as rows:
        assert not rows.cached
        map_reduce(Census(), rows)
        assert rows.cached
        first = rows.block(0)
    assert not rows.blocks
    again = rows.block(0)  # like a thread whose read had started
    assert np.array_equal(again.values, first.values)
    assert not rows.blocks


def test_a_chunk_that_a_worker_cannot_read_to_keep_is_named(path, cluster):
    (path / "c" / "42" / "0").write_bytes(b"not zstd")
    with on("cluster", cluster):
        named = pytest.raises(ReadError, match="block 42 .*c/42/0")
        with named as caught, caching(rows_of(path)) as rows:
            map_reduce(Census(), rows)
        assert nothing_left(cluster)
        assert caught.tb  # it keeps the graphs of the read


def test_a_cluster_keeps_what_its_memory_holds_twice_in_sizes_it_knows(path, cluster):
    def keeps(nbytes):
        array = zarr.create_array(MemoryStore(), shape=(nbytes, 1), chunks=(2**30, 1), dtype="u1")
        return can_cache(open_rows(array))

    with on("cluster", cluster):
        limits = [w["memory_limit"] for w in cluster.scheduler_info()["workers"].values()]
        most = sum(limits) // 2
        assert keeps(most)
        assert not keeps(most + 1)
        with caching(rows_of(path)) as rows:
            map_reduce(Census(), rows)
            kept = [future.key for future in rows.blocks.values()]
            sizes = cluster.run_on_scheduler(
                lambda dask_scheduler: [dask_scheduler.tasks[key].nbytes for key in kept]
            )
    assert len(sizes) == 99
    assert X.nbytes < sum(sizes) < 1.2 * X.nbytes + 99 * 200


@pytest.mark.parametrize("where", ["threads", "cluster"])
def test_rows_in_another_plan_do_not_use_the_cached_blocks(where, path, cluster, monkeypatch):
    monkeypatch.setattr("streamkm.rows.memory.KEPT_SHARE", 1)
    budget = Budget(fits=True)
    with on(where, cluster), caching(rows_of(path)) as rows:
        map_reduce(Census(), rows)
        assert in_plan(rows, rows.plan, budget).cached
        other = in_plan(rows, BlockPlan(((0, 2500, 6000),)), budget)
        assert not rows.cached  # memory holds the blocks of one plan
        with caching(other) as cached:
            for each in (cached, cached, rows, rows):
                assert map_reduce(Census(), each).rows == 6000
                assert each.cached


def test_kept_blocks_do_not_travel(path):
    with caching(rows_of(path)) as rows:
        map_reduce(Census(), rows)
        assert rows.cached
        assert len(pickle.dumps(rows)) < 10_000
        sent = pickle.loads(pickle.dumps(rows))
    assert type(sent) is StoredRows
    assert not sent.cached


@pytest.mark.parametrize("data", ["array", "dask"])
def test_only_stored_rows_are_kept(data, cluster):
    rows = open_rows(X if data == "array" else da.from_array(X, chunks=(61, 5)))
    for place in (nullcontext(), cluster.as_current()):
        with place, caching(rows) as same:
            assert same is rows
            assert not same.cached


def test_blocks_at_the_ends_of_an_array_count_the_whole_chunks_they_may_hold():
    ragged = zarr.create_array(MemoryStore(), shape=(101, 11, 3), chunks=(100, 10, 3), dtype="f4")
    assert open_rows(ragged, feature_dim=2).cached_nbytes == 200 * 20 * 3 * 4


def test_a_scheduler_of_the_configuration_is_used_beside_a_client(cluster):
    assert on_threads(here=False)
    with cluster.as_current():
        for name in (None, "distributed"):
            with dask.config.set(scheduler=name):
                assert client() is cluster
                assert not on_threads(here=False)
                assert on_threads(here=True)
        with dask.config.set(scheduler="threads"):
            assert client() is None
            assert on_threads(here=False)
        with dask.config.set(scheduler="processes"):
            assert not on_threads(here=False)
