"""Rows grouped by cluster: laws of `streamkm.partition`, against NumPy's stable argsort."""

from __future__ import annotations

import hashlib
import warnings

import dask
import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr
from click.testing import CliRunner
from sklearn.exceptions import NotFittedError

import streamkm
from streamkm.cli import main
from streamkm.errors import (
    DataChangedError,
    DataError,
    MemoryLimitError,
    OutputExistsError,
    OutputWarning,
)
from streamkm.runs import partition as runs
from streamkm.runs.options import DataOptions
from tests.conftest import run_module

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(2000, 5)).astype("f4")
CENTROIDS = VALUES[:7].astype("f8")


class Stopped(Exception):
    """Stops a run."""


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Blocks of a few rows, waves of eight blocks, and tasks that write a part of a cluster."""
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 1)
    monkeypatch.setattr("streamkm.engine.schedule._ENOUGH", 3)
    monkeypatch.setattr("streamkm.runs.partition.BLOCK_NBYTES", 12_000)
    monkeypatch.setattr("streamkm.outputs.partition_formats._CHUNK_NBYTES", 800)
    with dask.config.set(num_workers=2):
        yield


@pytest.fixture
def store(tmp_path):
    zarr.create_array(tmp_path / "x", data=VALUES, chunks=(300, 5))
    return str(tmp_path / "x")


@pytest.fixture
def fine(tmp_path, monkeypatch):
    """A store that takes three waves to read and two to write, and is saved after each."""
    monkeypatch.setattr("streamkm.checkpoint.periodic.SECONDS", 0.0)
    monkeypatch.setattr("streamkm.runs.partition.BLOCK_NBYTES", 6000)
    zarr.create_array(tmp_path / "x", data=VALUES, chunks=(100, 5))
    return str(tmp_path / "x")


def nearest(values, centroids):
    apart = values.astype("f8")[:, None] - centroids
    return np.einsum("nkd,nkd->nk", apart, apart).argmin(axis=1)


def bits(folder):
    """A digest of all files of a folder."""
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            whole.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return whole.hexdigest()


def check(parts, values, labels, present=None):
    """The partition has exactly the rows that are present, in the order of cluster and number."""
    present = np.arange(len(values)) if present is None else np.flatnonzero(present)
    order = present[np.argsort(labels[present], kind="stable")]
    np.testing.assert_array_equal(parts.numbers[...], order)
    assert parts.rows.dtype == values.dtype
    np.testing.assert_array_equal(parts.rows[...], values[order])
    sizes = np.bincount(labels[present], minlength=parts.n_clusters)
    np.testing.assert_array_equal(parts.sizes, sizes)


@pytest.mark.parametrize("dtype", ["f2", ">f4", "i1"])
def test_rows_are_in_the_order_of_cluster_and_number_in_their_dtype(tmp_path, dtype):
    values = (VALUES * 20).astype(dtype) if np.dtype(dtype).kind != "u" else VALUES.view("u2")
    zarr.create_array(tmp_path / "x", data=values, chunks=(70, values.shape[1]))
    centroids = values[:7].astype("f8")
    parts = streamkm.partition(centroids, str(tmp_path / "x"), tmp_path / "p.zarr")
    check(parts, values.astype(np.dtype(dtype).newbyteorder("=")), nearest(values, centroids))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.zarr", "x"]


def test_the_source_is_read_once(tmp_path, store, monkeypatch):
    from streamkm.rows import stored

    regions, before = [], stored.read

    def count(array, region):
        if array.shape == VALUES.shape and array.path == "":
            regions.append(region)
        return before(array, region)

    monkeypatch.setattr(stored, "read", count)
    streamkm.partition(CENTROIDS, store, tmp_path / "p.zarr")
    assert sum(r[0].stop - r[0].start for r in regions) == len(VALUES)


@pytest.mark.parametrize("chunks", [(10, 15, 3), (7, 19, 3), (40, 60, 1)])
def test_the_result_does_not_depend_on_the_blocks(tmp_path, chunks):
    """Blocks along two row axes have row numbers that alternate."""
    cube = np.random.default_rng(1).normal(size=(40, 60, 3)).astype("f4")
    flat = cube.reshape(-1, 3)
    zarr.create_array(tmp_path / "x", data=cube, chunks=chunks)
    two = flat[:2].astype("f8")  # each of them has the rows of many tasks
    parts = streamkm.partition(two, str(tmp_path / "x"), tmp_path / "p.zarr", feature_dim=-1)
    check(parts, flat, nearest(flat, two))
    assert parts.row_shape == (40, 60)
    whole = streamkm.partition(two, cube, tmp_path / "q.zarr", feature_dim=-1)
    np.testing.assert_array_equal(whole.numbers[...], parts.numbers[...])


def test_several_feature_axes_are_written_along_one(tmp_path):
    patches = RNG.integers(0, 9, (300, 2, 2, 3)).astype("u1")
    flat = patches.reshape(300, -1)
    zarr.create_array(tmp_path / "x", data=patches, chunks=(50, 2, 1, 3))
    parts = streamkm.partition(
        flat[:4], str(tmp_path / "x"), tmp_path / "p.zarr", feature_dim=(1, 2, 3)
    )
    check(parts, flat, nearest(flat, flat[:4]))


def test_rows_that_a_mask_or_nodata_leaves_out_are_not_written(tmp_path):
    values = VALUES.copy()
    values[5::7, 1] = np.nan
    mask = np.arange(2000) % 3 > 0
    x = zarr.create_array(tmp_path / "x", data=values, chunks=(50, 5))
    parts = streamkm.partition(CENTROIDS, x, tmp_path / "p.zarr", mask=mask, nodata=np.nan)
    present = mask & ~np.isnan(values).any(axis=1)
    check(parts, values, nearest(np.nan_to_num(values), CENTROIDS), present)
    for name in ("none.zarr", "none.parquet"):
        streamkm.partition(CENTROIDS, x, tmp_path / name, mask=np.zeros(2000, bool))
    none = streamkm.open_partition(tmp_path / "none.zarr")
    assert none.rows.shape == (0, 5)
    assert none.sizes.tolist() == [0] * 7
    with pytest.raises(DataError, match="a partition without rows"):
        streamkm.open_partition(tmp_path / "none.parquet")


def test_weights_are_written_beside_the_rows(tmp_path, store):
    weights = RNG.random(2000).astype("f4")
    parts = streamkm.partition(CENTROIDS, store, tmp_path / "p.zarr", sample_weight=weights)
    check(parts, VALUES, nearest(VALUES, CENTROIDS))
    np.testing.assert_array_equal(parts.weights[...], weights[parts.numbers[...]])
    cluster = int(parts.sizes.argmax())
    own = np.asarray(parts.weights_of(cluster))
    np.testing.assert_array_equal(own, weights[np.asarray(parts[cluster].numbers)])
    again = [
        streamkm.KMeans(3, random_state=0).fit(rows, sample_weight=given).cluster_centers_
        for rows, given in [
            (parts[cluster].rows, parts.weights_of(cluster)),
            (np.asarray(parts[cluster].rows), own),
        ]
    ]
    np.testing.assert_allclose(*again, rtol=1e-12)


def test_clusters_may_be_empty_and_more_than_the_rows(tmp_path):
    far = np.concatenate([VALUES[:2] + 1e4, VALUES[:3], VALUES[:9] - 1e4])
    parts = streamkm.partition(far, VALUES[:3], tmp_path / "p.zarr")
    check(parts, VALUES[:3], np.array([2, 3, 4]))
    assert [len(part.rows) for part in parts] == [0, 0, 1, 1, 1] + [0] * 9
    assert np.asarray(parts[0].rows).shape == (0, 5)


def test_cosine_groups_by_direction(tmp_path, store):
    parts = streamkm.partition(CENTROIDS, store, tmp_path / "p.zarr", metric="cosine")
    unit = CENTROIDS / np.linalg.norm(CENTROIDS, axis=1, keepdims=True)
    check(parts, VALUES, (VALUES @ unit.T).argmax(axis=1))  # the rows are written unscaled
    model = streamkm.SphericalKMeans(4, random_state=0).fit(VALUES)
    own = streamkm.partition(model, store, tmp_path / "q.zarr")
    check(own, VALUES, model.labels_)
    with pytest.raises(DataError, match="for the path of a sweep"):
        streamkm.partition(model, store, tmp_path / "r.zarr", n_clusters=3)
    with pytest.raises(NotFittedError, match="not fitted"):
        streamkm.partition(streamkm.KMeans(4), store, tmp_path / "r.zarr")
    with pytest.raises(DataError, match="metric of its own"):
        streamkm.partition(model, store, tmp_path / "r.zarr", metric="cosine")


@pytest.mark.parametrize("kind", ["bisecting", "standard", "sklearn"])
def test_every_kind_of_model_groups_rows_by_its_labels(tmp_path, store, kind):
    from sklearn.cluster import KMeans

    model = {
        "bisecting": streamkm.BisectingKMeans(5, random_state=0),
        "standard": streamkm.KMeans(5, scale="standard", random_state=0),
        "sklearn": KMeans(5, random_state=0, n_init=1),
    }[kind].fit(VALUES)
    parts = streamkm.partition(model, store, tmp_path / "p.zarr")
    check(parts, VALUES, model.predict(VALUES))
    if kind != "sklearn":
        model.save(tmp_path / "m")
        stored = streamkm.partition(str(tmp_path / "m"), store, tmp_path / "q.zarr")
        assert bits(tmp_path / "q.zarr") == bits(tmp_path / "p.zarr")
        assert stored.n_clusters == 5


def test_schedulers_write_the_same_bytes(tmp_path, store, cluster, processes, monkeypatch):
    monkeypatch.setattr("streamkm.runs.dedup.BLOCK_NBYTES", 9000)
    monkeypatch.setattr("streamkm.runs.dedup._LEAST_NBYTES", 1)
    found = []
    schedulers = [
        dask.config.set(scheduler="threads"),
        dask.config.set(processes),
        cluster.as_current(),
    ]
    for number, scheduler in enumerate(schedulers):
        folder = tmp_path / str(number)
        folder.mkdir()
        with scheduler:
            parts = streamkm.partition(CENTROIDS, store, folder / "p.zarr")
            streamkm.partition(CENTROIDS, store, folder / "p.parquet")
            streamkm.dedup(parts, folder / "keep.npy", threshold=0.9)
            streamkm.dedup(CENTROIDS, folder / "far.npy", store, threshold=0.9, keep="farthest")
        found.append(bits(folder))
    assert len(set(found)) == 1


def test_parquet_has_a_folder_for_each_cluster(tmp_path, store):
    weights = RNG.random(2000)
    made = streamkm.partition(CENTROIDS, store, tmp_path / "p.parquet", sample_weight=weights)
    assert made is None
    labels = nearest(VALUES, CENTROIDS)
    for cluster in range(7):
        table = pq.read_table(tmp_path / "p.parquet" / f"cluster={cluster}", partitioning=None)
        own = np.flatnonzero(labels == cluster)
        np.testing.assert_array_equal(table["row"], own)
        np.testing.assert_array_equal(np.stack(table["features"].to_numpy()), VALUES[own])
        np.testing.assert_array_equal(table["weight"], weights[own])
    assert pq.read_table(tmp_path / "p.parquet").num_rows == 2000
    parts = streamkm.open_partition(tmp_path / "p.parquet")
    check(parts, VALUES, labels)
    np.testing.assert_array_equal(parts.weights[...], weights[parts.numbers[...]])
    fitted = streamkm.KMeans(3, random_state=0).fit(parts[2].rows)
    assert fitted.counts_.sum() == (labels == 2).sum()
    next((tmp_path / "p.parquet" / "cluster=2").iterdir()).unlink()
    with pytest.raises(DataError, match="instead of 2,000, so files are missing"):
        streamkm.open_partition(tmp_path / "p.parquet")


def test_parquet_has_the_names_of_the_features(tmp_path):
    zarr.create_array(
        tmp_path / "x", data=VALUES[:90, :2], attributes={"columns": ["red", "green"]}
    )
    streamkm.partition(CENTROIDS[:, :2], str(tmp_path / "x"), tmp_path / "p", format="parquet")
    table = pq.read_table(tmp_path / "p")
    assert table.column_names == ["row", "red", "green", "cluster"]
    there = streamkm.open_partition(tmp_path / "p")
    parts = streamkm.partition(CENTROIDS[:, :2], str(tmp_path / "x"), tmp_path / "p.zarr")
    np.testing.assert_array_equal(there.rows[...], parts.rows[...])
    np.testing.assert_array_equal(there.numbers[...], parts.numbers[...])
    fitted = streamkm.KMeans(2, random_state=0).fit(parts[0].rows)
    assert fitted.feature_names_in_.tolist() == ["red", "green"]


def stop_after(stage, block):
    def show(name, done, total):
        if (name, done) == (stage, block):
            raise Stopped

    return show


def write(store, target, show=None):
    model, said = streamkm.Model(CENTROIDS), []
    runs.partition(model, DataOptions(store), target, message=said.append, show=show)
    return said


@pytest.mark.filterwarnings("ignore:the partitions so far are in")
@pytest.mark.parametrize("suffix", ["zarr", "parquet"])
def test_a_stopped_run_resumes_to_the_same_bytes(tmp_path, fine, suffix):
    write(fine, tmp_path / f"whole.{suffix}")
    target = tmp_path / f"p.{suffix}"
    stops = [("sort", 8), ("merge", 0), ("merge", 8)]
    said = []
    for place in stops:
        with pytest.raises(Stopped):
            said += write(fine, target, stop_after(*place))
        assert not target.exists()
    said += write(fine, target)
    assert bits(target) == bits(tmp_path / f"whole.{suffix}")
    assert "resuming the partitions" in said[0]
    assert "merge, block 8 of" in said[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [target.name, f"whole.{suffix}", "x"]


def test_a_run_of_other_centroids_starts_again(tmp_path, fine):
    with pytest.warns(OutputWarning, match="so far are in"), pytest.raises(Stopped):
        write(fine, tmp_path / "p", stop_after("sort", 8))
    with pytest.warns(OutputWarning, match="cannot be used: labels changed. Partitioning starts"):
        parts = streamkm.partition(CENTROIDS[:3], fine, tmp_path / "p")
    check(parts, VALUES, nearest(VALUES, CENTROIDS[:3]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "x"]


def test_data_that_change_while_they_are_read_are_not_published(tmp_path, fine):
    def change(name, done, total):
        if done == 8:
            zarr.open_array(fine)[:50] = 0

    with pytest.raises(DataChangedError, match="the data changed while they were read"):
        write(fine, tmp_path / "p", change)
    assert not (tmp_path / "p").exists()


def test_a_killed_run_resumes_at_any_event(tmp_path):
    run_module("tests.runs.killed_partition", tmp_path)


def test_outputs_are_refused_before_any_read(tmp_path, store):
    parts = streamkm.partition(CENTROIDS, store, tmp_path / "p.zarr")
    with pytest.raises(OutputExistsError, match="exists"):
        streamkm.partition(CENTROIDS, store, tmp_path / "p.zarr")
    with pytest.raises(OutputExistsError, match="is the same place as"):
        streamkm.partition(CENTROIDS, store, store, overwrite=True)
    with pytest.raises(DataError, match="5 features, but the model has 3"):
        streamkm.partition(CENTROIDS[:, :3], store, tmp_path / "q.zarr")
    with pytest.raises(DataError, match="there is no format 'csv'"):
        streamkm.partition(CENTROIDS, store, tmp_path / "q", format="csv")
    with pytest.raises(ValueError, match="metric='l1'"):
        streamkm.partition(CENTROIDS, store, tmp_path / "q", metric="l1")
    with pytest.raises(MemoryLimitError):
        streamkm.partition(CENTROIDS, store, tmp_path / "q", memory_limit="200MiB")
    two = streamkm.partition(CENTROIDS[:2], store, tmp_path / "p.zarr", overwrite=True)
    assert (parts.n_clusters, two.n_clusters) == (7, 2)


def test_a_damaged_partition_is_refused(tmp_path, store):
    streamkm.partition(CENTROIDS, store, tmp_path / "p.zarr")
    with pytest.raises(DataError, match="is not a partition"):
        streamkm.open_partition(store)
    with pytest.raises(DataError, match="is not a partition"):
        streamkm.open_partition(tmp_path / "nothing")
    offsets = zarr.open_array(tmp_path / "p.zarr" / "offsets")
    offsets[-1] -= 1
    with pytest.raises(DataError, match="is damaged"):
        streamkm.open_partition(tmp_path / "p.zarr")
    offsets[-1] += 1
    next(path for path in (tmp_path / "p.zarr/rows/c").rglob("*") if path.is_file()).unlink()
    with pytest.raises(DataError, match="are missing"):
        streamkm.open_partition(tmp_path / "p.zarr")


def test_a_part_is_sliced_like_an_array(tmp_path, store):
    parts = streamkm.partition(CENTROIDS, store, tmp_path / "p.zarr")
    part = parts[3]
    rows = VALUES[nearest(VALUES, CENTROIDS) == 3]
    for key in [..., slice(3, 9), slice(9, 3), (slice(-5, None), 2), 4, [1, 0], slice(8, 2, -2)]:
        np.testing.assert_array_equal(part.rows[key], rows[key])
    assert part.rows.shape == rows.shape
    assert parts[-1].cluster == 6
    with pytest.raises(IndexError):
        parts[7]
    lazy = streamkm.KMeans(3, random_state=0).fit(part.rows)
    whole = streamkm.KMeans(3, random_state=0).fit(rows)
    np.testing.assert_allclose(lazy.cluster_centers_, whole.cluster_centers_, rtol=1e-12)
    np.testing.assert_array_equal(lazy.labels_, whole.labels_)
    saved = streamkm.KMeans(3, random_state=0, checkpoint=str(tmp_path / "c"))
    np.testing.assert_array_equal(saved.fit(part.rows).cluster_centers_, lazy.cluster_centers_)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        saved.fit(parts[3].rows)  # the run is complete, for the same rows


def test_the_command_prints_the_sizes(tmp_path, store):
    zarr.create_array(tmp_path / "mask", data=np.arange(2000) > 9)
    streamkm.KMeans.from_centroids(np.r_[CENTROIDS, CENTROIDS[:1] + 99]).save(tmp_path / "m")
    words = ["partition", tmp_path / "m", store, "-o", tmp_path / "p.zarr"]
    said = CliRunner().invoke(main, [*map(str, words), "--mask", str(tmp_path / "mask")])
    sizes = np.bincount(nearest(VALUES[10:], CENTROIDS))
    assert said.output == (
        f"1,990 rows in 8 clusters of 0 to {sizes.max()} rows, 1 of them empty; 10 rows left out\n"
    )
    said = CliRunner().invoke(main, ["info", str(tmp_path / "p.zarr")])
    assert f"1,990 rows of {VALUES.shape[1]} features" in said.output
    assert f"0 to {sizes.max()} rows" in said.output
    check(
        streamkm.open_partition(tmp_path / "p.zarr"),
        VALUES,
        nearest(VALUES, CENTROIDS),
        np.arange(2000) > 9,
    )


def test_names_of_features_that_parquet_cannot_have_are_refused_before_the_read(tmp_path, store):
    names = ["row", "b", "c", "d", "e"]
    model = streamkm.Model(CENTROIDS, features=names)
    array = zarr.open_array(store)
    array.attrs["columns"] = names

    def read(stage, done, total):
        raise AssertionError(stage)

    with pytest.raises(DataError, match="'row' has the name of a column"):
        runs.partition(model, DataOptions(array), tmp_path / "p.parquet", show=read)
