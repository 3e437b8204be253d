"""The fold gives the same bits on every scheduler, with one task and one writer per chunk."""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import replace

import cloudpickle
import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from dask.callbacks import Callback
from hypothesis import given, settings
from hypothesis import strategies as st

from streamkm import engine
from streamkm.engine import fold, folding, last, map_reduce, map_rows, write_rows
from streamkm.errors import ReadError
from streamkm.fitting import first_state, iterate
from streamkm.passes import Census, Distances, DrawSquaredDistance, Labels, Lloyd, Product
from streamkm.rows import BlockPlan, Room, open_rows
from streamkm.updates import ObservedUpdate, StopRules
from tests import in_place, reference
from tests.conftest import mixture

X = mixture(6000, 5, 7, seed=3)
CENTROIDS = X[:9].astype(np.float64)
QUESTION = Product((Census(), Lloyd(CENTROIDS), DrawSquaredDistance(6, 1, 1, CENTROIDS)))


def bits(products):
    _, assigned, drawn = products.parts
    arrays = (assigned.sums, assigned.counts, np.float64(assigned.loss), drawn.keys, drawn.values)
    return b"".join(a.tobytes() for a in arrays)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("engine") / "x.zarr"
    array = zarr.create_array(path, shape=X.shape, chunks=(61, 5), dtype=X.dtype)
    array[...] = X
    return array


@pytest.fixture(scope="module")
def many(store):
    """The store in 99 blocks of one chunk each, so that waves and levels matter."""
    rows = open_rows(store)
    edges = ((*range(0, 6000, 61), 6000),)
    return type(rows)(rows.array, rows.layout, type(rows.plan)(edges))


@pytest.mark.parametrize("wave", [8, 64, 512])
def test_the_bits_are_those_of_one_graph_for_any_wave(many, wave):
    assert bits(map_reduce(QUESTION, many, wave)) == bits(map_reduce(QUESTION, many, 8**6))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 700), st.lists(st.sampled_from([1, 8, 64, 512]), min_size=1))
def test_waves_fold_as_one_tree_for_any_number_of_blocks(n, waves):
    """A statistic that records its own brackets shows the shape of the tree.

    The waves have different sizes, as after resuming on another machine.
    """

    class Brackets(str):
        @classmethod
        def combine(cls, parts):
            return parts[0] if len(parts) == 1 else cls(f"({' '.join(parts)})")

    def groups(keys, size):
        return [keys[at : at + size] for at in range(0, len(keys), size)]

    def whole(keys):
        while len(keys) > 1:
            keys = [Brackets.combine(group) for group in groups(keys, 8)]
        return keys[0]

    blocks = [Brackets(i) for i in range(n)]
    folded, sizes = fold.Folded(), itertools.cycle(waves)
    while folded.n_blocks < n:
        wave = next(sizes)
        span, level = next(fold._spans(folded.n_blocks, n, wave))
        assert len(span) <= 8**level <= wave
        folded = folded.plus(whole(blocks[span.start : span.stop]), level, span.stop)
    assert folded.total() == whole(blocks)


def test_the_bits_are_the_same_on_every_local_scheduler(many, processes):
    want = bits(map_reduce(QUESTION, many))
    for scheduler in ({"scheduler": "synchronous"}, {"scheduler": "threads"}, processes):
        with dask.config.set({"num_workers": 2, **scheduler}):
            assert bits(map_reduce(QUESTION, many, 8)) == want


def test_the_bits_are_the_same_on_a_cluster_and_inside_its_tasks(many, cluster):
    want = bits(map_reduce(QUESTION, many))
    with cluster.as_current():
        assert bits(map_reduce(QUESTION, many, 8)) == want
        lazy = open_rows(da.from_array(X, chunks=(61, 5)))
        assert bits(map_reduce(QUESTION, lazy)) == want
    inside = cluster.submit(lambda rows: bits(map_reduce(QUESTION, rows, 8)), many)
    assert inside.result(timeout=60) == want


@pytest.mark.parametrize("kind", ["memory", "stored", "lazy"])
def test_a_read_of_some_blocks_is_the_read_of_data_that_consist_of_them(many, kind):
    """The tree is over positions in the given order, on every scheduler and for any wave."""
    numbers = [98, 3, 4, 50, *range(60, 90), 0]
    chosen = np.concatenate([X[61 * n : 61 * (n + 1)] for n in numbers])
    edges = (0, *np.cumsum([min(61, len(X) - 61 * n) for n in numbers]).tolist())
    few = replace(open_rows(chosen), plan=BlockPlan((edges,)))
    expected = map_reduce(Lloyd(CENTROIDS), few)
    rows = many if kind == "stored" else replace(open_rows(X), plan=many.plan)
    if kind == "lazy":
        rows = open_rows(da.from_array(X, chunks=(61, -1)))
    for scheduler in ("threads", "synchronous"):
        with dask.config.set(scheduler=scheduler):
            *_, last = fold.folding(Lloyd(CENTROIDS), rows, 8, blocks=numbers)
        assert last.n_blocks == len(numbers)
        found = last.total()
        assert found.sums.tobytes() == expected.sums.tobytes()
        assert (found.loss, found.counts.tobytes()) == (expected.loss, expected.counts.tobytes())


