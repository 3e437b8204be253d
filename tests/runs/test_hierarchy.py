"""Hierarchies of clusters: each step against NumPy, and the same bits always."""

from __future__ import annotations

import hashlib
import json
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import streamkm
from streamkm.checkpoint import Record
from streamkm.cli import main
from streamkm.errors import (
    CheckpointError,
    DataError,
    FewDistinctRowsWarning,
    MemoryLimitError,
    OutputWarning,
)
from streamkm.in_memory.shares import shares
from streamkm.models.hierarchy import in_order
from streamkm.rows import open_rows
from streamkm.runs.fit_options import FitOptions
from streamkm.runs.growing import grow
from streamkm.runs.hierarchy import prepare_hierarchy
from streamkm.runs.hierarchy_options import HierarchyOptions
from streamkm.runs.levels import LevelFit, cluster_centroids
from streamkm.runs.options import DataOptions
from streamkm.runs.parts import most_in_memory
from streamkm.runs.running import ProgressCallbacks
from streamkm.runs.steps_on_disk import StepsOnDisk
from tests import reference

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(40, 4)) * 4
X = (CENTRES[RNG.integers(0, 40, 3000)] + RNG.normal(size=(3000, 4))).astype(np.float32)
FIT = FitOptions(init="random", tol=0)
SPLIT = {"n_clusters": 60, "levels": 2, "branching": None}
DEEP = {"n_clusters": None, "levels": 3, "branching": 3}
OTHERS = {"groups": "auto", "resampling": 0, "resampled_rows": 10, "level_weights": "counts"}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("x")
    zarr.create_array(folder / "x.zarr", data=X, chunks=(300, 4))
    return str(folder / "x.zarr")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Blocks and tasks of few rows, so that every run has several."""
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 1)
    monkeypatch.setattr("streamkm.runs.parts._TASK_NBYTES", 1)
    monkeypatch.setattr("streamkm.engine.schedule._ENOUGH", 3)


def options(parameters, fit=FIT):
    return HierarchyOptions.from_parameters(OTHERS | parameters, fit)


def grown(data, folder, parameters, fit=FIT, **more):
    return grow(prepare_hierarchy(DataOptions(data), options(parameters, fit)), folder, **more)


def bits(result):
    arrays = (result.leaves, result.counts, *result.hierarchy.centroids, *result.hierarchy.parents)
    digest = hashlib.sha256(repr((result.inertia, result.routing)).encode())
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()


@cache
def deep_bits(store):
    """The bits of an uninterrupted run on threads."""
    with TemporaryDirectory() as folder:
        return bits(grown(store, Path(folder), DEEP))


def followed(x, result):
    """Leaves that rows reach, one by one, in NumPy."""
    levels = [*result.hierarchy.centroids[::-1], result.leaves]
    found = reference.labels(x, levels[0])
    for below, parents in zip(levels[1:], result.hierarchy.parents[::-1], strict=True):
        apart = np.square(x.astype(np.float64)[:, None] - below).sum(axis=2)
        found = np.where(parents[None] == found[:, None], apart, np.inf).argmin(axis=1)
    return found


@pytest.mark.parametrize(
    ("parameters", "sizes"), [(SPLIT, [60, 8]), (DEEP, [27, 9, 3])], ids=["split", "deep"]
)
def test_the_levels_of_a_split(store, tmp_path, parameters, sizes):
    """Counts, loss and means are those of the rows that follow the levels, by NumPy."""
    result = grown(store, tmp_path / "run", parameters)
    assert [len(result.leaves), *result.hierarchy.n_clusters] == sizes
    assert all((np.diff(parents) >= 0).all() for parents in result.hierarchy.parents)
    labels = followed(X, result)
    np.testing.assert_array_equal(np.bincount(labels, minlength=sizes[0]), result.counts)
    assert result.inertia == pytest.approx(np.square(X - result.leaves[labels]).sum(), rel=1e-5)
    means = reference.means(X.astype(np.float64), labels, sizes[0])
    np.testing.assert_allclose(result.leaves, means, rtol=1e-6, atol=1e-6)
    exact = reference.labels(X, result.leaves)
    assert result.routing.n_rows == len(X)  # all rows, because they are few
    assert result.routing.differing == pytest.approx(np.mean(labels != exact))
    apart = np.square(X - result.leaves[exact]).sum(axis=1)
    assert result.routing.exact == pytest.approx(apart.mean(), rel=1e-5)
    assert result.routing.routed == pytest.approx(result.inertia / len(X), rel=1e-5)


def test_schedulers_give_the_same_bits(store, tmp_path):
    with dask.config.set(scheduler="sync"):
        assert bits(grown(store, tmp_path / "sync", DEEP)) == deep_bits(store)
    assert bits(grown(X, tmp_path / "memory", DEEP)) == deep_bits(store)


def test_processes_give_the_same_bits(store, tmp_path, processes, monkeypatch):
    monkeypatch.undo()  # other processes have blocks of the usual size
    monkeypatch.setattr("streamkm.runs.parts._TASK_NBYTES", 1)
    want = bits(grown(store, tmp_path / "threads", SPLIT))
    with dask.config.set(processes):
        assert bits(grown(store, tmp_path / "processes", SPLIT)) == want


class Stopped(Exception):
    """Stops a run."""


@pytest.mark.filterwarnings("ignore:the partitions so far are in")
@pytest.mark.parametrize("step", ["sort", "merge", "fits of level 1", "fits of level 2"])
def test_a_stopped_run_resumes_with_the_same_bits(store, tmp_path, step):
    folder = tmp_path / "stopped"

    def stop(name, done, total):
        if name == step and done:
            raise Stopped

    with dask.config.set(scheduler="sync"), pytest.raises(Stopped):
        grown(store, folder, DEEP, progress=ProgressCallbacks(stage=stop))
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*.npz")}
    assert kept
    assert bits(grown(store, folder, DEEP)) == deep_bits(store)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


def test_the_steps_of_another_run_are_refused_or_replaced(store, tmp_path):
    folder = tmp_path / "run"
    first = bits(grown(store, folder, SPLIT))
    with pytest.raises(CheckpointError, match="belongs to another run: sizes"):
        grown(store, folder, DEEP)
    assert bits(grown(store, folder, SPLIT)) == first
    with pytest.warns(OutputWarning, match="cannot be used: sizes"):
        assert bits(grown(store, folder, DEEP, restart=True)) != first
    other = tmp_path / "other"
    other.mkdir()
    (other / "photo.png").write_text("")
    with pytest.raises(CheckpointError, match="not a folder of a hierarchy"):
        grown(store, other, SPLIT, restart=True)
    assert (other / "photo.png").exists()


@pytest.mark.parametrize("length", [0, 1, 300])
def test_a_damaged_step_is_named_and_repeated_once_it_is_deleted(tmp_path, length):
    steps = StepsOnDisk(tmp_path)
    steps.once("fit", lambda: {"x": np.arange(100)})
    path = steps.path_of("fit")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CheckpointError, match=r"fit\.npz is damaged: delete it"):
        steps.once("fit", dict)
    path.unlink()
    assert steps.once("fit", lambda: {"x": np.arange(3)})["x"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("text", ["", "[]", '{"kind": 1}', '{"other": 1}'])
def test_a_damaged_record_of_steps_is_named(tmp_path, text):
    (tmp_path / "streamkm-steps.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"steps\.json is damaged, .*delete the folder"):
        StepsOnDisk(tmp_path).begin(Record("hierarchy", {}, {}), restart=False)


def test_centroids_beyond_the_memory_of_the_machine_are_refused_before_any_read(monkeypatch):
    monkeypatch.setattr("streamkm.engine.schedule.memory_here", lambda: 2**31)
    data = DataOptions(da.zeros((2_000_000, 64), dtype="f4", chunks=(20_000, -1)))
    with pytest.raises(MemoryLimitError, match=r"^the centroids of 1,000,000 .*larger machine"):
        prepare_hierarchy(data, options(SPLIT | {"n_clusters": 1_000_000}))


def test_a_step_that_a_worker_wrote_elsewhere_is_missing(tmp_path):
    with pytest.raises(CheckpointError, match="all workers must share this folder"):
        StepsOnDisk(tmp_path).finished("fit")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("weights", ["counts", "equal"])
def test_levels_above_cluster_the_centroids_below(store, tmp_path, weights):
    asked = {"n_clusters": [50, 12, 3], "levels": 2, "branching": None, "level_weights": weights}
    result = grown(store, tmp_path / "run", asked)
    labels = reference.labels(X, result.leaves)
    np.testing.assert_array_equal(np.bincount(labels, minlength=50), result.counts)
    below, counts = result.leaves, result.counts
    for centroids, parents in zip(
        result.hierarchy.centroids, result.hierarchy.parents, strict=True
    ):
        np.testing.assert_array_equal(parents, reference.labels(below, centroids))
        weight = counts if weights == "counts" else np.ones(len(below))
        sums = np.stack([np.bincount(parents, weight * column) for column in below.T], axis=1)
        means = sums / np.bincount(parents, weight)[:, None]
        np.testing.assert_allclose(centroids, means, rtol=1e-9, atol=1e-9)
        below, counts = centroids, np.bincount(parents, counts)


def nearest_rows(x, centroids, n):
    """Numbers of the n rows nearest to each centroid among those of its cluster."""
    labels = reference.labels(x, centroids)
    apart = np.square(x.astype(np.float64) - centroids[labels]).sum(axis=1)
    order = np.lexsort((np.arange(len(x)), apart, labels))
    rank = np.arange(len(x)) - np.searchsorted(labels[order], labels[order])
    return order[rank < n]


def test_a_round_of_resampling_is_a_fit_of_the_nearest_rows(store):
    """Every round, with its own seeds, against NumPy: which rows, and a fixed point of Lloyd's."""
    rows, centroids = open_rows(store), X[:30].astype(np.float64)
    seeds = [3, 4, 5]
    for number in range(1, 4):
        rounds = options(SPLIT | {"resampling": number, "resampled_rows": 7})
        after = LevelFit(rounds, 0, 0).resample(rows, X[:30].astype(np.float64), seeds)
        some = X[nearest_rows(X, centroids, 7)]
        labels = reference.labels(some, after)
        np.testing.assert_allclose(after, reference.means(some.astype(float), labels, 30))
        assert len(np.unique(labels)) == 30
        centroids = after


