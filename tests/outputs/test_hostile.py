"""Stores from untrusted sources are opened without executing their content."""

from __future__ import annotations

import json
import pickle
import shutil
from contextlib import suppress

import numcodecs.pickles
import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from PIL import Image

import streamkm
from streamkm.cli import main
from streamkm.errors import DataError
from streamkm.images import Archive

# Zarr warns of such arrays; this warning must not be the reason why they are not read.
pytestmark = pytest.mark.filterwarnings("ignore")


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.output


class Bomb:
    """An object that creates a file when it is unpickled."""

    def __init__(self, where):
        self.where = where

    def __reduce__(self):
        return open, (self.where, "w")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 2)).astype("f4")
    zarr.create_array(folder / "i.zarr", data=x, chunks=(50, 2))
    (folder / "p").mkdir()
    Image.fromarray(rng.integers(0, 255, (20, 20, 3)).astype("u1")).save(folder / "p" / "a.png")
    run("fit", folder / "i.zarr", "-k", 2, "-o", folder / "model", "--scale", "standard")
    run("sweep", folder / "i.zarr", "-k", "1:3", "-o", folder / "sweep")
    run("compress", folder / "p", "-k", 4, "-o", folder / "archive")
    return folder


@pytest.fixture
def home(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    # Simulate a numcodecs that decodes pickles, to test that no pickle is decoded.
    monkeypatch.setattr(numcodecs.pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True)
    return tmp_path


def plant(folder, bomb, name, ndim=1):
    """Replace the array of this name by a Zarr v2 array with one chunk, which is a pickle."""
    place = folder / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    described = {
        "zarr_format": 2,
        "shape": [1] * ndim,
        "chunks": [1] * ndim,
        "dtype": "|O",
        "compressor": None,
        "fill_value": "",
        "order": "C",
        "filters": [{"id": "vlen-utf8"}, {"id": "pickle", "protocol": 5}],
    }
    (place / ".zarray").write_text(json.dumps(described))
    (place / ".zattrs").write_text(json.dumps({"_ARRAY_DIMENSIONS": [name]}))
    (place / ".".join(["0"] * ndim)).write_bytes(pickle.dumps(Bomb(str(bomb))))


def as_v2(folder):
    """Convert the metadata of the group to Zarr v2, whose members may be such arrays."""
    attributes = json.loads((folder / "zarr.json").read_text())["attributes"]
    (folder / "zarr.json").unlink()
    (folder / ".zgroup").write_text(json.dumps({"zarr_format": 2}))
    (folder / ".zattrs").write_text(json.dumps(attributes))


def plant_v3(folder, bomb, name, dtype="uint8", ndim=1):
    """The same for Zarr v3: a codec of numcodecs in the metadata."""
    place = folder / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    described = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [1] * ndim,
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1] * ndim}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "test.pickle", "configuration": {}},
        ],
        "attributes": {},
        "dimension_names": [name, *map(str, range(1, ndim))],
    }
    (place / "zarr.json").write_text(json.dumps(described))
    chunk = place / "c" / "/".join(["0"] * ndim)
    chunk.parent.mkdir(parents=True)
    chunk.write_bytes(pickle.dumps(Bomb(str(bomb))))


@pytest.fixture(autouse=True, scope="module")
def pickle_codec():
    """A codec of Zarr v3 that unpickles, like one of an installed package."""
    from zarr.abc.codec import BytesBytesCodec
    from zarr.registry import register_codec

    class PickleCodec(BytesBytesCodec):
        is_fixed_size = False

        @classmethod
        def from_dict(cls, data):
            return cls()

        def to_dict(self):
            return {"name": "test.pickle", "configuration": {}}

        def compute_encoded_size(self, input_byte_length, chunk_spec):
            return input_byte_length

        async def _decode_single(self, chunk_bytes, chunk_spec):
            pickle.loads(chunk_bytes.to_bytes())
            return chunk_bytes

        async def _encode_single(self, chunk_bytes, chunk_spec):
            return chunk_bytes

    register_codec("test.pickle", PickleCodec)


def test_the_bomb_goes_off_where_it_is_read(home):
    plant(home, home / "bomb", "hidden")
    with suppress(Exception):  # the unpickled object is not an array
        zarr.open_array(home / "hidden", mode="r", zarr_format=2)[...]
    assert (home / "bomb").exists()
    (home / "bomb").unlink()
    plant_v3(home, home / "bomb", "hidden")
    with suppress(Exception):
        zarr.open_array(home / "hidden", mode="r")[...]
    assert (home / "bomb").exists()


_OPENERS = {
    "model": [
        lambda f: run("info", f),
        lambda f: streamkm.load_model(f),
        lambda f: streamkm.load(f),
        lambda f: run("predict", f, f.parent / "i.zarr", "-o", f.parent / "labels"),
    ],
    "sweep": [
        lambda f: run("info", f),
        lambda f: streamkm.open_sweep(f),
        lambda f: streamkm.centroids_of(f, 2),
        lambda f: run("predict", f, f.parent / "i.zarr", "-k", 2, "-o", f.parent / "labels"),
    ],
    "archive": [
        lambda f: run("info", f, "--all"),
        lambda f: Archive(f).palettes(),
        lambda f: Archive(f)["a.png"].values,
        lambda f: run("palette", f),
        lambda f: run("decompress", f, "-o", f.parent / "files"),
    ],
}


@pytest.mark.parametrize("kind", _OPENERS)
def test_arrays_that_are_not_known_are_not_read(home, kind):
    folder = home / kind
    places = [folder]
    if kind == "model":
        places.append(folder / "history")
    if kind == "archive":
        places += [path.parent for path in folder.glob("images/*/codes")]
    for place in places:
        plant_v3(place, home / "bomb", "hidden")
        plant_v3(place, home / "bomb", "image")  # the name of a dimension, which xarray reads
        plant_v3(place, home / "bomb", "cluster")
    for opened in _OPENERS[kind]:
        opened(folder)
    assert not (home / "bomb").exists()


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("kind", _OPENERS)
def test_known_names_in_strange_codecs_are_not_read(home, kind, version):
    folder = home / kind
    name = {"model": "centroids", "sweep": "centroids", "archive": "palettes"}[kind]
    ndim = 3 if kind == "sweep" else 2
    if version == 2:
        as_v2(folder)
        plant(folder, home / "bomb", name, ndim)
    elif kind == "archive":
        plant_v3(folder, home / "bomb", "palettes/rgb", "uint8", 3)
    else:
        plant_v3(folder, home / "bomb", name, "float64", ndim)
    for opened in _OPENERS[kind]:
        with suppress(DataError, AssertionError):  # nothing, or something else than requested
            opened(folder)
    assert not (home / "bomb").exists()


def test_info_of_any_group_reads_nothing(home):
    group = home / "group"
    zarr.create_group(group, zarr_format=2)
    plant(group, home / "bomb", "x")
    assert "shape" in run("info", group)
    plant(group, home / "bomb", "y")
    assert "name one of its arrays" in run("info", group, code=1)
    assert not (home / "bomb").exists()


def test_names_that_are_known_have_to_be_numbers(home):
    group = zarr.open_group(home / "model")
    del group["centroids"]
    group.create_array("centroids", shape=(1, 2), dtype=str)
    with pytest.raises(DataError, match="'centroids' of .* which streamkm never writes"):
        streamkm.load_model(home / "model")