@pytest.mark.parametrize("kind", in_place.WRITERS)
def test_files_in_place_are_read_by_the_workers_of_a_cluster(kind, tmp_path, cluster):
    rows = open_rows(in_place.WRITERS[kind](tmp_path)[0])
    rows = rows.in_plan(BlockPlan(((*range(0, in_place.N, 90), in_place.N),)))
    question = Lloyd(in_place.X[:5].astype(np.float64))
    with dask.config.set(scheduler="synchronous"):
        want = map_reduce(question, rows)
    with dask.config.set(scheduler="threads", num_workers=3):
        threads = map_reduce(question, rows, 8)
    with cluster.as_current(), dask.config.set(scheduler="dask.distributed"):
        workers = map_reduce(question, rows)
    assert np.array_equal(threads.sums, want.sums)
    assert np.array_equal(workers.sums, want.sums)


def test_waves_are_queued_on_a_client_two_at_a_time(many, cluster, monkeypatch):
    """Also on a client that is the default, which sets the scheduler of Dask."""
    queued = []
    make = fold._tree

    def watched(*arguments):
        queued.append(len(cluster.futures))
        return make(*arguments)

    monkeypatch.setattr(fold, "_tree", watched)
    with cluster.as_current(), dask.config.set(scheduler="dask.distributed"):
        map_reduce(Census(), many, 8)
    assert len(queued) == 13
    assert max(queued) in (1, 2)


def test_a_corrupted_chunk_on_a_cluster_raises_its_name_and_leaves_nothing(cluster, tmp_path):
    array = zarr.create_array(tmp_path / "x", shape=(1000, 5), chunks=(10, 5), dtype="f4")
    array[...] = X[:1000]
    (tmp_path / "x" / "c" / "42" / "0").write_bytes(b"not zstd")
    edges = ((*range(0, 1000, 10), 1000),)
    rows = open_rows(array)
    rows = type(rows)(rows.array, rows.layout, type(rows.plan)(edges))
    with cluster.as_current():
        with pytest.raises(ReadError, match=r"block 42 .*chunk c/42/0"):
            map_reduce(Census(), rows, 8)
        assert {f.status for f in cluster.futures.values()} <= {"error"}


class TaskCount(Callback):
    def __init__(self):
        super().__init__(pretask=lambda key, *_: self.keys.append(key))
        self.keys = []

    def blocks(self):
        return [k for k in self.keys if isinstance(k, tuple) and k[0].endswith("-block")]

    def others(self):
        return [k for k in self.keys if k not in self.blocks() and "-tree" not in str(k)]


@pytest.mark.parametrize("kind", ["store", "dask", "dask, unfused steps", "dask cube"])
def test_a_block_is_one_task_fused_with_its_read(many, kind):
    data = {
        "store": None,
        "dask": da.from_zarr(many.array),
        "dask, unfused steps": (da.from_zarr(many.array) * 2).astype("f4") + 1,
        "dask cube": da.zeros((99, 5, 61), chunks=(1, 5, 61)) + 1,
    }[kind]
    rows = many if data is None else open_rows(data, feature_dim=1)
    with TaskCount() as seen:
        map_reduce(Lloyd(CENTROIDS), rows)
    assert len(seen.blocks()) == 99
    # The pass and the rows are one node of the graph each.
    assert len(seen.others()) <= 2, seen.others()[:5]


def test_graphs_are_bounded_by_the_wave(many, monkeypatch):
    sizes = []
    make = fold._tree

    def watched(*arguments):
        graph = make(*arguments)
        sizes.append(len(graph.__dask_graph__()))
        return graph

    monkeypatch.setattr(fold, "_tree", watched)
    map_reduce(Census(), many, wave=8)
    assert len(sizes) == 13
    assert max(sizes) <= 8 + 1 + 2
    monkeypatch.setattr(fold, "_DASK_WAVE", 8)
    lazy = open_rows((da.from_zarr(many.array) * 2).astype("f4") + 1)
    want = bits(map_reduce(QUESTION, lazy, 8**4))
    sizes.clear()
    assert bits(map_reduce(QUESTION, lazy, 8)) == want
    # The fused blocks of a wave, the tree, the pass and the array, but nothing of other waves.
    assert len(sizes) == 13
    assert max(sizes) <= 8 + 1 + 2