def test_resampling_moves_centroids_from_dense_to_sparse_regions():
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(4500, 2), scale=0.3)
    x = np.concatenate([dense, rng.uniform(-5, 5, size=(500, 2))]).astype(np.float32)
    in_dense = []
    for rounds in (0, 1, 3):
        km = streamkm.HierarchicalKMeans([50, 5], resampling=rounds, random_state=0).fit(x)
        in_dense.append(int((np.linalg.norm(km.cluster_centers_, axis=1) < 1).sum()))
    assert in_dense[0] > 1.5 * in_dense[1] > 1.5 * in_dense[2]


def test_the_recipe_of_meta_in_one_call(store, tmp_path):
    """Levels of centroids with equal weights and resampling, as in Vo et al. 2024."""
    asked = {
        "n_clusters": [60, 15, 5],
        "levels": 2,
        "branching": None,
        "resampling": 2,
        "resampled_rows": 5,
        "level_weights": "equal",
    }
    result = grown(store, tmp_path / "run", asked)
    assert [len(result.leaves), *result.hierarchy.n_clusters] == [60, 15, 5]
    recipe = options(asked)
    fit = LevelFit(recipe, 0, 2**16)
    middle, parents = cluster_centroids(fit, result.leaves, result.counts, 15)
    np.testing.assert_array_equal(parents, reference.labels(result.leaves, middle))
    some = result.leaves[nearest_rows(result.leaves, middle, 5)]
    assert len(some) <= 60


