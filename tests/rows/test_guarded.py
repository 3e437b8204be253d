"""Arrays that are opened by their paths refuse chunks and files that would fill memory."""

from __future__ import annotations

import gzip
import json
import os
import pickle

import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from click.testing import CliRunner
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

import streamkm
from streamkm.cli import main
from streamkm.errors import DataError, MemoryLimitError
from streamkm.rows import memory, open_rows
from streamkm.rows.array import open_array
from streamkm.rows.coordinates import array_beside
from streamkm.rows.guarded import guarded, store_at
from tests.conftest import run_module
from tests.fuzzing import stores

X = np.arange(300, dtype="f4").reshape(100, 3)
CODECS = {
    "zstd": (3, ZstdCodec(), stores._zstd_bomb),
    "zstd without a size": (3, ZstdCodec(), stores._zstd_stream),
    "blosc": (3, BloscCodec(), stores._blosc_bomb),
    "gzip": (3, GzipCodec(), lambda: gzip.compress(bytes(2**21)) * 2),
    "zstd of Zarr 2": (2, numcodecs.Zstd(), stores._zstd_bomb),
    "gzip of Zarr 2": (2, numcodecs.GZip(), lambda: gzip.compress(bytes(2**21))),
    "lz4 of Zarr 2": (2, numcodecs.LZ4(), lambda: (2**31 - 1).to_bytes(4, "little") + b"0"),
}


@pytest.mark.parametrize("name", CODECS)
def test_chunks_that_decode_to_more_than_their_values_are_refused(name, tmp_path):
    version, codec, bomb = CODECS[name]
    path = tmp_path / "x"
    zarr.create_array(path, data=X, chunks=(50, 3), compressors=codec, zarr_format=version)
    array = guarded(zarr.open_array(store_at(path), mode="r"))
    for each in (array, pickle.loads(pickle.dumps(array))):
        np.testing.assert_array_equal(each[...], X)
    assert array.metadata.to_dict() == zarr.open_array(path).metadata.to_dict()
    (path / array.metadata.encode_chunk_key((1, 0))).write_bytes(bomb())
    for each in (array, pickle.loads(pickle.dumps(array))):
        with pytest.raises(ValueError, match="or more; its values have"):
            each[...]


def test_arrays_beside_the_data_are_guarded(tmp_path):
    """Coordinates are read as a whole, and weights may be given by their names."""
    group = zarr.create_group(tmp_path / "g")
    group.create_array("v", data=X, dimension_names=("row", "band"))
    group.create_array("row", data=np.arange(100.0), dimension_names=("row",), chunks=(100,))
    (tmp_path / "g/row/c/0").write_bytes(stores._zstd_bomb())
    beside = array_beside(open_array(tmp_path / "g", "v"), "row")
    with pytest.raises(ValueError, match="or more; its values have"):
        beside[...]


def test_a_chunk_that_ends_after_its_magic_number_is_incomplete(tmp_path):
    zarr.create_array(tmp_path / "x", data=X, chunks=(50, 3), compressors=ZstdCodec())
    (tmp_path / "x" / "c" / "1" / "0").write_bytes(bytes.fromhex("28b52ffd"))
    with pytest.raises(RuntimeError, match="[Zz]std"):
        guarded(zarr.open_array(store_at(tmp_path / "x"), mode="r"))[...]


@pytest.mark.parametrize("codec", [ZstdCodec(), BloscCodec(), GzipCodec(), None])
def test_shards_are_guarded_within(codec, tmp_path):
    zarr.create_array(tmp_path / "x", data=X, chunks=(10, 3), shards=(50, 3), compressors=codec)
    array = guarded(zarr.open_array(tmp_path / "x", mode="r"))
    np.testing.assert_array_equal(array[...], X)
    inner = array.metadata.codecs[0].codecs
    assert codec is None or type(inner[-1]) is not type(codec)


def test_texts_have_no_fixed_size(tmp_path):
    texts = np.array(["a", "b" * 5000], dtype=np.dtypes.StringDType())
    array = zarr.create_array(tmp_path / "t", data=texts, chunks=(2,))
    assert list(guarded(array)[...]) == ["a", "b" * 5000]


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_devices_and_pipes_are_not_read(make, tmp_path):
    zarr.create_array(tmp_path / "x", data=X, chunks=(100, 3))
    (tmp_path / "x/c/0/0").unlink()
    make(tmp_path / "x/c/0/0")
    with pytest.raises(ValueError, match="c/0/0 is a device or a pipe"):
        zarr.open_array(store_at(tmp_path / "x"), mode="r")[...]


