"""A pass reads each stored chunk exactly once."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import zarr
from zarr.codecs import BytesCodec, TransposeCodec
from zarr.storage import MemoryStore, WrapperStore

from streamkm.engine import map_reduce
from streamkm.errors import DataError, ReadError
from streamkm.passes import Census
from streamkm.rows import BlockPlan, Budget, open_rows


class Counting(WrapperStore):
    """A store that counts every read of a key, and fails chosen ones."""

    def __init__(self, store):
        super().__init__(store)
        self.reads = Counter()
        self.nbytes = Counter()
        self.broken = ""

    async def get(self, key, prototype, byte_range=None):
        self.reads[key] += 1
        await asyncio.sleep(0)
        if self.broken and key.endswith(self.broken):
            raise OSError("disk on fire")
        value = await self._store.get(key, prototype, byte_range)
        self.nbytes[key] += 0 if value is None else len(value)
        return value


LAYOUTS = {
    "rows": {"chunks": (100, 6)},
    "features chunked": {"chunks": (100, 2)},
    "sharded": {"chunks": (50, 6), "shards": (200, 6)},
    "compressed shards, features chunked": {"chunks": (50, 3), "shards": (200, 6)},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_stored_chunk_is_read_once_a_pass(layout):
    store = Counting(MemoryStore())
    array = zarr.create_array(store, shape=(1050, 6), dtype="f4", **LAYOUTS[layout])
    array[...] = np.random.default_rng(0).random((1050, 6))
    rows = open_rows(array, budget=Budget(257 * 2**20, threads=1))
    store.reads.clear()
    store.nbytes.clear()
    assert map_reduce(Census(), rows).rows == 1050
    stored = {key: len(value) for key, value in store._store._store_dict.items() if "c/" in key}
    assert set(store.reads) == set(stored)
    for key, nbytes in stored.items():
        assert store.nbytes[key] <= nbytes, key
        # The end of the array truncates the last shard: Zarr reads its index, then its chunks.
        assert store.reads[key] == 1 or (array.shards and key == max(stored))


KINDS = {
    "a block of several chunks": {"chunks": (100, 6)},
    "a chunk a block": {"chunks": (1000, 6)},
    "a shard a block": {"chunks": (50, 3), "shards": (1000, 6)},
    "big-endian": {"chunks": (1000, 6), "serializer": BytesCodec(endian="big")},
    "big-endian, version 2": {"chunks": (100, 6), "dtype": ">f4", "zarr_format": 2},
    "columns first": {"chunks": (100, 6), "filters": [TransposeCodec(order=(1, 0))]},
    "columns first, version 2": {"chunks": (1000, 6), "order": "F", "zarr_format": 2},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [False, True])
def test_blocks_hold_what_zarr_reads_however_it_is_stored(kind, missing, tmp_path):
    array = zarr.create_array(
        tmp_path / "x", shape=(2050, 6), fill_value=7, **{"dtype": "f4", **KINDS[kind]}
    )
    array[...] = np.random.default_rng(0).random((2050, 6))
    if missing:
        array[1000:2000] = 7
    rows = open_rows(tmp_path / "x")
    rows = replace(rows, plan=BlockPlan(((0, 1000, 2000, 2050),)))
    got = [rows.block(number).values for number in range(rows.plan.n_blocks)]
    assert np.array_equal(np.concatenate(got), array[...])


def test_a_chunk_that_is_a_block_is_not_copied():
    store = MemoryStore()
    array = zarr.create_array(
        store, shape=(2000, 6), chunks=(1000, 6), dtype="f4", compressors=None
    )
    array[...] = 1
    rows = replace(open_rows(array), plan=BlockPlan(((0, 1000, 2000),)))
    stored = store._store_dict["c/1/0"].as_numpy_array()
    assert np.shares_memory(rows.block(1).values, stored)


def test_zarrs_decodes_blocks_of_several_local_chunks_unless_the_user_chose(tmp_path):
    def decoder(array):
        return type(open_rows(array).array.async_array.codec_pipeline).__module__.split(".")[0]

    made = {"shape": (2_000_000, 2), "dtype": "f4"}
    several = zarr.create_array(tmp_path / "several", chunks=(1000, 2), **made)
    assert decoder(several) == decoder(tmp_path / "several") == "zarrs"
    assert decoder(zarr.create_array(tmp_path / "one", chunks=(2_000_000, 2), **made)) == "zarr"
    swapped = {"shape": (9, 2), "dtype": ">f4", "chunks": (3, 2), "zarr_format": 2}
    assert decoder(zarr.create_array(tmp_path / "swapped", **swapped)) == "zarr"
    assert decoder(zarr.create_array(MemoryStore(), chunks=(1000, 2), **made)) == "zarr"


def test_zarrs_is_given_regular_files_only(tmp_path):
    array = zarr.create_array(tmp_path / "a/x", shape=(2_000_000, 2), chunks=(1000, 2), dtype="f4")
    array[:4000] = 1
    chunk = tmp_path / "a/x/c/3/0"
    chunk.unlink()
    chunk.symlink_to("/dev/null")  # a pipe would block a read without the check
    with pytest.raises((DataError, ReadError), match="c/3/0 is a device or a pipe, not a file"):
        map_reduce(Census(), open_rows(tmp_path / "a/x"))


def test_an_unreadable_chunk_is_named():
    store = Counting(MemoryStore())
    array = zarr.create_array(store, shape=(1000, 6), dtype="f4", chunks=(100, 3))
    array[...] = 1
    store.broken = "c/7/1"
    with pytest.raises(ReadError, match=r"block \d+ .*chunk c/7/1 of .*disk on fire.*Restore"):
        map_reduce(Census(), open_rows(array))


def test_row_numbers_are_positions_in_c_order():
    shape = (6, 4, 10, 9)  # time, band, y, x
    array = zarr.create_array(MemoryStore(), shape=shape, dtype="i4", chunks=(2, 4, 5, 3))
    rows = open_rows(array, feature_dim=1, budget=Budget(256 * 2**20 + 10000, threads=1))
    assert rows.plan.n_blocks > 1
    position = np.arange(6 * 10 * 9).reshape(6, 10, 9)
    seen = []
    for number in range(rows.plan.n_blocks):
        block = rows.block(number)
        got = block.row_numbers(0, block.n_rows)
        assert np.array_equal(got, position[rows.plan.region(number)].reshape(-1))
        seen.extend(got.tolist())
    assert sorted(seen) == list(range(540))