@settings(deadline=None, max_examples=100)
@given(sizes=st.lists(st.integers(0, 50), min_size=1, max_size=20), total=st.integers(1, 400))
def test_shares_are_whole_and_bounded(sizes, total):
    sizes = np.array(sizes)
    found = shares(total, sizes, sizes)
    assert (found <= sizes).all()
    assert (found >= np.minimum(sizes, 1)).all()
    assert found.sum() == max(np.count_nonzero(sizes), min(total, sizes.sum()))


def test_clusters_without_children_are_dropped_at_every_level():
    leaves, above = np.arange(4.0)[:, None], [np.arange(5.0)[:, None], np.arange(3.0)[:, None]]
    parents = [np.array([3, 0, 3, 0]), np.array([2, 1, 1, 0, 1])]
    hierarchy, order = in_order(leaves, above, parents)
    assert order.tolist() == [0, 2, 1, 3]
    assert [each.ravel().tolist() for each in hierarchy.centroids] == [[3.0, 0.0], [0.0, 2.0]]
    assert [each.tolist() for each in hierarchy.parents] == [[0, 0, 1, 1], [0, 1]]


def test_parts_larger_than_memory_are_read_block_by_block(store, monkeypatch):
    weights = RNG.integers(1, 4, len(X)).astype(float)
    km = streamkm.HierarchicalKMeans(20, init="random", tol=0, random_state=0)
    want = km.fit(store, sample_weight=weights)
    monkeypatch.setattr("streamkm.runs.parts._IN_MEMORY_NBYTES", 700 * X[0].nbytes)
    km = streamkm.HierarchicalKMeans(20, init="random", tol=0, random_state=0)
    found = km.fit(store, sample_weight=weights)
    np.testing.assert_array_equal(found.counts_, want.counts_)
    np.testing.assert_allclose(found.cluster_centers_, want.cluster_centers_, rtol=1e-9)
    assert found.routing_ == want.routing_