def test_what_the_blocks_of_a_dask_array_share_is_done_once_a_read(monkeypatch):
    monkeypatch.setattr(fold, "_DASK_WAVE", 8)
    seen = []

    def chunk(x):
        seen.append(len(x))
        return x

    x = da.from_array(X, chunks=(61, 5)).map_blocks(chunk, dtype="f4", meta=np.empty((0, 0), "f4"))
    map_reduce(Census(), open_rows(x), 8)
    assert len(seen) == 99
    seen.clear()
    map_reduce(Census(), open_rows(x - x.mean(axis=0)), 8)
    assert len(seen) == 99


@pytest.mark.parametrize("times", [1, 300])
def test_no_dask_at_all_for_rows_in_memory(times):
    rows = open_rows(np.tile(X, (times, 1)))
    assert (rows.plan.n_blocks > 8) == (times > 1)
    with TaskCount() as seen:
        told = map_reduce(Lloyd(CENTROIDS), rows)
    assert seen.keys == []
    for options in ({"scheduler": "synchronous"}, {"scheduler": "threads", "num_workers": 1}):
        with dask.config.set(options):
            again = map_reduce(Lloyd(CENTROIDS), rows)
        assert again.sums.tobytes() == told.sums.tobytes()
        assert again.loss == told.loss


def test_an_error_in_a_thread_ends_the_read_at_once():
    rows, asked = open_rows(np.tile(X, (300, 1))), []

    def fails(block):
        asked.append(block.number)
        if block.number:
            time.sleep(0.5)  # long enough to cancel the others
        raise ValueError("such a block")

    with pytest.raises(ValueError, match="such a block"):
        map_reduce(fails, rows)
    assert len(asked) < rows.plan.n_blocks


def test_the_users_number_of_threads_is_kept(monkeypatch):
    with dask.config.set(num_workers=7):
        assert engine.threads() == 7
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "5")
    assert engine.threads() == 5
    monkeypatch.delenv("SLURM_CPUS_PER_TASK")
    assert engine.threads() == dask.system.CPU_COUNT


def test_more_blocks_than_cores_are_in_hand_where_there_is_memory_for_them(many):
    def most(rows):
        running, seen = set(), []

        def began(key, *_):
            running.add(key)
            seen.append(len([k for k in running if "-block" in str(k)]))

        with Callback(pretask=began, posttask=lambda key, *_: running.discard(key)):
            map_reduce(Census(), rows)
        return max(seen)

    cores = engine.threads()
    ahead = replace(many, ahead=2)
    assert most(many) == cores
    assert most(ahead) == cores + 2
    with dask.config.set(num_workers=1):
        assert most(ahead) == 1  # never more than the limit of the user


def test_per_row_answers_are_lazy_and_in_the_rows_own_shape():
    cube = np.moveaxis(X.reshape(60, 100, 5), -1, 0)
    lazy = map_rows(
        Labels(CENTROIDS, np.dtype("u1")),
        open_rows(da.from_array(cube, chunks=(5, 7, 30)), feature_dim=0),
    )
    assert lazy.chunks == ((7,) * 8 + (4,), (30, 30, 30, 10))
    want = reference.labels(X, CENTROIDS).reshape(60, 100)
    assert np.array_equal(lazy.compute(), want)
    assert np.array_equal(lazy[3:9, 40].compute(), want[3:9, 40])


@pytest.mark.parametrize("kind", ["store", "dask"])
def test_several_answers_a_row_are_lazy_too(many, kind):
    rows = many if kind == "store" else open_rows(da.from_array(X, chunks=(61, 5)))
    lazy = map_rows(Distances(CENTROIDS, np.dtype("f4")), rows)
    assert lazy.chunks == ((61,) * 98 + (22,), (9,))
    want = np.sqrt(reference.squared_distances(X, CENTROIDS))
    np.testing.assert_allclose(lazy[-100:].compute(), want[-100:], rtol=1e-6)


def test_writing_gives_labels_and_statistic_in_one_read(many, tmp_path):
    out = zarr.create_array(tmp_path / "l", shape=(6000,), chunks=(61,), dtype="u1")
    with TaskCount() as seen:
        assigned = write_rows(Labels(CENTROIDS, np.dtype("u1")), many, out)
    assert len(seen.blocks()) == 99
    assert np.array_equal(out[...], reference.labels(X, CENTROIDS))
    assert assigned.inertia(CENTROIDS) == pytest.approx(reference.inertia(X, CENTROIDS))


