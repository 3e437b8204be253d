"""Faults of k-means in dask-ml and knor, each with a test that streamkm does not have it."""

from __future__ import annotations

import threading
import weakref

import dask.array as da
import numpy as np
import pytest
import zarr
from scipy import stats

from streamkm import KMeans
from streamkm.engine import map_reduce
from streamkm.engine.fold import _tree
from streamkm.errors import NonFiniteError
from streamkm.passes import Lloyd
from streamkm.rows import BlockPlan, StoredRows, open_rows
from streamkm.seeding import Seeding, Task
from streamkm.seeding.kmeans_parallel import KMeansParallel
from streamkm.seeding.kmeans_plusplus import KMeansPlusPlus
from tests import reference
from tests.conftest import mixture, searched

pytestmark = pytest.mark.usefixtures("no_table")


def test_dask_ml_n_init_restarts_nothing():
    x, options = mixture(4000, 3, 20), {"init": "random", "random_state": 0}
    several = KMeans(20, n_init=10, **options).fit(x)
    first = KMeans(20, n_init=1, **options).fit(x)  # the first of the ten
    assert several.inertia_ < 0.95 * first.inertia_


@pytest.mark.filterwarnings("ignore:Number of distinct:sklearn.exceptions.ConvergenceWarning")
def test_dask_ml_an_empty_cluster_becomes_the_zero_vector():
    x = mixture(500, 2, 3, offset=100)
    init = np.array([x[0], x[1], [1e6, 1e6]])
    for empty_cluster in ("relocate", "keep"):
        km = KMeans(3, init=init, empty_cluster=empty_cluster).fit(x)
        assert np.abs(km.cluster_centers_).min() > 50


def test_dask_ml_inertia_adds_distances_that_are_not_squared(blobs):
    for tol in (0, 1e-4, 0.5):
        km = KMeans(4, init="random", random_state=0, tol=tol).fit(blobs)
        want = reference.inertia(blobs, km.cluster_centers_)
        assert km.inertia_ == pytest.approx(want)


@pytest.mark.parametrize("k", [4, 40])
def test_dask_ml_draws_two_rows_a_round_whatever_k_is(k, blobs):
    rows, state, drawn = open_rows(blobs), KMeansParallel.from_task(Task(k, 0, len(blobs), 0)), []
    while isinstance(state, Seeding):
        answer = map_reduce(state.ask(), rows)
        drawn.append(len(getattr(answer, "keys", ())))
        state = searched(state.tell(answer))
    assert drawn == [2 * k, 2 * k, 2 * k, 0]


@pytest.mark.parametrize("init", ["auto", "k-means||", "random"])
def test_dask_ml_seeding_reads_grow_with_the_rows(init):
    reads = []
    for n in (1_000, 64_000):
        km = KMeans(5, init=init, random_state=0).fit(mixture(n, 2, 5))
        reads.append(km.reads_["seeding"]["reads"])
    assert reads[0] == reads[1] <= 4


def test_dask_ml_sums_its_parts_one_after_the_other():
    """No task depends on more than eight others, and the depth is log8 of the blocks."""
    x = np.zeros((4096, 1))
    opened = open_rows(x)
    rows = StoredRows(x, opened.layout, BlockPlan((tuple(range(0, 4097, 8)),)))
    wave = _tree(Lloyd(np.zeros((1, 1))), rows, range(512))
    graph = dict(wave.dask)

    def depth(key):
        parts = graph[key][1] if "tree" in str(key) else []
        assert len(parts) <= 8
        return 1 + max(map(depth, parts), default=0)

    assert depth(wave.key) == 1 + 3


def test_dask_ml_reads_all_to_see_whether_it_is_finite(tmp_path, blobs):
    """Here the first read checks this, and fetches every chunk once."""
    fetched = []

    class Counting(zarr.storage.LocalStore):
        async def get(self, key, *args, **kwargs):
            fetched.append(key)
            return await super().get(key, *args, **kwargs)

    blobs = blobs.copy()
    zarr.create_array(tmp_path / "x", data=blobs, chunks=(500, 6))
    km = KMeans(4, random_state=0).fit(zarr.open_array(Counting(tmp_path / "x", read_only=True)))
    assert sum(key.startswith("c/") for key in fetched) == 10 * km.n_passes_
    blobs[4321, 2] = np.nan
    fetched.clear()
    zarr.create_array(tmp_path / "y", data=blobs, chunks=(500, 6))
    with pytest.raises(NonFiniteError, match="row 4321"):
        KMeans(4).fit(zarr.open_array(Counting(tmp_path / "y", read_only=True)))
    assert sum(key.startswith("c/") for key in fetched) <= 10


@pytest.mark.parametrize("init", ["k-means++", "auto", "farthest"])
def test_dask_ml_plusplus_loads_everything(init):
    """Of 64 blocks, only a few for each thread are in memory at once."""
    alive, most, lock = set(), [0], threading.Lock()

    def made(block_info=None):
        number = block_info[None]["chunk-location"][0]
        block = mixture(500, 3, 4, seed=number)
        with lock:
            alive.add(number)
            most[0] = max(most[0], len(alive))
        weakref.finalize(block, alive.discard, number)
        return block

    chunks = ((500,) * 64, (3,))
    data = da.map_blocks(made, chunks=chunks, dtype=np.float32, meta=np.empty((0, 0), np.float32))
    km = KMeans(4, init=init, random_state=0, max_iter=2, tol=1e9).fit(data)
    assert km.cluster_centers_.shape == (4, 3)
    assert most[0] <= 12


def test_knor_the_first_rows_nearly_always_win():
    """It divides by RAND_MAX twice. Here, each tenth of the rows gets its share of 2,000 seeds."""
    x = mixture(1000, 2, 1)
    rows = open_rows(x)
    chosen = []
    for seed in range(2000):
        draw = map_reduce(KMeansPlusPlus(2, seed).ask(), rows)
        second = map_reduce(KMeansPlusPlus(2, seed, chosen=draw.values).ask(), rows)
        chosen += [int(draw.numbers[0]), int(second.numbers[0])]
    first, second = np.array(chosen[::2]), np.array(chosen[1::2])
    assert stats.chisquare(np.bincount(first // 100, minlength=10)).pvalue > 1e-4
    # The second row is drawn by distance, which favours no tenth of unordered rows either.
    apart = reference.squared_distances(x, x[first]).sum(axis=1)
    expected = apart.reshape(10, 100).sum(axis=1)
    seen = np.bincount(second // 100, minlength=10)
    assert stats.chisquare(seen, 2000 * expected / expected.sum()).pvalue > 1e-4