@pytest.mark.parametrize("memory", [2**28, 2**36, 0])
def test_without_a_limit_the_parts_of_all_threads_take_a_share_of_the_machine(monkeypatch, memory):
    monkeypatch.setattr("streamkm.runs.parts.memory_here", lambda: memory)
    with dask.config.set(num_workers=16):
        most = most_in_memory(None)
    assert 0 < most <= 2**30
    if memory:
        assert 16 * 8 * most <= memory / 4  # eight copies of the rows in each of 16 threads


def to(folder):
    return ("-o", folder / "new.npy")


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_a_dry_run_prints_the_cost_of_every_level_and_writes_nothing(store, tmp_path):
    words = ("tree", store, "-k", "60,5", "--groups", 4, "--resampling", 1, "-o", tmp_path / "m")
    told = json.loads(run(*words, "--dry-run", "--json").splitlines()[-1])
    assert not (tmp_path / "m").exists()
    n, d = X.shape
    assert [level["clusters"] for level in told["levels"]] == told["clusters"] == [4, 60, 5]
    assert [level["fits"] for level in told["levels"]] == [1, 4, 1]
    work = [level["multiplications_an_iteration"] for level in told["levels"]]
    assert work == [n * 4 * d, n * 60 // 4 * d, 60 * 5 * d]
    assert told["levels"][1]["written_bytes"] == n * (d * X.itemsize + 8)
    assert "level 2: clusters" in run(*words, "--dry-run")
    found = json.loads(run(*words, "--json").splitlines()[-1])
    assert sum(level["reads_likely"] for level in told["levels"]) == told["reads_likely"]
    assert told["reads_likely"] == found["reads"] == 3  # the fit, a round, and the groups
    assert told["projected_memory_bytes"] >= max(one["memory_bytes"] for one in told["levels"])


def test_the_command_writes_a_model_that_all_commands_read(store, tmp_path):
    model = tmp_path / "model.zarr"
    rules = ("--init", "random", "--tol", 0, "--seed", 0)
    said = run("tree", store, "--levels", 3, "--branching", 3, "-o", model, *rules)
    assert "27 to 9 to 3" in said
    assert [path.name for path in tmp_path.iterdir()] == ["model.zarr"]
    loaded, want = streamkm.load(model), grown(store, tmp_path / "run", DEEP)
    np.testing.assert_array_equal(loaded.cluster_centers_, want.leaves)
    assert [len(level) for level in loaded.level_centers_] == [27, 9, 3]
    np.testing.assert_array_equal(loaded.predict(X, how="routed"), followed(X, want))
    np.testing.assert_array_equal(loaded.predict(X), reference.labels(X, want.leaves))
    group = zarr.open_group(model, mode="r")
    np.testing.assert_array_equal(group["parents"], want.hierarchy.parents[0])
    np.testing.assert_array_equal(group["levels/1/parents"], want.hierarchy.parents[1])
    np.testing.assert_array_equal(group["levels/2/centroids"], want.hierarchy.centroids[1])
    np.testing.assert_array_equal(group["levels/1/counts"], want.hierarchy.counts(want.counts)[0])
    assert "27 to 9 to 3" in run("info", model)
    run("predict", model, store, "-o", tmp_path / "labels.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "labels.npy"), loaded.predict(X))
    said = run("predict", model, store, "-o", tmp_path / "routed.npy", "--how", "routed")
    assert f"3,000 rows labelled, inertia {want.inertia:.6g}" in said
    np.testing.assert_array_equal(np.load(tmp_path / "routed.npy"), followed(X, want))
    sampled = ("-n", 90, "--seed", 5, "--assign", "routed", "-o", tmp_path / "rows.npy")
    assert "90 rows" in run("sample", model, store, *sampled)
    rows = loaded.sample(X, 90, assign="routed", random_state=5)
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), rows)
    assert "rows.npy exists" in run("sample", model, store, *sampled, code=1)
    run("fit", store, "-k", 3, "--init", "random", "-o", tmp_path / "flat.zarr")
    said = run("predict", tmp_path / "flat.zarr", store, "--how", "routed", *to(tmp_path), code=1)
    assert said.count("levels") == 1
    assert "leave out --how routed" in said
    flat = ("sample", tmp_path / "flat.zarr", store, "-n", 9, *to(tmp_path))
    assert "use --how flat." in run(*flat, code=1)
    assert "use --assign exact." in run(*flat, "--how", "flat", "--assign", "routed", code=1)
    assert "needs the suffix .npy" in run(*flat, "-o", tmp_path / "new.csv", code=1)
    run(*flat, "--how", "flat")
    assert len(np.load(tmp_path / "new.npy")) == 9


