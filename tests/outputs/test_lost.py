"""Complete stores are read completely; of incomplete ones the missing part is named."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from PIL import Image

import streamkm
from streamkm.cli import main
from streamkm.errors import DataError
from streamkm.images import Archive, decompress


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Data that are mostly zeros, and every kind of store that streamkm reads again."""
    folder = tmp_path_factory.mktemp("made")
    x = np.zeros((400, 2), "f4")
    x[:100] = np.random.default_rng(0).normal(size=(100, 2))
    np.save(folder / "x.npy", x)
    (folder / "p").mkdir()
    for name, value in (("black", 0), ("red", 200)):
        pixels = np.zeros((30, 30, 4), "u1")
        pixels[..., 0], pixels[:9, :9, 3] = value, 255
        Image.fromarray(pixels).save(folder / "p" / f"{name}.png")
    Image.fromarray(np.zeros((20, 20, 3), "u1")).save(folder / "p" / "small.png")
    run("ingest", folder / "x.npy", "-o", folder / "sharded", "--chunk", "400", "--shard", "800")
    run("ingest", folder / "x.npy", "-o", folder / "chunked", "--chunk", "400", "--shard", "none")
    run("fit", folder / "sharded", "-k", 2, "-o", folder / "model", "--scale", "standard")
    tree = streamkm.BisectingKMeans(3, random_state=0).fit(x)
    tree.save(folder / "tree")
    run("sweep", folder / "sharded", "-k", "1:3", "-o", folder / "sweep")
    for name, options in {
        "archive": [],
        "own": ["--per", "image"],
        "patches": ["--patch", "2x2", "--stages", 2],
    }.items():
        run("compress", folder / "p", "-k", 4, "-o", folder / name, *options)
    return folder


