"""Every source lists its images by name, and each name is decoded to its image."""

from __future__ import annotations

import functools
import os
import pickle
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import fsspec
import numpy as np
import pytest
import xarray as xr
import zarr

from streamkm.decoding.decode import decode, headers
from streamkm.errors import DataError
from streamkm.images.sources import find_items
from tests.images.conftest import PNG, encoded, names, noise, put, write_tar

TREE = {"b.png": 0, "a/x y.png": 1, "a/ü\n.png": 2, "a/deep/er/z.PNG": 3}
IMAGES = {name: noise(6, 5, 3, seed=seed) for name, seed in TREE.items()}
SORTED = ["a/deep/er/z.PNG", "a/x y.png", "a/ü\n.png", "b.png"]


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "tree"
    for name, values in IMAGES.items():
        put(folder, name, encoded(values))
    put(folder, ".hidden.png", PNG)
    put(folder, ".git/x.png", PNG)
    put(folder, "notes.txt", b"notes")
    return folder


def packed(folder, path, **options):
    contents = {name: (folder / name).read_bytes() for name in (*IMAGES, "notes.txt")}
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", **options) as out:
            for name, content in contents.items():
                out.writestr(name, content)
        return path
    return write_tar(path, contents, **options)


def check(found, prefix=""):
    """Check that the images found equal the tree, also in another process."""
    for item in pickle.loads(pickle.dumps(found.items)):
        (header,) = headers(item)
        assert header.name == item.name
        assert np.array_equal(decode(header).colour, IMAGES[item.name.removeprefix(prefix)])
    assert set(names(found)) == {prefix + name for name in IMAGES}


def test_a_folder_is_searched_to_the_bottom_and_sorted(tree):
    found = find_items([tree])
    check(found)
    assert names(found) == SORTED
    assert found.left_out == [("notes.txt", "its name is not that of an image")]


def test_links_that_are_found_are_left_out_and_links_that_are_named_are_not(tree, tmp_path):
    (tree / "link.png").symlink_to(tree / "b.png")
    (tree / "broken.png").symlink_to(tree / "nothing")
    (tree / "a/loop").symlink_to(tree)
    found = find_items([tree])
    check(found)
    assert [name for name, why in found.left_out if "link" in why] == [
        "a/loop",
        "broken.png",
        "link.png",
    ]
    assert names(find_items([tree / "link.png"])) == ["link.png"]
    assert names(find_items([tree / "**/*.png"])) == ["a/x y.png", "a/ü\n.png", "b.png"]
    (tmp_path / "way").symlink_to(tree)
    assert names(find_items([tmp_path / "way"])) == SORTED
    os.mkfifo(tree / "pipe.png")
    assert ("pipe.png", "neither a file nor a folder") in find_items([tree]).left_out


def test_patterns_and_single_files(tree):
    assert names(find_items([tree / "a/*.png"])) == ["x y.png", "ü\n.png"]
    assert names(find_items([f"{tree}/*/*.png"])) == ["a/x y.png", "a/ü\n.png"]
    assert names(find_items([tree / "b.png", tree / "a"]))[0] == "b.png"
    (tree / "w[1].png").write_bytes(PNG)
    assert names(find_items([tree / "w[1].png"])) == ["w[1].png"]


def test_a_tar_by_the_bytes_of_its_members(tree, tmp_path):
    found = find_items([packed(tree, tmp_path / "t.tar")])
    check(found, "t/")
    assert ("t/notes.txt", "its name is not that of an image") in found.left_out
    item = found.items[0]
    stored = (tmp_path / "t.tar").read_bytes()[item.start : item.start + item.size]
    assert stored == encoded(IMAGES[item.name[2:]])


def test_a_tar_of_a_folder_itself(tmp_path):
    path = write_tar(tmp_path / "t.tar", {"./a/x.png": PNG})
    assert names(find_items([path])) == ["t/a/x.png"]


@pytest.mark.parametrize("end", ["tar.gz", "tgz", "tar.bz2", "tar.xz"])
def test_a_compressed_tar_is_unpacked_once(end, tree, tmp_path, monkeypatch):
    mode = {"tgz": "w:gz"}.get(end, f"w:{end[4:]}")
    path, spool = packed(tree, tmp_path / f"t.{end}", mode=mode), tmp_path / "spool"
    with pytest.raises(DataError, match="compressed.*unpack it first or pass a folder"):
        find_items([path])
    check(find_items([path], spool=spool), "t/")
    assert [p.suffix for p in spool.iterdir()] == [".tar"]
    monkeypatch.setattr("streamkm.files.packed._unpack", None)
    check(find_items([path], spool=spool), "t/")