def test_damaged_levels_are_refused(tmp_path):
    path = tmp_path / "model.zarr"
    streamkm.HierarchicalKMeans([9, 3], random_state=0).fit(X[:200]).save(path)
    group = zarr.open_group(path)
    parents = group["parents"][:]
    del group["streamkm"].attrs["digests"]
    for damaged in (parents[::-1], parents + 1, np.zeros_like(parents)):
        group["parents"][:] = damaged
        with pytest.raises(DataError, match="the parents of its levels do not ascend"):
            streamkm.load(path)
    shutil.rmtree(path / "levels" / "1")
    with pytest.raises(DataError, match="a level of its hierarchy is missing"):
        streamkm.load(path)


def test_mistakes_have_one_clear_error(store, tmp_path):
    out = ("-o", tmp_path / "m.zarr")
    assert "either -k or --branching" in run("tree", store, *out, code=2)
    assert "either -k or --branching" in run("tree", store, "-k", 9, "--branching", 3, *out, code=2)
    assert "the largest first" in run("tree", store, "-k", "5,50", *out, code=2)
    assert "not a number, or several" in run("tree", store, "-k", "many", *out, code=2)
    assert "--groups needs" in run("tree", store, "-k", 9, "--groups", 3, *out, code=2)
    equal = ("--level-weights", "equal")
    assert "--level-weights equal needs" in run("tree", store, "-k", 9, *equal, *out, code=2)
    assert "leave out --levels" in run("tree", store, "-k", "9,3", "--levels", 2, *out, code=2)
    with pytest.raises(MemoryLimitError, match=r"the centroids of 3,000 clusters have 93.8 KiB"):
        streamkm.HierarchicalKMeans(3000, init="random", memory_limit="256.5MiB").fit(store)
    assert "fewer than the 5,000" in run("tree", store, "-k", 5000, *out, code=1)
    with pytest.raises(ValueError, match="how='near'"):
        streamkm.HierarchicalKMeans([4, 2], random_state=0).fit(X[:50]).predict(X, how="near")
    with pytest.raises(ValueError, match="metric='l1'"):
        streamkm.HierarchicalKMeans(4, metric="l1").fit(X)
    for unused in ({"groups": 3}, {"level_weights": "equal"}):
        with pytest.raises(ValueError, match="is for the numbers of clusters of several levels"):
            streamkm.HierarchicalKMeans(4, **unused).fit(X)
    with pytest.raises(ValueError, match="either the numbers of clusters"):
        streamkm.HierarchicalKMeans([9, 3], branching=3).fit(X)
    with pytest.raises(ValueError, match="n_clusters='12': give"):
        streamkm.HierarchicalKMeans("12").fit(X)
    with pytest.raises(DataError, match="is not local"):
        streamkm.HierarchicalKMeans(4, checkpoint="s3://bucket/run").fit(X[:50])
    with pytest.raises(DataError, match="n_samples=3"):
        streamkm.HierarchicalKMeans(4).fit(X[:3])


