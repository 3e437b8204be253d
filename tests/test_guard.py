"""Counted costs of a small fit out of core, which are the same on every machine; no times.

If a count changes on purpose, change the table in the same commit, and explain it there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from collections import Counter

import cloudpickle
import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from dask.callbacks import Callback
from zarr.storage import LocalStore

from streamkm.engine import fold
from streamkm.fitting import first_state, iterate, label
from streamkm.passes import Lloyd
from streamkm.rows import BlockPlan, Room, StoredRows, open_rows
from streamkm.updates import AcceleratedUpdate, StopRules
from tests.conftest import mixture

CHUNK, FEATURES, BLOCKS = 256, 4, 24
RULES = StopRules(max_iter=3, tol=0)
# Reads of the seeding, of three iterations, and one for the loss and the labels.
READS = {"random": 1 + 3 + 1, "coreset": 2 + 3 + 1, "k-means||": 4 + 3 + 1, "k-means++": 5 + 3 + 1}
A_READ = {
    "chunks": BLOCKS,
    "bytes": BLOCKS * CHUNK * FEATURES * 4,
    "tasks": BLOCKS + 3 + 1,  # one fused task per block, and a tree of fan-in 8
}


SEEN = Counter()


class Counting(LocalStore):
    """Counts fetched keys and their bytes."""

    async def get(self, key, prototype, byte_range=None):
        value = await super().get(key, prototype, byte_range)
        SEEN.update(chunks=1, bytes=0 if value is None else len(value))
        return value


class Tasks(Callback):
    """Counts the tasks that run."""

    def __init__(self):
        super().__init__(pretask=lambda key, *_: self.keys.append(key))
        self.keys = []


def stored(path, n_blocks, chunk=CHUNK, features=FEATURES, kind=LocalStore):
    """Rows in blocks of one uncompressed chunk each."""
    shape, chunks = (n_blocks * chunk, features), (chunk, features)
    array = zarr.create_array(path, shape=shape, chunks=chunks, dtype="f4", compressors=None)
    edges = tuple(range(0, shape[0] + 1, chunk))
    for number, start in enumerate(edges[:-1]):
        array[start : start + chunk] = mixture(chunk, features, 5, seed=number)
    array = zarr.open_array(kind(path, read_only=True))
    return StoredRows(array, open_rows(array).layout, BlockPlan((edges,)))


def fitted(rows, init="coreset", out=None):
    """A fit and its labels, without a table of distinct rows, and with too few cached rows."""
    state = first_state(rows, 5, init, [1], AcceleratedUpdate(RULES), room=Room(0, 60))
    state = iterate(rows, state, skip_evaluation=True)
    out = np.empty(rows.layout.row_shape, np.uint8) if out is None else out
    return label(rows, state, out)


@pytest.mark.parametrize("source", ["store", "dask"])
@pytest.mark.parametrize("init", READS)
def test_a_fit_reads_every_chunk_once_a_read_and_runs_a_task_a_block(tmp_path, init, source):
    rows = stored(tmp_path / "x", BLOCKS, kind=Counting)
    if source == "dask":
        rows = open_rows(da.from_array(rows.array, chunks=(CHUNK, FEATURES), name=False))
    SEEN.clear()
    with Tasks() as tasks:
        assert fitted(rows, init).n_passes == READS[init]
    assert SEEN | {"tasks": len(tasks.keys)} == {
        name: READS[init] * count for name, count in A_READ.items()
    }


def test_nothing_is_fetched_before_the_first_read(tmp_path):
    rows = stored(tmp_path / "x", BLOCKS, kind=Counting)
    SEEN.clear()
    first_state(rows, 5, "coreset", [1], AcceleratedUpdate(RULES))
    assert not SEEN


@pytest.mark.parametrize("source", ["store", "dask"])
def test_a_waves_graph_holds_the_centroids_once_and_little_of_a_block(tmp_path, source):
    def pickled(n_blocks, k):
        question = Lloyd(np.random.default_rng(0).random((k, FEATURES)))
        found = rows[n_blocks]
        graph = dict(fold._tree(question, found, range(n_blocks)).__dask_graph__())
        assert len(graph) <= n_blocks + n_blocks // 8 + n_blocks // 64 + 4
        return sum(len(cloudpickle.dumps(node)) for node in graph.values())  # like a cluster

    rows = {n: stored(tmp_path / f"{n}", n, chunk=2) for n in (64, 128)}
    if source == "dask":
        rows = {n: open_rows(da.zeros((2 * n, FEATURES), chunks=(2, FEATURES)) + 1) for n in rows}
    more = (10_000 - 100) * FEATURES * 8
    assert 0 <= pickled(64, 10_000) - pickled(64, 100) - more < 100
    assert pickled(128, 100) < 2 * pickled(64, 100)  # nothing of the whole plan in a task
    if source == "store":  # the tasks of a Dask array itself are not counted
        assert pickled(128, 100) - pickled(64, 100) < 64 * 400


def peak_of_a_fit(folder, n_blocks):
    """The peak memory of Python and NumPy in a fit from a store to a store, in bytes."""
    rows = stored(folder / f"{n_blocks}", n_blocks, chunk=8192, features=16)
    out = zarr.create_array(
        folder / f"l{n_blocks}", shape=rows.layout.row_shape, chunks=(8192,), dtype="u1"
    )
    tracemalloc.start()
    try:
        fitted(rows, out=out)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_allocations_are_bounded_by_the_blocks_in_flight_and_not_by_the_rows(tmp_path):
    block = 8192 * 16 * 4
    with dask.config.set(scheduler="synchronous"):
        peak_of_a_fit(tmp_path, 4)  # the first fit also includes imports and caches
        # The least of several, because the thread of Zarr may release its data a moment later.
        few, many = (min(peak_of_a_fit(tmp_path / f"{i}", n) for i in range(3)) for n in (8, 32))
    assert abs(many - few) < block / 2
    assert many < 5 * block
    with dask.config.set(scheduler="threads", num_workers=2):
        assert peak_of_a_fit(tmp_path, 33) < 2 * 5 * block


@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is Linux's")
def test_the_peak_of_a_process_does_not_grow_with_the_store(tmp_path):
    """A store of 8 MiB to compile and cache, then 32 MiB and 128 MiB, in blocks of 4 MiB."""
    peaks = []
    for n in (8, 32, 128):
        stored(tmp_path / f"{n}", n, chunk=2**14, features=16)
        command = [sys.executable, "-m", "streamkm", "fit", tmp_path / f"{n}", "-k", "5", "--json"]
        command += ["-o", tmp_path / f"m{n}", "--labels", tmp_path / f"l{n}", "--init", "random"]
        command += ["--max-iter", "3", "--memory-limit", "300MiB"]  # no store fits in memory
        run = subprocess.run(
            [str(word) for word in command],
            env={**os.environ, "DASK_NUM_WORKERS": "1"},
            check=True,
            capture_output=True,
            text=True,
        )
        peaks.append(json.loads(run.stdout)["peak_memory_bytes"])
    assert json.loads(run.stdout)["distinct_rows"] is None
    # A quarter of the growth of the store, because the allocator is not exact.
    assert peaks[2] - peaks[1] < 24 * 2**20
