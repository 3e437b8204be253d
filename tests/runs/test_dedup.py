"""Semantic deduplication of a partition, against brute force within the clusters."""

from __future__ import annotations

import dask
import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr
from click.testing import CliRunner

import streamkm
from streamkm.cli import main
from streamkm.errors import DataError, MemoryLimitError, OutputExistsError
from streamkm.models.storage import save_model
from streamkm.runs import dedup as runs
from streamkm.runs.grouped import Grouping
from streamkm.runs.options import DataOptions
from tests.kernels.test_directions import greedy

THRESHOLD = 0.9
RNG = np.random.default_rng(0)
CUBE = RNG.normal(size=(40, 50, 4)).astype("f4")
CUBE[3, ::5] = 0  # rows without a direction
CUBE[7] = CUBE[2] * 4
FLAT = CUBE.reshape(-1, 4)
MASK = np.arange(2000).reshape(40, 50) % 9 > 0
CENTROIDS = np.concatenate([FLAT[:3], -9 * np.ones((2, 4)), FLAT[3:6]])  # some are empty


class Stopped(Exception):
    """Stops a run."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A partition of most of the rows, and the mask of the rows that brute force keeps."""
    folder = tmp_path_factory.mktemp("dedup")
    parts = streamkm.partition(
        CENTROIDS, CUBE, folder / "p.zarr", metric="cosine", mask=MASK, feature_dim=-1
    )
    expected = np.zeros(2000, bool)
    for _, rows, numbers in parts:
        expected[np.asarray(numbers)[greedy(np.asarray(rows), THRESHOLD)]] = True
    return folder / "p.zarr", expected.reshape(40, 50)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Batches of less than a cluster, waves of eight batches, and several chunks of the mask."""
    monkeypatch.setattr("streamkm.engine.schedule._ENOUGH", 3)
    monkeypatch.setattr("streamkm.checkpoint.periodic.SECONDS", 0.0)
    monkeypatch.setattr("streamkm.runs.dedup._MASK_NBYTES", 170)
    with dask.config.set(num_workers=2):
        yield


def ordered(rows, keep):
    """The rows of a cluster in the order of their distance from its centroid."""
    unit = rows / np.maximum(np.linalg.norm(rows.astype("f8"), axis=1, keepdims=True), 1e-30)
    near = (unit @ unit.sum(axis=0)).round(12)
    return np.argsort(-near if keep == "nearest" else near, kind="stable")


def in_batches(monkeypatch, n_rows):
    monkeypatch.setattr("streamkm.runs.dedup.BLOCK_NBYTES", n_rows * 4 * 8)
    monkeypatch.setattr("streamkm.runs.dedup._LEAST_NBYTES", 1)


@pytest.mark.parametrize("n_rows", [37, 700, 5000])
def test_the_kept_rows_are_those_of_brute_force(tmp_path, made, monkeypatch, n_rows):
    """Clusters are compared in tiles, alone, or several in a batch."""
    path, expected = made
    in_batches(monkeypatch, n_rows)
    found = streamkm.dedup(path, tmp_path / "keep.zarr", threshold=THRESHOLD)
    np.testing.assert_array_equal(found.keep[...], expected)
    assert found.n_rows == MASK.sum()
    assert found.n_kept == expected.sum()
    assert 0 < found.n_dropped < found.n_rows
    assert expected[3, ::5][MASK[3, ::5]].all()
    assert not (expected & ~MASK).any()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keep.zarr"]


@pytest.mark.parametrize("keep", ["nearest", "farthest"])
@pytest.mark.parametrize("n_rows", [37, 5000])
def test_rows_near_or_far_from_the_centroid_are_kept_first(
    tmp_path, made, monkeypatch, keep, n_rows
):
    path, first = made
    expected = np.zeros(2000, bool)
    for _, rows, numbers in streamkm.open_partition(path):
        order = ordered(np.asarray(rows), keep)
        kept = order[greedy(np.asarray(rows)[order], THRESHOLD)]
        expected[np.asarray(numbers)[kept]] = True
    in_batches(monkeypatch, n_rows)
    found = streamkm.dedup(path, tmp_path / "k.zarr", threshold=THRESHOLD, keep=keep)
    np.testing.assert_array_equal(found.keep[...], expected.reshape(40, 50))
    assert (expected != first.ravel()).any()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["k.zarr"]


@pytest.mark.parametrize(("keep", "n_rows"), [("first", 5000), ("first", 190), ("farthest", 190)])
def test_rows_of_a_model_need_no_partition(tmp_path, made, monkeypatch, keep, n_rows):
    """They are read once, in blocks; an in-memory array needs no store."""
    whole = streamkm.dedup(made[0], tmp_path / "a.npy", threshold=THRESHOLD, keep=keep)
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 1)
    in_batches(monkeypatch, n_rows)
    zarr.create_array(tmp_path / "x", data=CUBE, chunks=(7, 50, 4))
    for number, data in enumerate([str(tmp_path / "x"), CUBE]):
        options = {"metric": "cosine", "mask": MASK, "feature_dim": -1, "keep": keep}
        output = tmp_path / f"{number}.npy"
        found = streamkm.dedup(CENTROIDS, output, data, threshold=THRESHOLD, **options)
        np.testing.assert_array_equal(found.keep, whole.keep)
        assert (found.n_rows, found.n_kept) == (whole.n_rows, whole.n_kept)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.npy", "1.npy", "a.npy", "x"]


def test_a_partition_in_parquet_has_the_same_mask(tmp_path, made, monkeypatch):
    whole = streamkm.dedup(made[0], tmp_path / "a.npy", threshold=THRESHOLD)
    parts = tmp_path / "p.parquet"
    monkeypatch.setattr("streamkm.runs.partition.BLOCK_NBYTES", 2**20)
    streamkm.partition(CENTROIDS, CUBE, parts, metric="cosine", mask=MASK, feature_dim=-1)
    in_batches(monkeypatch, 90)
    found = streamkm.dedup(parts, tmp_path / "b.npy", threshold=THRESHOLD)
    np.testing.assert_array_equal(found.keep, whole.keep)


def test_each_partition_is_read_once_if_it_fits(tmp_path, made, monkeypatch):
    from streamkm.rows import sliced

    spans, before = [], sliced.read

    def count(array, region):
        if array.ndim == 2:
            spans.append((region[0].start, region[0].stop))
        return before(array, region)

    monkeypatch.setattr(sliced, "read", count)
    in_batches(monkeypatch, 700)
    streamkm.dedup(path := made[0], tmp_path / "keep.npy")
    assert sum(stop - start for start, stop in spans) == streamkm.open_partition(path).offsets[-1]


def test_files_have_the_same_mask(tmp_path, made, monkeypatch):
    path, expected = made
    in_batches(monkeypatch, 300)
    streamkm.dedup(path, tmp_path / "a.npy", threshold=THRESHOLD)
    streamkm.dedup(path, tmp_path / "b.parquet", threshold=THRESHOLD)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), expected)
    table = pq.read_table(tmp_path / "b.parquet")
    assert table.column_names == ["dim_0", "dim_1", "keep"]
    np.testing.assert_array_equal(
        expected[table["dim_0"].to_numpy(), table["dim_1"].to_numpy()], table["keep"].to_numpy()
    )


@pytest.mark.filterwarnings("ignore:the results so far are in")
@pytest.mark.parametrize("name", ["keep.zarr", "keep.npy"])
def test_a_stopped_run_resumes(tmp_path, monkeypatch, name):
    in_batches(monkeypatch, 100)
    many = RNG.normal(size=(40, 4))  # enough batches for two waves
    streamkm.partition(many, FLAT, tmp_path / "many.zarr", metric="cosine")
    said = []
    for stage, done in [("compare", 8), ("mask", 0), ("mask", 8)]:

        def show(name, at, total, stage=stage, done=done):
            if (name, at) == (stage, done):
                raise Stopped

        with pytest.raises(Stopped):
            runs.dedup(tmp_path / "many.zarr", tmp_path / name, message=said.append, show=show)
        assert not (tmp_path / name).exists()
    found = runs.dedup(tmp_path / "many.zarr", tmp_path / name, message=said.append)
    assert "mask, block 8 of" in said[-1]
    whole = runs.dedup(tmp_path / "many.zarr", tmp_path / "whole.npy")
    np.testing.assert_array_equal(found.keep[...], whole.keep)
    assert (found.n_rows, found.n_kept) == (whole.n_rows, whole.n_kept)
    assert sorted(each.name for each in tmp_path.iterdir()) == [name, "many.zarr", "whole.npy"]


@pytest.mark.filterwarnings("ignore:the results so far are in")
def test_a_stopped_run_of_a_model_resumes_in_each_stage(tmp_path, monkeypatch):
    in_batches(monkeypatch, 100)
    monkeypatch.setattr("streamkm.rows.opened._SMALLEST_NBYTES", 1)
    monkeypatch.setattr("streamkm.rows.opened.BLOCK_NBYTES", 1000)
    zarr.create_array(tmp_path / "x", data=FLAT, chunks=(60, 4))
    scaling = streamkm.rows.UnitLength()
    many = np.random.default_rng(1).normal(size=(40, 4))
    model = streamkm.Model(many, scaling=scaling, scaled=scaling.there(many))
    source, said = Grouping(model, DataOptions(str(tmp_path / "x"))), []
    options = runs.DedupOptions(keep="nearest")
    for stage, done in [("sort", 8), ("compare", 0), ("compare", 8), ("mask", 8)]:

        def show(name, at, total, stage=stage, done=done):
            if (name, at) == (stage, done):
                raise Stopped

        with pytest.raises(Stopped):
            runs.dedup(source, tmp_path / "k.npy", options, message=said.append, show=show)
        assert not (tmp_path / "k.npy").exists()
    found = runs.dedup(source, tmp_path / "k.npy", options, message=said.append)
    resumed = ("sort, block 8", "compare, block 8", "mask, block 8")
    assert all(any(each in line for line in said) for each in resumed)
    parts = streamkm.partition(model, FLAT, tmp_path / "p.zarr")
    whole = streamkm.dedup(parts, tmp_path / "whole.npy", keep="nearest")
    np.testing.assert_array_equal(found.keep, whole.keep)
    left = sorted(each.name for each in tmp_path.iterdir())
    assert left == ["k.npy", "p.zarr", "whole.npy", "x"]


def test_errors_come_before_the_work(tmp_path, made):
    path, _ = made
    for threshold in (0, 1.5, np.nan):
        with pytest.raises(ValueError, match="threshold"):
            streamkm.dedup(path, tmp_path / "keep.npy", threshold=threshold)
    with pytest.raises(ValueError, match="keep='last'; use 'first'"):
        streamkm.dedup(path, tmp_path / "keep.npy", keep="last")
    with pytest.raises(DataError, match="mask is for a model and X"):
        streamkm.dedup(path, tmp_path / "keep.npy", mask=MASK)
    with pytest.raises(DataError, match="4 features, but the model has 3"):
        streamkm.dedup(CENTROIDS[:, :3], tmp_path / "keep.npy", FLAT)
    for model in (CENTROIDS, streamkm.KMeans(2)):
        with pytest.raises(DataError, match="give X, the rows that the clusters of"):
            streamkm.dedup(model, tmp_path / "keep.npy")
    with pytest.raises(DataError, match=r"not written to \.nc files"):
        streamkm.dedup(path, tmp_path / "keep.nc")
    with pytest.raises(DataError, match="is not a partition"):
        streamkm.dedup(path.parent, tmp_path / "keep.npy")
    with pytest.raises(OutputExistsError, match="lies inside"):
        streamkm.dedup(path, path / "keep")
    with pytest.raises(MemoryLimitError):
        streamkm.dedup(path, tmp_path / "keep.npy", memory_limit="100MiB")
    assert list(tmp_path.iterdir()) == []


def test_the_mask_of_the_command_is_that_of_a_fit(tmp_path, made):
    path, expected = made
    zarr.create_array(tmp_path / "x", data=CUBE)
    words = ["dedup", str(path), "--threshold", str(THRESHOLD), "-o", str(tmp_path / "keep")]
    said = CliRunner().invoke(main, words)
    n_rows, n_dropped = MASK.sum(), MASK.sum() - expected.sum()
    assert said.output == f"{n_dropped:,} of {n_rows:,} rows dropped ({n_dropped / n_rows:.2%})\n"
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 1
    assert "exists" in again.output
    save_model(tmp_path / "clusters", streamkm.Model(CENTROIDS))
    model = ["dedup", str(tmp_path / "clusters")]
    alone = CliRunner().invoke(main, [*model, "-o", str(tmp_path / "no")])
    assert "is a model; name its data, too" in alone.output
    unused = CliRunner().invoke(main, [*words, "--overwrite", "--mask", str(tmp_path / "x")])
    assert "--mask is for DATA and a model" in unused.output
    one = [*model, str(tmp_path / "x"), "--feature-dim", "-1", "--keep", "farthest"]
    one = CliRunner().invoke(main, [*one, "-o", str(tmp_path / "one.npy")])
    assert "of 2,000 rows dropped" in one.output
    assert 0 < np.load(tmp_path / "one.npy").sum() < 2000
    fit = ["fit", str(tmp_path / "x"), "-k", "3", "--feature-dim", "-1"]
    fitted = CliRunner().invoke(
        main, [*fit, "--mask", str(tmp_path / "keep"), "-o", str(tmp_path / "m"), "--json"]
    )
    assert fitted.exit_code == 0, fitted.output
    assert f'"rows_left_out": {2000 - expected.sum()}' in fitted.output