def test_weights_and_equal_rows(tmp_path):
    """Rows of weight zero are in no cluster; parts with few distinct rows have few clusters."""
    x = np.repeat(RNG.normal(size=(30, 2)), 40, axis=0)
    weights = np.where(np.arange(len(x)) % 40 == 0, 2.0, 0.0)
    km = streamkm.HierarchicalKMeans(25, random_state=0, tol=0).fit(x, sample_weight=weights)
    assert km.counts_.sum() == 60
    x[weights == 0] += RNG.normal(size=(len(x) - 30, 2)) / 50
    wide = streamkm.HierarchicalKMeans(levels=2, branching=9, random_state=0)
    with pytest.warns(FewDistinctRowsWarning, match="has 30 clusters, not 81"):
        wide.fit(x, sample_weight=weights)
    assert len(wide.cluster_centers_) == 30
    assert wide.inertia_ == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("resampling", [0, 2])
@pytest.mark.parametrize("n_clusters", [20, [20, 4]])
def test_rows_of_weight_zero_change_nothing(n_clusters, resampling):
    """Neither the numbers of clusters of the groups nor the rows of a round."""
    x, weights = X[:600].copy(), np.repeat([1.0, 0.0], 300)
    x[300:] += 100
    init = "random" if resampling else "auto"
    km = streamkm.HierarchicalKMeans(n_clusters, init=init, resampling=resampling, random_state=0)
    want = km.fit(x[:300]).cluster_centers_
    np.testing.assert_array_equal(km.fit(x, sample_weight=weights).cluster_centers_, want)


def test_a_drawn_seed_is_kept_with_the_steps(tmp_path):
    first, second = (
        streamkm.HierarchicalKMeans(20, checkpoint=tmp_path / "run").fit(X[:300]) for _ in range(2)
    )
    np.testing.assert_array_equal(first.cluster_centers_, second.cluster_centers_)