@pytest.mark.parametrize("method", [0, 8, 12, 14])
def test_a_zip(method, tree, tmp_path):
    found = find_items([packed(tree, tmp_path / "t.zip", compression=method)])
    check(found, "t/")
    assert ("t/notes.txt", "its name is not that of an image") in found.left_out


def test_archives_in_a_folder_are_searched_and_archives_in_archives_are_not(tree, tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    inner = packed(tree, folder / "in.zip")
    write_tar(folder / "out.tar", {"in.zip": inner.read_bytes(), "x.png": PNG})
    found = find_items([folder])
    assert {name.split("/")[0] for name in names(found)} == {"in", "out"}
    assert ("out/in.zip", "an archive in an archive is not opened") in found.left_out


@pytest.mark.parametrize("shape", [(5, 9, 8), (5, 9, 8, 3), (5, 9, 8, 4), (5, 9, 8, 2)])
@pytest.mark.parametrize("chunk", [1, 2])
def test_a_stack_in_a_zarr_array(shape, chunk, tmp_path):
    values = noise(*shape, dtype="u2")
    chunks = (chunk, 4, *shape[2:])
    zarr.create_array(tmp_path / "s.zarr", data=values, chunks=chunks)
    found = find_items([tmp_path / "s.zarr"])
    assert names(found) == [f"s/{i:06}" for i in range(5)]
    for item, expected in zip(found.items, values, strict=True):
        (header,) = headers(item)
        pixels = decode(header)
        assert header.alpha == (shape[-1] == 4)
        whole = pixels.colour
        if header.alpha:
            whole = np.concatenate([whole, pixels.alpha[..., None]], axis=-1)
        assert np.array_equal(whole, expected.reshape(9, 8, -1))


@pytest.mark.parametrize("shape", [(9, 8), (9, 8, 3), (9, 8, 4)])
def test_a_single_image_in_a_zarr_group(shape, tmp_path):
    values = noise(*shape)
    group = zarr.open_group(tmp_path / "g.zarr", mode="w")
    group.create_array("image", data=values)
    group.create_array("lines", data=np.arange(9))
    found = find_items([tmp_path])
    assert names(found) == ["g"]
    (header,) = headers(found.items[0])
    assert np.array_equal(decode(header).colour, values.reshape(9, 8, -1)[..., : header.channels])


def test_dimensions_by_name(tmp_path):
    values = noise(4, 2, 9, 8)
    zarr.create_array(tmp_path / "s.zarr", data=values, dimension_names=["band", "time", "y", "x"])
    found = find_items([tmp_path / "s.zarr"])
    (header,) = headers(found.items[1])
    assert (header.channels, header.alpha, header.metadata["axes"]) == (4, False, ["time"])
    assert np.array_equal(decode(header).colour, np.moveaxis(values[:, 1], 0, -1))


@pytest.mark.parametrize("version", [2, 3])
def test_the_planes_of_an_ome_zarr_image(version, tmp_path):
    values = noise(2, 3, 4, 9, 8, dtype="u2")
    group = zarr.open_group(tmp_path / "m.ome.zarr", mode="w", zarr_format=version)
    group.create_array("0", data=values, chunks=(1, 2, 2, 9, 8))
    group.create_array("1", data=values[..., ::2, ::2])
    axes = [{"name": axis} for axis in "tczyx"]
    scales = {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}, {"path": "1"}]}]}
    group.attrs.update({"ome": scales} if version == 3 else scales)
    found = find_items([tmp_path / "m.ome.zarr"])
    assert names(found) == [f"m/{i:06}" for i in range(8)]
    for item, (t, z) in zip(found.items, np.ndindex(2, 4), strict=True):
        (header,) = headers(item)
        assert header.metadata["index"] == [t, z]
        assert np.array_equal(decode(header).colour, np.moveaxis(values[t, :, z], 0, -1))


def test_a_chunk_of_many_images_is_decoded_once(tmp_path, monkeypatch):
    values = noise(32, 9, 8)
    zarr.create_array(tmp_path / "s.zarr", data=values, chunks=(16, 9, 8))
    reads = []
    read = zarr.Array.__getitem__
    monkeypatch.setattr(zarr.Array, "__getitem__", lambda a, s: reads.append(s) or read(a, s))
    for item in find_items([tmp_path / "s.zarr"]).items:
        decode(headers(item)[0])
    assert len(reads) == 2


@pytest.fixture
def served(tmp_path):
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path)
    handler.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["t.tar", "t.zip"])
def test_members_are_read_in_a_file_system_far_away(name, tree, tmp_path):
    content = packed(tree, tmp_path / name).read_bytes()
    with fsspec.open(f"memory://bucket/{name}", "wb") as out:
        out.write(content)
    check(find_items([f"memory://bucket/{name}"]), "t/")
    check(find_items(["memory://bucket/*.*"]), "t/")
    fsspec.filesystem("memory").rm("/bucket", recursive=True)


