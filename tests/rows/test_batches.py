"""Blocks of mini-batches contain every row once; in memory, each resembles all rows."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr

from streamkm.engine import map_reduce
from streamkm.passes import Lloyd
from streamkm.rows import Budget, in_batches, open_rows


@pytest.mark.parametrize("feature_dim", [3, (2, 3), 0])
def test_every_row_is_in_one_block_with_its_number_weight_and_mask(feature_dim):
    cube = np.arange(7 * 11 * 2 * 3.0).reshape(7, 11, 2, 3)
    shape = open_rows(cube, feature_dim=feature_dim).layout.row_shape
    weights = np.arange(np.prod(shape)).reshape(shape)
    mask = weights % 5 != 3
    asked = {"feature_dim": feature_dim, "sample_weight": weights, "mask": mask}
    whole = open_rows(cube, feature_dim=feature_dim).block(0).values
    rows = in_batches(open_rows(cube, **asked), 10, Budget())
    assert rows.plan.largest == 10
    blocks = [rows.block(number) for number in range(rows.n_blocks)]
    numbers = np.concatenate([block.row_numbers(0, block.n_rows) for block in blocks])
    assert sorted(numbers) == np.flatnonzero(mask).tolist()
    assert np.array_equal(np.concatenate([block.values for block in blocks]), whole[numbers])
    assert np.array_equal(np.concatenate([block.weights for block in blocks]), numbers)


@pytest.mark.parametrize("period", [1, 2, 10])
def test_a_block_of_sorted_or_periodic_rows_resembles_all_rows(period):
    """Ten equal classes, in runs or in turn: a block of 1,000 rows has about 100 of each."""
    classes = np.arange(100_000) // 10_000 if period == 1 else np.arange(100_000) % period
    rows = in_batches(open_rows(classes[:, None]), 1000, Budget())
    expected = 1000 / len(np.unique(classes))
    for number in range(rows.n_blocks):
        counts = np.bincount(rows.block(number).values[:, 0])
        assert np.abs(counts - expected).max() <= 3


def test_a_fold_over_interleaved_blocks_is_that_of_plain_blocks(pixels):
    centroids = pixels[:5].astype(np.float64)
    plain = open_rows(pixels)
    found = map_reduce(Lloyd(centroids), in_batches(plain, 1024, Budget()))
    expected = map_reduce(Lloyd(centroids), plain)
    assert np.array_equal(found.sums, expected.sums)
    assert found.squares == expected.squares


@pytest.mark.parametrize(
    ("batch_size", "rows_of_a_block"), [(20, 30), (479, 30), (960, 60), (10**9, 5000)]
)
def test_blocks_of_a_store_are_whole_chunks(tmp_path, blobs, batch_size, rows_of_a_block):
    stored = zarr.create_array(tmp_path / "x", data=blobs, chunks=(30, 6))
    rows = in_batches(open_rows(stored), batch_size, Budget())
    assert rows.plan.largest == rows_of_a_block


def test_a_dask_array_keeps_its_chunks(blobs):
    rows = in_batches(open_rows(da.from_array(blobs, chunks=(900, 6))), 100, Budget())
    assert rows.plan.chunks == ((900,) * 5 + (500,),)