def test_parts_of_a_file_larger_than_half_of_the_memory_are_read(tmp_path, monkeypatch):
    shape = (4000, 8)
    x = np.random.default_rng(0).normal(size=shape)
    zarr.create_array(tmp_path / "x.zarr", data=x, chunks=(100, 8), shards=shape, compressors=None)
    zarr.create_array(tmp_path / "y.zarr", data=x, chunks=shape, compressors=None)
    monkeypatch.setattr("streamkm.rows.guarded.memory_here", lambda: x.nbytes)
    shard = zarr.open_array(store_at(tmp_path / "x.zarr"), mode="r")
    assert np.array_equal(shard[300:400], x[300:400])
    with pytest.raises(ValueError, match="more than half of the memory"):
        zarr.open_array(store_at(tmp_path / "y.zarr"), mode="r")[300:400]


def test_work_beyond_the_machine_is_refused_without_a_limit(tmp_path):
    shape = (10, 3 * 10**6)
    wide = zarr.create_array(tmp_path / "x", shape=shape, chunks=shape, dtype="f4")
    with pytest.raises(MemoryLimitError, match=r"828.*over the memory of this machine, 700\.0 MiB"):
        open_rows(wide, budget=memory.Budget(machine=700 * 2**20))
    open_rows(wide, budget=memory.Budget(machine=2**33))


def test_commands_that_use_a_model_refuse_work_beyond_the_machine(tmp_path, monkeypatch):
    zarr.create_array(tmp_path / "x", data=X)
    streamkm.KMeans.from_centroids(X[:2]).save(tmp_path / "model")
    streamkm.ProductQuantizer(1, n_codewords=2, random_state=0).fit(X).save(tmp_path / "codebooks")
    monkeypatch.setattr("streamkm.engine.schedule.memory_here", lambda: memory.PROCESS_NBYTES)
    for command in ("predict", "nearest", "partition", "encode"):
        model = "codebooks" if command == "encode" else "model"
        words = [command, tmp_path / model, tmp_path / "x", "-o", tmp_path / "out"]
        said = CliRunner().invoke(main, [*map(str, words)])
        assert said.exit_code == 1
        assert "over the memory of this machine, 256.0 MiB" in " ".join(said.output.split())


def test_a_data_array_that_is_loaded_as_a_whole_is_refused_before(tmp_path, monkeypatch):
    group, shape = zarr.create_group(tmp_path / "x"), (2000, 3000)
    group.create_array("v", shape=shape, dtype="f8", dimension_names=("y", "x"))
    with xr.open_zarr(tmp_path / "x", chunks=None, consolidated=False) as data:
        monkeypatch.setattr(xr.DataArray, "to_numpy", lambda _: pytest.fail("loaded"))
        with pytest.raises(MemoryLimitError, match=r"45\.8 MiB .*the memory of this machine, 300"):
            open_rows(data["v"], budget=memory.Budget(machine=300 * 2**20))


def test_large_arrays_without_chunks_and_many_missing_values_are_refused(tmp_path):
    zarr.create_array(tmp_path / "x", shape=(10**9, 3), chunks=(10**6, 3), dtype="f4")
    with pytest.raises(DataError, match="no chunk of .* is stored, so all of its 3,000,000,000"):
        open_rows(tmp_path / "x")
    many = {"missing_value": list(range(300))}
    zarr.create_array(tmp_path / "y", data=X, attributes=many)
    with pytest.raises(DataError, match="300 missing values are announced, more than 256"):
        open_rows(tmp_path / "y", nodata="auto")


def test_hostile_stores_end_in_one_message_in_bounded_memory():
    kinds = ["zstd", "large chunk", "many chunks", "pipe", "metadata pipe", "loop", "huge"]
    run_module("tests.fuzzing.stores", "--kinds", *kinds)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_chunks_without_a_length_are_one_error(zarr_format, tmp_path):
    zarr.create_array(tmp_path / "x", data=np.eye(4), chunks=(2, 4), zarr_format=zarr_format)
    path = tmp_path / "x" / (".zarray" if zarr_format == 2 else "zarr.json")
    found = json.loads(path.read_text())
    place = found if zarr_format == 2 else found["chunk_grid"]["configuration"]
    place["chunks" if zarr_format == 2 else "chunk_shape"] = [0, 4]
    path.write_text(json.dumps(found))
    with pytest.raises(DataError, match="is damaged"):
        open_rows(tmp_path / "x")