def test_two_writers_of_one_chunk_are_refused(many, tmp_path):
    out = zarr.create_array(tmp_path / "l", shape=(6000,), chunks=(100,), dtype="u1")
    with pytest.raises(ValueError, match=r"\(\(100,\)\) .*\(\(61,\)\), so two tasks would write"):
        write_rows(Labels(CENTROIDS, np.dtype("u1")), many, out)


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_an_array_in_memory_is_filled_on_any_scheduler(scheduler, processes):
    x = np.tile(X, (300, 1))
    rows = open_rows(x)
    assert rows.plan.n_blocks > 1
    out = np.full(len(x), -1, np.int32)
    with dask.config.set(processes if scheduler == "processes" else {"num_workers": 2}):
        write_rows(Labels(CENTROIDS, out.dtype), rows, out)
    assert np.array_equal(out[-6000:], reference.labels(X, CENTROIDS))
    assert (out >= 0).all()


@pytest.mark.parametrize("kind", ["store", "dask"])
def test_workers_hold_statistics_never_blocks_and_get_the_pass_once_a_wave(kind, cluster, tmp_path):
    from distributed import WorkerPlugin

    class Results(WorkerPlugin):
        """The results of tasks in the memory of workers: the key and the serialized bytes."""

        name = "results"

        def setup(self, worker):
            self.worker = worker
            self.seen = []

        def transition(self, key, start, finish, **kwargs):
            if finish == "memory":
                self.seen.append((str(key), len(cloudpickle.dumps(self.worker.data[key]))))

    x = np.tile(X, (32, 1))
    array = zarr.create_array(tmp_path / "x", shape=x.shape, chunks=(6000, 5), dtype="f4")
    array[...] = x
    rows = open_rows(array if kind == "store" else da.from_zarr(array))
    rows = replace(rows, plan=BlockPlan(((*range(0, len(x) + 1, 6000),),)))
    with cluster.as_current():
        cluster.register_plugin(Results())
        map_reduce(Lloyd(CENTROIDS), rows, 8)
        found = cluster.run(lambda dask_worker: dask_worker.plugins["results"].seen)
        cluster.unregister_worker_plugin("results")
    statistic = 9 * 5 * 8 + 9 * 8
    large = {key for seen in found.values() for key, nbytes in seen if nbytes > 20 * statistic}
    assert not large
    assert sum("-block" in key for seen in found.values() for key, _ in seen) >= 32
    for seen in found.values():
        passes = [key for key, _ in seen if "-pass" in key]
        assert len(passes) == len(set(passes)) <= (4 if kind == "store" else 1)


class Pids(frozenset):
    """The processes that read some blocks."""

    @classmethod
    def combine(cls, parts):
        return cls(frozenset().union(*parts))


def test_the_reads_of_a_fit_share_their_processes(many):
    def pids():
        return last(folding(lambda block: Pids([os.getpid()]), many, 512)).total()

    with dask.config.set(scheduler="processes", num_workers=1), engine.same_processes():
        first = pids()
        assert len(first) == 1
        assert pids() == first


@pytest.mark.parametrize("room", [Room(0, 4096), Room(6000, 4096)], ids=["coreset", "table"])
def test_a_fit_is_the_same_bits_on_a_cluster_and_in_processes(many, cluster, processes, room):
    """The table stays with the client; its passes are not sent to the workers."""

    def fitted():
        state = iterate(many, first_state(many, 6, "auto", [1, 2], room=room))
        assert (state.table is not None) == (room.table > 0)
        return state.best.centroids.tobytes(), state.reads

    want = fitted()
    with cluster.as_current():
        assert fitted() == want
    with dask.config.set(processes):
        assert fitted() == want


def test_a_fit_of_rows_with_gaps_is_the_same_bits_everywhere(cluster, processes, tmp_path):
    x = np.where(np.random.default_rng(1).random((600, 5)) < 0.3, np.nan, X[:600])
    rows = open_rows(
        zarr.create_array(tmp_path / "x", data=x, chunks=(50, 5)), nodata="auto", missing="impute"
    )
    rows = rows.in_plan(BlockPlan(((*range(0, 600, 50), 600),)))

    def fitted():
        state = first_state(rows, 4, "auto", [1, 2], ObservedUpdate(StopRules(5)), Room(0, 300))
        best = iterate(rows, state).best
        return best.centroids.tobytes(), best.inertia, best.counts.tobytes()

    want = fitted()
    for config in ({"scheduler": "sync"}, processes):
        with dask.config.set(config):
            assert fitted() == want
    with cluster.as_current():
        assert fitted() == want
