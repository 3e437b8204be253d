"""Changed bits and impossible values of stores are refused with one error."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import zarr
from zarr.codecs import ZstdCodec

import streamkm
from streamkm.errors import DataError
from tests.flips import KINDS, bits, flipped, outcome


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A store of every kind, made when it is needed."""
    home, made = tmp_path_factory.mktemp("stores"), {}

    def of(kind):
        if kind not in made:
            made[kind] = home / f"{kind}.zarr"
            KINDS[kind][0](made[kind], home)
        return made[kind]

    return of


@pytest.fixture
def copy(stores, tmp_path):
    def of(kind):
        return shutil.copytree(stores(kind), tmp_path / f"{kind}.zarr")

    return of


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_an_error_or_changes_no_value(kind, copy):
    store = copy(kind)
    found = list(flipped(kind, store, 4, metadata=False))
    if kind != "labels":  # nobody checks the metadata of a plain array
        found += flipped(kind, store, 4, metadata=True)
    seen = [(file.relative_to(store), bit, what) for file, bit, what, _ in found]
    assert not [each for each in seen if each[2] in ("wrong", "traceback")]
    errors = [(file, str(error)) for file, _, what, error in found if what == "error"]
    assert len(errors) >= 2
    for file, text in errors:
        if kind != "labels":
            assert store.name in text, file
            assert "\n" not in text


@pytest.mark.parametrize("kind", ["model", "tree", "stream", "hierarchy", "quantizer", "archive"])
def test_stores_without_digests_and_checksums_are_read_as_before(kind, copy):
    store = copy(kind)
    intact = bits(KINDS[kind][1](store))
    del zarr.open_group(store)["streamkm"]
    if kind != "archive":
        for path, array in list(zarr.open_group(store).members(max_depth=None)):
            if isinstance(array, zarr.Array):
                zarr.open_group(store).create_array(
                    path,
                    data=array[...],
                    compressors=ZstdCodec(),
                    fill_value=array.fill_value,
                    overwrite=True,
                )
    assert outcome(kind, store, intact) == ("right", None)


def test_the_digests_are_those_that_the_documentation_describes(copy):
    import hashlib
    import json

    store = copy("model")
    digests = zarr.open_group(store, mode="r")["streamkm"].attrs["digests"]
    centroids = zarr.open_group(store, mode="r")["centroids"]
    assert digests["centroids"]["values"] == hashlib.sha256(centroids[...].tobytes()).hexdigest()
    facts = {
        "attributes": {},
        "shape": [4, 3],
        "dtype": "<f8",
        "fill_value": "nan",
        "dimension_names": ["cluster", "feature"],
    }
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    assert digests["centroids"]["metadata"] == hashlib.sha256(text.encode()).hexdigest()
    assert {"", "history", "history/inertia", "scaled_centroids"} <= set(digests)


def test_a_mixture_of_two_models_is_refused(copy, tmp_path):
    store = copy("model")
    other = np.random.default_rng(1).normal(size=(120, 3))
    streamkm.KMeans(4, random_state=0, scale="standard").fit(other).save(tmp_path / "other")
    for name in ("centroids", "scaled_centroids"):
        shutil.copy(tmp_path / "other" / name / "c/0/0", store / name / "c/0/0")
    with pytest.raises(DataError, match="'centroids' of .* was changed .* digest of its values"):
        streamkm.load_model(store)


@pytest.mark.parametrize("kind", ["labels", "partition", "archive"])
def test_checksums_are_read_by_zarrs(kind, copy):
    pytest.importorskip("zarrs")
    store = copy(kind)
    intact = bits(KINDS[kind][1](store))
    array = {"labels": "", "partition": "rows", "archive": "codes"}[kind]
    path = next(f for f in sorted(store.rglob("*")) if f"{array}/c/" in str(f) and f.is_file())
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        if kind != "archive":  # zarrs does not know the codec of pixels
            assert outcome(kind, store, intact) == ("right", None)
        content = bytearray(path.read_bytes())
        content[-1] ^= 4  # of the checksum of the chunk, or of the index of the shard
        path.write_bytes(content)
        damaged = zarr.open_array(str(path).partition("/c/")[0], mode="r")
        with pytest.raises(Exception, match=r"checksum|corrupt|Data"):
            damaged[...]
