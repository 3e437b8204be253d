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
from streamkm.runs import dedup as runs
from tests.kernels.test_directions import greedy

THRESHOLD = 0.9
RNG = np.random.default_rng(0)
CUBE = RNG.normal(size=(40, 50, 4)).astype("f4")
CUBE[3, ::5] = 0  # rows without a direction
CUBE[7] = CUBE[2] * 3
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


def test_errors_come_before_the_work(tmp_path, made):
    path, _ = made
    for threshold in (0, 1.5, np.nan):
        with pytest.raises(ValueError, match="threshold"):
            streamkm.dedup(path, tmp_path / "keep.npy", threshold=threshold)
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
    fit = ["fit", str(tmp_path / "x"), "-k", "3", "--feature-dim", "-1"]
    fitted = CliRunner().invoke(
        main, [*fit, "--mask", str(tmp_path / "keep"), "-o", str(tmp_path / "m"), "--json"]
    )
    assert fitted.exit_code == 0, fitted.output
    assert f'"rows_left_out": {2000 - expected.sum()}' in fitted.output
