"""Changed bits and impossible values of stores are refused with one error."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from zarr.codecs import ZstdCodec

import streamkm
from streamkm.cli import main
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


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"mini-batches", "palettes", "patches"}))
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


def attributes(**changed):
    return lambda group: group.attrs.update(changed)


def values(name, change):
    """Replace an array by another, with the names of its dimensions."""

    def replace(group):
        old, new = group[name], change(group[name][...])
        dims = old.metadata.dimension_names if new.ndim == old.ndim else None
        group.create_array(name, data=new, dimension_names=dims, overwrite=True)

    return replace


def declared(name, shape, chunks):
    """Declare an array of another shape, of which nothing is stored."""

    def replace(group):
        dims, dtype = group[name].metadata.dimension_names, group[name].dtype
        group.create_array(
            name, shape=shape, chunks=chunks, dtype=dtype, dimension_names=dims, overwrite=True
        )

    return replace


def codec(**changed):
    """Change the configuration of the codec of pixels."""

    def replace(group):
        path = Path(group.store.root, STACK, "pixels", "zarr.json")
        facts = json.loads(path.read_text())
        own = next(c for c in facts["codecs"] if c["name"] == "streamkm.codebook")
        own["configuration"].update(changed)
        path.write_text(json.dumps(facts))

    return replace


STACK = "images/24x12-rgba"
TWO = np.array(["a.png", "a.png"], dtype="T")
IMPOSSIBLE = {
    "model": {
        "format 99": attributes(format=99),
        "format -4": attributes(format=-4),
        "format '1'": attributes(format="1"),
        "NaN": values("centroids", lambda c: c * np.nan),
        "infinite": values("centroids", lambda c: c + np.inf),
        "complex": values("centroids", lambda c: c + 1j),
        "dates": values("centroids", lambda c: c.astype("M8[s]")),
        "300 scaled": values("scaled_centroids", lambda c: np.zeros((300, 3))),
        "no factor": values("scaling_factor", lambda c: c * 0),
        "negative counts": values("counts", lambda c: -1 - c),
        "one count": values("counts", lambda c: c[:1]),
        "unwritten": declared("centroids", (10**9, 3), (10**9, 3)),
        "many chunks": declared("centroids", (2**50, 3), (9, 3)),
        "unwritten history": declared("history/read", (10**10,), (10**10,)),
        "list of parameters": attributes(parameters=[1]),
        "dimension": attributes(parameters={"feature_dim": {"a": 1}}),
        "names": attributes(names=[{"a": 1}] * 4),
        "features": attributes(features=[1, 2, 3]),
        "scaling": attributes(scaling="other"),
        "mini-batches": attributes(batches={"n_steps": 1}),
    },
    "tree": {
        "cycle": values("tree_children", lambda c: c * 0),
        "far": values("tree_children", lambda c: c + 99),
        "pairs": values("tree_pairs", lambda c: c[:, :, :1]),
    },
    "stream": {
        "negative weights": values("summary/weights", lambda w: -w),
        "fewer draws": values("summary/draws", lambda d: d[1:]),
        "NaN values": values("summary/values", lambda v: v * np.nan),
        "seed": lambda group: group["summary"].attrs.update(seed="x"),
    },
    "quantizer": {
        "format": attributes(format=99),
        "NaN": values("codebooks", lambda c: c * np.nan),
        "empty": values("codebooks", lambda c: c[:, :0]),
    },
    "sweep": {
        "repeated k": values("n_clusters", lambda k: k * 0 + 1),
        "large k": values("n_clusters", lambda k: k + 100),
        "dates": values("centroids", lambda c: c.astype("M8[s]")),
        "unwritten": declared("centroids", (3, 10**9, 3), (3, 1000, 3)),
        "parameters": attributes(parameters="[1]"),
    },
    "partition": {
        "format": attributes(format=0),
        "offsets": values("offsets", lambda o: o[::-1]),
        "unwritten offsets": declared("offsets", (10**9,), (10**9,)),
        "numbers": values("numbers", lambda n: n[1:]),
        "shape": attributes(row_shape=[10**30]),
    },
    "archive": {
        "format": attributes(format=-4),
        "same names": values(f"{STACK}/name", lambda n: TWO),
        "patch": attributes(parameters={"patch": [0, 0], "space": "srgb"}),
        "no quality": values(f"{STACK}/psnr", lambda q: q * np.nan),
        "other opacity": values(f"{STACK}/alpha", lambda a: a[:, :3]),
        "codes of no colour": values(f"{STACK}/codes", lambda c: c * 0 + 255),
        "float palette": values("palettes/rgb", lambda p: p.astype("f4")),
        "empty palette": values("palettes/rgb", lambda p: p[:, :0]),
        "no such palette": values(f"{STACK}/palette", lambda p: p + 9),
        "outside": codec(codes="../../../../secret.zarr"),
        "above": codec(palettes="../../palettes/../../secret.zarr"),
        "itself": codec(codes="pixels"),
        "no codec": codec(unknown=1),
    },
}
CASES = [(kind, what) for kind, each in IMPOSSIBLE.items() for what in each]


@pytest.mark.parametrize(("kind", "what"), CASES)
def test_what_cannot_be_right_is_one_error(kind, what, copy):
    """Whoever forges a store can also leave out its digests."""
    store = copy(kind)
    group = zarr.open_group(store)
    del group["streamkm"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Zarr has no specification of dates
        IMPOSSIBLE[kind][what](group)
    found, error = outcome(kind, store, None)
    assert found == "error", error
    assert "\n" not in str(error)
    assert store.name in str(error) or kind in ("archive", "sweep")
    result = CliRunner().invoke(main, ["info", str(store)])
    assert result.exit_code in (0, 1)
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_pixels_are_decoded_from_their_archive_only(copy, tmp_path):
    """Also by other programs, which open arrays with the codec."""
    store = copy("archive")
    zarr.create_array(tmp_path / "secret.zarr", data=np.zeros((2, 12, 24), "u1"))
    codec(codes="../../../secret.zarr")(zarr.open_group(store))
    with pytest.raises(DataError, match="outside of its archive"):
        zarr.open_array(store / STACK / "pixels", mode="r")[...]


def test_numbers_that_the_data_do_not_have_are_not_marked(copy, tmp_path):
    store = copy("partition")
    del zarr.open_group(store)["streamkm"]
    values("numbers", lambda n: n + 10**6)(zarr.open_group(store))
    with pytest.raises(DataError, match="row numbers that its data do not have"):
        streamkm.dedup(store, tmp_path / "kept.zarr", threshold=0.9)
