"""Large centroids: one accumulator in the order of the blocks, whatever the scheduler."""

from __future__ import annotations

import itertools
from dataclasses import replace

import dask
import dask.array as da
import numpy as np
import pytest
import zarr

import streamkm
from streamkm.arrays import LARGE_NBYTES, in_parts
from streamkm.engine import folding, map_reduce
from streamkm.fitting import first_state, iterate
from streamkm.fitting.fit import fit
from streamkm.passes import Assigned, DrawUniform, Lloyd, Product
from streamkm.rows import BlockPlan, Budget, StoredRows, open_rows
from streamkm.runs.fit_options import FitOptions
from streamkm.updates import AcceleratedUpdate, StopRules
from tests import reference

# Few rows of very many features, so that centroids are large and steps take little time.
K, D, ROWS, BLOCK = 70, 60_000, 140, 16
RULES = StopRules(max_iter=3, tol=0)
FULL = np.random.default_rng(0).normal(size=(ROWS, D)).astype(np.float32)
LARGE = "arrays engine.in_order passes.sums rows.memory runs.fit_options updates.accelerated"
# The same with fewer features, for tests in this process, where a lower size counts as large.
X = FULL[:, : D // 50].copy()
CENTROIDS = X[:K].astype(np.float64) + 0.01


def stored(path, x):
    """Rows in a store, in blocks of fewer rows than there are clusters."""
    array = zarr.create_array(path, data=x, chunks=(BLOCK, x.shape[1]))
    edges = ((*range(0, ROWS, BLOCK), ROWS),)
    return StoredRows(array, open_rows(array).layout, BlockPlan(edges))


@pytest.fixture
def rows(tmp_path, monkeypatch):
    for module in LARGE.split():
        monkeypatch.setattr(f"streamkm.{module}.LARGE_NBYTES", LARGE_NBYTES // 50)
    assert CENTROIDS.nbytes >= LARGE_NBYTES // 50
    return stored(tmp_path / "x.zarr", X)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """Rows whose centroids are large in every process."""
    assert K * D * 8 >= LARGE_NBYTES
    return stored(tmp_path_factory.mktemp("large") / "x.zarr", FULL)


def bits(assigned):
    assert assigned.clusters is None
    return assigned.sums.tobytes() + assigned.counts.tobytes() + np.float64(assigned.loss).tobytes()


def test_the_statistic_of_a_block_holds_the_clusters_of_its_rows(rows):
    found = Lloyd(CENTROIDS)(rows.block(3))
    labels = reference.labels(X[3 * BLOCK : 4 * BLOCK], CENTROIDS)
    assert found.clusters.tolist() == np.unique(labels).tolist()
    assert found.counts.tolist() == np.unique(labels, return_counts=True)[1].tolist()
    for cluster, sums in zip(found.clusters, found.sums, strict=True):
        own = X[3 * BLOCK : 4 * BLOCK][labels == cluster]
        np.testing.assert_allclose(sums, own.sum(axis=0, dtype=np.float64), rtol=1e-12)
    expected = reference.inertia(X[3 * BLOCK : 4 * BLOCK], CENTROIDS)
    assert found.loss == pytest.approx(expected, rel=1e-12)


def test_statistics_of_some_clusters_combine_in_any_order_and_grouping():
    rng, parts = np.random.default_rng(2), []
    whole = np.zeros((12, 3), np.int64)
    for size in (3, 1, 7, 4, 12):
        clusters = np.sort(rng.choice(12, size, replace=False))
        sums = rng.integers(-50, 50, (size, 3))
        parts.append(Assigned(sums, sums[:, 0] ** 2, 0.0, size, clusters))
        whole[clusters] += sums
    everything = Assigned.combine(parts)
    assert np.array_equal(everything.sums, whole[everything.clusters])
    none = Assigned(np.zeros((12, 3), np.int64), np.zeros(12, np.int64))
    assert bits(Assigned.combine([none, *parts]))[: whole.nbytes] == whole.tobytes()
    for order in itertools.permutations(range(5)):
        for cut in range(1, 5):
            groups = [
                Assigned.combine([parts[i] for i in part]) for part in (order[:cut], order[cut:])
            ]
            found = Assigned.combine([groups[0], none, groups[1]])
            assert bits(found) == bits(Assigned.combine([none, *parts]))
            assert found.squares == everything.squares


def test_the_read_is_the_sum_of_the_blocks_in_order(rows):
    question = Lloyd(CENTROIDS)
    expected = question.identity()
    for number in range(rows.n_blocks):
        expected = Assigned.combine([expected, question(rows.block(number))])
    found = map_reduce(question, rows)
    assert bits(found) == bits(expected)
    labels = reference.labels(X, CENTROIDS)
    assert np.array_equal(found.counts, np.bincount(labels, minlength=K))


@pytest.mark.parametrize(
    ("scheduler", "wave"), [("sync", 512), ("threads", 8), ("threads", 64), ("processes", 8)]
)
def test_scheduler_and_wave_change_no_bit(full, processes, scheduler, wave):
    question = Product((Lloyd(FULL[:K].astype(np.float64) + 0.01), DrawUniform(3, 1, 0)))
    expected, _ = map_reduce(question, full).parts
    asked = processes if scheduler == "processes" else {"scheduler": scheduler}
    with dask.config.set({"num_workers": 2, **asked}):
        found, _ = map_reduce(question, full, wave).parts
    assert bits(found) == bits(expected)


def received(dask_worker):
    """Keys and bytes that a worker received from others."""
    logs = dask_worker.transfer_incoming_log
    return [(str(key), nbytes) for log in logs for key, nbytes in log["keys"].items()]


def test_a_dask_array_and_a_cluster_give_the_same_bits(full, cluster):
    question = Lloyd(FULL[:K].astype(np.float64) + 0.01)
    expected = bits(map_reduce(question, full))
    lazy = open_rows(da.from_array(FULL, chunks=(BLOCK, D)))
    assert bits(map_reduce(question, lazy)) == expected
    with cluster.as_current():
        assert bits(map_reduce(question, full, 8)) == expected
    # Workers send each other statistics of the rows of a block; the sums of all clusters stay,
    # and the other worker receives the centroids once.
    sent = [item for items in cluster.run(received).values() for item in items]
    assert len([key for key, _ in sent if key.startswith("Lloyd") or "-pass" in key]) == 1
    assert not [key for key, _ in sent if "-sum" in key]


def test_a_read_resumes_after_any_wave(rows):
    question = Lloyd(CENTROIDS)
    expected = bits(map_reduce(question, rows))
    for folded in folding(question, rows, 8):
        rest = list(folding(question, rows, 64, folded))
        assert bits([folded, *rest][-1].total()) == expected


def test_a_fit_resumes_from_any_state_with_the_same_bits(rows):
    first = first_state(rows, K, "random", [1], AcceleratedUpdate(RULES))
    states = list(fit(rows, first, wave=8))
    assert not any(t.state.cached for s in states for t in s.trajectories if t.state)
    for state in states[1::3]:
        *_, last = fit(rows, state, wave=8) if not state.done else [state]
        assert np.array_equal(last.best.centroids, states[-1].best.centroids)
        assert last.best.inertia == states[-1].best.inertia
    losses = [step.inertia for step in states[-1].best.history]
    assert all(after <= before for before, after in itertools.pairwise(losses))


def test_steps_agree_with_the_reference(rows):
    first = first_state(rows, K, CENTROIDS, [1], AcceleratedUpdate(replace(RULES, max_iter=2)))
    state = iterate(rows, first)
    first_means = reference.means(X, reference.labels(X, CENTROIDS), K)
    expected = reference.means(X, reference.labels(X, first_means), K)
    assert np.isfinite(expected).all()  # no cluster is relocated
    np.testing.assert_allclose(state.best.centroids, expected, rtol=1e-10)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_large_centroids_are_random_rows_by_default():
    model = streamkm.KMeans(K, max_iter=1, random_state=0).fit(FULL)
    same = streamkm.KMeans(K, init="random", n_init=1, max_iter=1, random_state=0).fit(FULL)
    assert np.array_equal(model.cluster_centers_, same.cluster_centers_)


def test_very_many_clusters_are_found_on_two_levels_by_default():
    rows = open_rows(da.zeros((20_000, 3), dtype="f4", chunks=(10_000, -1)))
    assert [FitOptions(k).for_rows(rows).init for k in (1999, 2000)] == ["auto", "two-level"]
    assert FitOptions(2000, init="coreset").for_rows(rows).init == "coreset"
    wide = open_rows(da.zeros((3000, 30_000), dtype="f4", chunks=(1000, -1)))
    assert [FitOptions(k).for_rows(wide).init for k in (200, 2000)] == ["random", "two-level"]


@pytest.mark.parametrize(("k", "limit"), [(100_000, 4 * 2**30), (10_000, 1.5 * 2**30)])
def test_very_many_clusters_are_projected_to_fit(k, limit):
    with dask.config.set(num_workers=2):
        budget = FitOptions(k).budget(int(limit))
    layout = open_rows(da.zeros((2_000_000, 768), dtype="f4", chunks=(10_000, -1))).layout
    block = budget.of(layout).block_nbytes(200)
    assert block > 8 * 2**20
    budget.of(layout).check(block, 200)
    sample = budget.room(layout).sample
    assert sample >= 3.9 * k  # 2 k rows of float64, with what is beside them
    assert sample * layout.n_features * 4 <= 2 * k * layout.n_features * 8 + 2**26


def test_parts_of_large_arrays_cover_them_once():
    array = np.zeros((1000, 10_000))
    places = np.concatenate([np.arange(1000)[part] for part in in_parts(array)])
    assert places.tolist() == list(range(1000))
    assert [len(array[part]) for part in in_parts(array)] == [419, 419, 162]
    assert list(in_parts(np.zeros((5, 3)))) == [slice(0, 5)]
    assert not Budget(largest=10, n_features=10).large


def test_a_model_of_very_many_clusters_labels_under_the_limit_of_its_fit():
    centroids = np.zeros((40_000, 128))
    centroids[:, 0] = np.arange(40_000)
    model = streamkm.KMeans.from_centroids(centroids)
    model.set_params(memory_limit="1GiB")
    budget = model._budget().of(open_rows(np.zeros((10, 128), np.float32)).layout)
    assert budget.large
    budget.check(2**20, 100)
    assert model.predict(centroids[[7, 39_999]].astype(np.float32)).tolist() == [7, 39_999]