def test_folders_far_away(tree):
    far = fsspec.filesystem("memory")
    for name in IMAGES:
        far.pipe(f"/bucket/tree/{name}", (tree / name).read_bytes())
    far.pipe("/bucket/tree/.hidden.png", PNG)
    zarr.save_array("memory://bucket/tree/s.zarr", noise(9, 8))
    found = find_items(["memory://bucket/tree"])
    assert set(names(found)) == {*IMAGES, "s"}
    for item in found.items:
        assert decode(headers(item)[0]).colour.size
    assert names(find_items(["memory://bucket/tree/a/*.png"])) == ["x y.png", "ü\n.png"]
    far.rm("/bucket", recursive=True)


def test_files_of_a_server(served, tmp_path):
    put(tmp_path, "x.png", encoded(IMAGES["b.png"]))
    (item,) = find_items([f"{served}/x.png"]).items
    assert item.name == "x.png"
    assert np.array_equal(decode(headers(item)[0]).colour, IMAGES["b.png"])


NAMED = [
    ("Y X", ["y", "x"]),
    ("T C Z Y X", ["t", "c", "z", "y", "x"]),
    ("C Y X", ["c", "y", "x"]),
    ("time lat lon", ["t", "y", "x"]),
    ("band latitude longitude", ["c", "y", "x"]),
    ("longitude latitude", ["x", "y"]),
    ("height width", ["y", "x"]),
    ("Width Height Channel", ["x", "y", "c"]),
    ("rows cols bands", ["y", "x", "c"]),
    ("channel row column", ["c", "y", "x"]),
]


@pytest.mark.parametrize(("named", "kinds"), NAMED)
@pytest.mark.parametrize("ome", [False, True])
def test_dimensions_by_the_names_that_people_give(named, kinds, ome, tmp_path):
    """Lengths that are ambiguous without names: 3 rows, 4 columns, 5 channels."""
    lengths = {"y": 3, "x": 4, "c": 5, "t": 2, "z": 3}
    values = noise(*(lengths[kind] for kind in kinds), seed=1)
    if ome:
        group = zarr.open_group(tmp_path / "s.zarr", mode="w")
        group.create_array("0", data=values)
        axes = [{"name": name} for name in named.split()]
        scales = {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}
        group.attrs.update({"ome": scales})
    else:
        zarr.create_array(tmp_path / "s.zarr", data=values, dimension_names=named.split())
    cube = xr.DataArray(values, dims=kinds)
    stacked = [kind for kind in kinds if kind in "tz"]
    cube = cube.expand_dims([kind for kind in "tzc" if kind not in kinds])
    cube = cube.transpose("t", "z", "y", "x", "c").stack(image=("t", "z")).transpose("image", ...)
    found = find_items([tmp_path / "s.zarr"]).items
    assert len(found) == len(cube)
    for item, expected in zip(found, cube.values, strict=True):
        (header,) = headers(item)
        assert np.array_equal(decode(header).colour, expected)
        assert header.lost == ()
        assert len(header.metadata.get("axes", ())) == len(stacked)


def test_names_that_are_not_known_are_reported(tmp_path):
    values = noise(2, 6, 5, 3)
    zarr.create_array(tmp_path / "a.zarr", data=values, dimension_names=["a", "b", "c1", "d"])
    zarr.create_array(tmp_path / "b.zarr", data=values, dimension_names=["run", "y", "x", "c"])
    zarr.create_array(tmp_path / "c.zarr", data=values, dimension_names=["t", "y", "x", "c"])
    dims = [f"dim_{i}" for i in range(4)]  # written by xarray without names
    zarr.create_array(tmp_path / "d.zarr", data=values, dimension_names=dims)
    found = {item.name[0]: headers(item)[0] for item in find_items([tmp_path]).items}
    assert (
        "the unknown dimensions [a, b, c1, d], which are read as (image, y, x, c)"
        in (found["a"].lost[0])
    )
    assert "the unknown dimensions [run], which are read as counts of images" in found["b"].lost[0]
    assert (found["c"].lost, found["d"].lost) == ((), ())
    for header in found.values():
        assert np.array_equal(decode(header).colour, values[1])


@pytest.mark.parametrize(
    ("named", "reason"),
    [("lat b c1", "only one of y and x"), ("y row x", "two of them for y")],
)
def test_names_that_contradict_are_refused(named, reason, tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=noise(6, 5, 3), dimension_names=named.split())
    with pytest.raises(DataError, match=f"a.zarr has dimensions .*{reason}.*name them y and x"):
        find_items([tmp_path])