@pytest.fixture
def home(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def chunks_of(folder):
    """Every stored chunk, and the name of its array."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != "zarr.json"]
    return sorted((str(path.relative_to(folder)).rpartition("/c")[0], path) for path in found)


@pytest.mark.parametrize("kind", ["sharded", "chunked"])
def test_data_that_lost_a_chunk_are_refused(home, kind):
    store = home / kind
    chunks = chunks_of(store)
    assert len(chunks) == (4 if kind == "sharded" else 8)  # including chunks of zeros
    (_, path), missing = chunks[-1], chunks[-1][1].relative_to(store / "x")
    path.unlink()
    commands = [
        ["predict", home / "model", store, "-o", home / "l"],
        ["fit", store, "-k", 2, "-o", home / "m"],
        ["sweep", store, "-k", "1:2", "-o", home / "s"],
        ["fit", f"file://{store}", "-k", 2, "-o", home / "m"],
    ]
    for command in commands:
        said = run(*command, code=1)
        assert "are missing" in said
        assert command[1] is not store or str(missing) in said
    with pytest.raises(DataError, match="are missing"):
        streamkm.KMeans(2).fit(zarr.open_group(store)["x"])
    with pytest.raises(DataError, match="are missing"):
        streamkm.load(home / "model").predict(str(store))
    assert not (home / "l").exists()


@pytest.mark.parametrize("kind", ["sharded", "chunked"])
def test_a_stray_file_does_not_hide_a_lost_chunk(home, kind):
    chunks_of(home / kind)[-1][1].unlink()
    for stray in (".DS_Store", "9999", "c/9999/0", "0.partial"):
        (home / kind / "x" / "c" / stray).parent.mkdir(parents=True, exist_ok=True)
        (home / kind / "x" / "c" / stray).write_bytes(b"stray")
    assert "are missing" in run("fit", home / kind, "-k", 2, "-o", home / "m", code=1)


@pytest.mark.parametrize("kind", ["sharded", "chunked"])
def test_chunks_that_were_set_to_zero_later_are_refused_with_the_way_out(home, kind):
    group = zarr.open_group(home / kind)
    group["x"][200:] = 0  # Zarr deletes chunks that become the fill value
    said = run("fit", home / kind, "-k", 2, "-o", home / "m", code=1)
    assert "or set to the fill value later" in said
    assert "delete the group 'streamkm'" in said
    del group["streamkm"]
    run("fit", home / kind, "-k", 2, "-o", home / "m")


def test_chunks_that_were_added_later_may_be_missing(home):
    store = home / "chunked"
    group = zarr.open_group(store)
    group["x"].append(np.zeros((300, 2), "f4"))
    run("predict", home / "model", store, "-o", home / "l")
    assert zarr.open_array(home / "l").shape == (700,)
    group["x"].resize((100, 2))
    run("predict", home / "model", store, "-o", home / "k")
    group["x"].resize((400, 2))  # the part that was cut off is missing
    assert "are missing" in run("fit", store, "-k", 2, "-o", home / "m", code=1)
    group.create_array("x", data=np.zeros((400, 2), "f4"), chunks=(40, 2), overwrite=True)
    run("fit", store, "-k", 1, "-o", home / "m")  # another array


def test_lost_chunks_are_found_in_an_object_store(home):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.put(str(home / "chunked"), "memory://lost/chunked", recursive=True)
    try:
        run("predict", home / "model", "memory://lost/chunked", "-o", home / "l")
        key = sorted(k for k in memory.find("lost/chunked/x") if "/c/" in k)[-1]
        memory.rm(key)
        command = ["predict", home / "model", "memory://lost/chunked", "-o", home / "k"]
        assert "the first is c/" in run(*command, code=1)
    finally:
        memory.rm("lost", recursive=True)


def test_an_array_that_was_added_to_a_store_is_not_checked(home):
    np.savez(home / "y.npz", x=np.ones((4, 3)))
    run("ingest", home / "y.npz", "-o", home / "y")
    group = zarr.open_group(home / "y")
    group.create_array("zeros", data=np.zeros((4, 2)))
    run("fit", home / "y", "--variable", "zeros", "-k", 1, "-o", home / "m")


def test_a_store_that_others_wrote_may_leave_out_chunks_of_zeros(home):
    import xarray as xr

    xr.open_zarr(home / "chunked", consolidated=False).to_zarr(home / "again", consolidated=False)
    assert zarr.open_group(home / "again").attrs["kind"] == "streamkm ingest"
    run("predict", home / "model", home / "again", "-o", home / "l")
    run("predict", home / "model", home / "chunked", "-o", home / "k")
    labels, same = (zarr.open_array(home / name)[...] for name in "lk")
    assert np.array_equal(labels, same)


@pytest.mark.parametrize("kind", ["model", "tree"])
def test_a_model_without_any_one_of_its_chunks_is_refused(home, kind):
    for name, path in chunks_of(home / kind):
        if name == "history/read":  # no value of the dtype is free to mark missing data
            continue
        kept = path.read_bytes()
        path.unlink()
        with pytest.raises(DataError, match=f"a chunk of '{name.rpartition('/')[2]}' .*missing"):
            streamkm.load_model(home / kind)
        path.write_bytes(kept)
    streamkm.load(home / kind)


@pytest.mark.parametrize("kind", ["model", "tree"])
def test_a_model_without_any_one_of_its_arrays_or_attributes_is_refused(home, kind):
    group = zarr.open_group(home / kind)
    for name in dict(group.arrays()):
        if name == "tree_pairs":  # there is no tree without it
            continue
        (home / kind / name).rename(home / name)
        with pytest.raises(DataError, match=f"lacks the array '{name}'"):
            streamkm.load_model(home / kind)
        (home / name).rename(home / kind / name)
    (home / kind / "streamkm").rename(home / "digests")
    text = (home / kind / "zarr.json").read_text()
    for name in ("kind", "format", "inertia", "parameters", "n_passes", "versions", "stop_reason"):
        described = json.loads(text)
        del described["attributes"][name]
        (home / kind / "zarr.json").write_text(json.dumps(described))
        with pytest.raises(DataError, match="not a streamkm model" if name == "kind" else name):
            streamkm.load_model(home / kind)
        (home / "digests").rename(home / kind / "streamkm")
        with pytest.raises(DataError, match="digest" if name != "format" else name):
            streamkm.load_model(home / kind)
        (home / kind / "streamkm").rename(home / "digests")


def test_a_sweep_without_any_one_of_its_arrays_is_refused(home):
    group = zarr.open_group(home / "sweep")
    free = {"calinski_harabasz", "davies_bouldin", "silhouette"}
    for name in set(group.array_keys()) - free:
        (home / "sweep" / name).rename(home / name)
        for read in (streamkm.open_sweep, lambda path: streamkm.centroids_of(path, 2)):
            with pytest.raises(DataError, match=f"lacks the array '{name}'"):
                read(home / "sweep")
        command = ["predict", home / "sweep", home / "chunked", "-k", 2, "-o", home / "l"]
        assert f"lacks the array '{name}'" in run(*command, code=1)
        (home / name).rename(home / "sweep" / name)


def test_a_sweep_without_any_one_of_its_chunks_is_refused(home):
    data = home / "sharded"
    options = ["--validation", home / "chunked", "-o", home / "scored"]
    run("sweep", data, "-k", "1:3", *options)
    chunks = chunks_of(home / "scored")
    assert {"iterations", "history", "silhouette", "validation_mean"} <= {
        name for name, _ in chunks
    }
    for name, path in chunks:
        kept = path.read_bytes()
        path.unlink()
        for read in (streamkm.open_sweep, lambda path: streamkm.centroids_of(path, 3)):
            with pytest.raises(DataError, match=f"{name}.* are missing"):
                read(home / "scored")
        path.write_bytes(kept)
    assert streamkm.open_sweep(home / "scored").sizes["n_clusters"] == 3


def test_a_sweep_that_to_zarr_wrote_is_refused_without_its_centroids_or_its_k(home):
    found = streamkm.open_sweep(home / "sweep")
    found.drop_encoding().to_zarr(home / "own", mode="w", zarr_format=3, consolidated=False)
    for name, path in chunks_of(home / "own"):
        if name not in ("centroids", "n_clusters", "train_mean"):
            continue
        kept = path.read_bytes()
        path.unlink()
        with pytest.raises(DataError, match="chunk.* is missing"):
            streamkm.centroids_of(home / "own", 3)
        path.write_bytes(kept)
    found = found.drop_vars("n_clusters")
    with pytest.raises(DataError, match="lacks 'n_clusters'"):
        streamkm.centroids_of(found, 2)


@pytest.mark.parametrize("kind", ["archive", "own", "patches"])
def test_an_archive_without_any_one_of_its_chunks_writes_no_files(home, kind):
    for array, path in chunks_of(home / kind):
        kept = path.read_bytes()
        path.unlink()
        if array.rpartition("/")[2] in ("ssim", "opacity"):  # no pixel needs it
            assert "are missing; the first is c/" in run("info", home / kind, code=1)
        else:
            with pytest.raises(DataError, match="are missing; the first is c/"):
                decompress(home / kind, home / "files")
            said = run("decompress", home / kind, "-o", home / "files", code=1)
            assert "are missing; the first is c/" in said
            assert not [file for file in (home / "files").rglob("*") if file.is_file()]
        path.write_bytes(kept)
    assert len(decompress(home / kind, home / "files")) == 3


@pytest.mark.parametrize("kind", ["archive", "own", "patches"])
def test_a_truncated_chunk_of_an_archive_writes_no_files(home, kind):
    needed = ("codes", "alpha", "metadata")
    chunks = [path for name, path in chunks_of(home / kind) if name.endswith(needed)]
    assert len(chunks) > 3
    for path in chunks:
        kept = path.read_bytes()
        path.write_bytes(kept[: len(kept) // 2])
        said = run("decompress", home / kind, "-o", home / "files", code=1)
        assert f"{path.relative_to(home)}".partition("/c/")[0] in said
        assert "is damaged" in said
        assert not [file for file in (home / "files").rglob("*") if file.is_file()]
        path.write_bytes(kept)


def test_an_archive_without_attributes_is_refused(home):
    del zarr.open_group(home / "archive")["streamkm"].attrs["digests"]
    text = (home / "archive" / "zarr.json").read_text()
    for name in ("parameters", "skipped", "source_nbytes", "versions"):
        described = json.loads(text)
        del described["attributes"][name]
        (home / "archive" / "zarr.json").write_text(json.dumps(described))
        with pytest.raises(DataError, match=f"lacks the attribute '{name}'"):
            Archive(home / "archive")


def test_labels_that_lost_a_chunk_are_no_cluster(tmp_path):
    x = np.random.default_rng(0).normal(size=(600, 3))
    data = zarr.create_array(tmp_path / "x", data=x, chunks=(100, 3))
    km = streamkm.KMeans(4, random_state=0, memory_limit="300MiB").fit(data)
    labels = km.write_labels(data, tmp_path / "l")
    assert np.array_equal(labels[:], km.labels_.compute())
    next((tmp_path / "l/c").iterdir()).unlink()
    gone = zarr.open_array(tmp_path / "l", mode="r")[:] != km.labels_.compute()
    assert gone.any()
    assert np.all(zarr.open_array(tmp_path / "l", mode="r")[:][gone] == 255)
