"""Every kind of data gives the same rows; the errors for other data name a fix."""

from __future__ import annotations

import functools
import shutil
import threading
import tracemalloc
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import dask
import dask.array as da
import fsspec
import numpy as np
import pytest
import xarray as xr
import zarr

from streamkm import ingest
from streamkm.engine import map_reduce
from streamkm.errors import DataError, ManyBlocksWarning, MemoryLimitError
from streamkm.passes import Lloyd
from streamkm.rows import Budget, DaskRows, open_rows
from streamkm.rows.fingerprint import fingerprint
from tests import reference

SHAPE = (4, 30, 20)  # band, y, x


@pytest.fixture
def cube():
    return np.random.default_rng(0).integers(0, 255, SHAPE).astype(np.uint8)


def stored(path, values, **options):
    array = zarr.create_array(path, shape=values.shape, dtype=values.dtype, **options)
    array[...] = values
    return array


def kinds(cube, folder):
    names = ("band", "y", "x")
    yield "numpy", cube, 0
    yield "dask", da.from_array(cube, chunks=(4, 7, 6)), 0
    yield "dask, chunked features", da.from_array(cube, chunks=(3, 30, 6)), 0
    yield "zarr", stored(folder / "a", cube, chunks=(4, 10, 10)), 0
    yield "zarr, chunked features", stored(folder / "b", cube, chunks=(1, 10, 10)), 0
    yield "zarr, shards", stored(folder / "c", cube, chunks=(2, 5, 5), shards=(4, 10, 10)), 0
    yield "zarr, named", stored(folder / "d", cube, chunks=(1, 7, 9), dimension_names=names), "band"
    yield "path", folder / "d", "band"
    yield "xarray", xr.DataArray(cube, dims=names), "band"
    yield "xarray, lazy", xr.DataArray(cube, dims=names).chunk(y=11), "band"
    moved = np.moveaxis(cube, 0, 1)
    yield "features in the middle", da.from_array(moved, chunks=(10, 2, 10)), 1
    yield "features last, by minus one", np.moveaxis(cube, 0, 2), -1
    yield "a view", np.asfortranarray(cube), 0


def test_every_kind_gives_the_same_statistic(cube, tmp_path):
    rows = cube.reshape(4, -1).T
    centroids = rows[:5].astype(np.float64)
    of_row = reference.labels(rows, centroids)
    for name, data, feature_dim in kinds(cube, tmp_path):
        opened = open_rows(data, feature_dim=feature_dim)
        assert (opened.layout.n_rows, opened.layout.n_features) == (600, 4), name
        assigned = map_reduce(Lloyd(centroids), opened)
        assert assigned.sums.dtype == np.int64, name
        assert np.array_equal(assigned.counts, np.bincount(of_row, minlength=5)), name
        assert assigned.inertia(centroids) == reference.inertia(rows, centroids), name


@pytest.mark.parametrize(
    "dtype", ["?", "u1", "i1", "u2", "i2", "i4", "u4", "i8", "f2", "f4", "f8", ">f4", ">i2"]
)
def test_every_dtype_is_clustered_as_its_values(dtype):
    x = (np.random.default_rng(0).integers(0, 2, (300, 3)) * 3).astype(dtype)
    centroids = np.array([[0.0, 0, 0], [1, 1, 0.5]])
    assigned = map_reduce(Lloyd(centroids), open_rows(x))
    assert assigned.inertia(centroids) == pytest.approx(reference.inertia(x, centroids), rel=1e-12)


def test_a_group_needs_a_variable_unless_it_has_one_array(tmp_path, cube):
    group = zarr.create_group(tmp_path / "g.zarr")
    group.create_array("one", data=cube[0])
    assert open_rows(tmp_path / "g.zarr").layout.n_rows == 30
    group.create_array("two", data=cube[1])
    assert open_rows(tmp_path / "g.zarr", variable="two").layout.n_rows == 30
    assert open_rows(f"{tmp_path}/g.zarr/two").layout.n_rows == 30
    with pytest.raises(DataError, match=r"name one of its arrays \['one', 'two'\]"):
        open_rows(tmp_path / "g.zarr")
    with pytest.raises(
        DataError, match=r"is a group without 'three': name one of its arrays \['one', 'two'\]"
    ):
        open_rows(tmp_path / "g.zarr", variable="three")
    with pytest.raises(DataError, match="leave out the variable"):
        open_rows(tmp_path / "g.zarr/one", variable="one")


def test_arrays_of_groups_within_are_named_by_their_path(tmp_path, cube):
    group = zarr.create_group(tmp_path / "g.zarr")
    group.create_array("a/b/deep", data=cube[0])
    group.create_array("a/flat", data=cube[1])
    group.create_array("a/time", data=np.arange(30.0))
    for path, band in (("a/b/deep", 0), ("a/flat", 1)):
        rows = open_rows(tmp_path / "g.zarr", variable=path)
        assert np.array_equal(rows.array[...], cube[band])
    listed = r"name one of its arrays \['a/b/deep', 'a/flat', 'a/time'\]"
    for variable in (None, "a", "a/none", "../a"):
        with pytest.raises(DataError, match=listed):
            open_rows(tmp_path / "g.zarr", variable=variable)
    zarr.create_group(tmp_path / "empty.zarr")
    with pytest.raises(DataError, match="is a group that holds no arrays"):
        open_rows(tmp_path / "empty.zarr")


def write_image(group, pixels, version):
    axes = [{"name": name} for name in ("c", "y", "x")[-pixels.ndim :]]
    image = {"datasets": [{"path": "full"}, {"path": "half"}], "axes": axes}
    described = {"multiscales": [image]}
    group.attrs.update({"ome": described} if version == 3 else described)
    group.create_array("full", data=pixels)
    group.create_array("half", data=pixels[..., ::2, ::2])


@pytest.mark.parametrize("version", [2, 3])
def test_images_of_ome_zarr_are_opened_in_their_full_resolution(tmp_path, cube, version):
    root = zarr.create_group(tmp_path / "raw.zarr", zarr_format=version)
    layout = {"bioformats2raw.layout": 3}
    root.attrs.update({"ome": layout} if version == 3 else layout)
    for series in "01":
        write_image(root.create_group(series), cube, version)
    write_image(root.create_group("0/labels/cells"), cube[0], version)
    with pytest.raises(DataError, match=r"collection of images.*\['0/full', '1/full'\]") as raised:
        open_rows(tmp_path / "raw.zarr", feature_dim=0)
    assert raised.value.for_command.endswith("by --variable.")
    for rows in (
        open_rows(tmp_path / "raw.zarr", feature_dim=0, variable="1/full"),
        open_rows(tmp_path / "raw.zarr", feature_dim="c", variable="1"),  # a series
        open_rows(tmp_path / "raw.zarr" / "1", feature_dim="c"),
    ):
        assert np.array_equal(rows.array[...], cube)
        assert rows.layout.row_shape == cube.shape[1:]


@pytest.mark.parametrize(
    "described", [{"multiscales": 3}, {"multiscales": [{"datasets": [{"path": "x"}], "axes": "c"}]}]
)
def test_other_attributes_do_not_name_dimensions(tmp_path, cube, described):
    group = zarr.create_group(tmp_path / "x.zarr", attributes=described)
    group.create_array("x", data=cube)
    assert open_rows(tmp_path / "x.zarr", variable="x", feature_dim=0).layout.names is None
    with pytest.raises(DataError, match="there is no dimension 'c'"):
        open_rows(tmp_path / "x.zarr", variable="x", feature_dim="c")


def test_the_only_array_of_a_nested_group_is_opened(tmp_path, cube):
    with zarr.storage.ZipStore(tmp_path / "g.zarr.zip", mode="w") as store:
        zarr.create_group(store).create_group("a/b").create_array("deep", data=cube)
    assert np.array_equal(open_rows(tmp_path / "g.zarr.zip", feature_dim=0).array[...], cube)


def test_a_zip_file_may_be_a_url_or_hold_the_folder_of_a_store(tmp_path, cube):
    zarr.create_array(tmp_path / "p.zarr", data=cube)
    shutil.make_archive(str(tmp_path / "folder"), "zip", tmp_path, "p.zarr")
    shutil.make_archive(str(tmp_path / "flat"), "zip", tmp_path / "p.zarr")
    fsspec.filesystem("memory").pipe("/flat.zip", (tmp_path / "flat.zip").read_bytes())
    urls = [f"file://{tmp_path}/flat.zip", f"file://{tmp_path}/folder.zip", "memory://flat.zip"]
    for where in (tmp_path / "folder.zip", *urls):
        assert np.array_equal(open_rows(where, feature_dim=0).array[...], cube)
    (tmp_path / "torn.zip").write_bytes((tmp_path / "flat.zip").read_bytes()[:-30])
    with pytest.raises(DataError, match="torn.zip is not a Zarr array or group"):
        open_rows(tmp_path / "torn.zip")


def test_a_zipped_store_is_opened_by_its_path(tmp_path, cube, processes):
    with zarr.storage.ZipStore(tmp_path / "g.zarr.zip", mode="w") as store:
        zarr.create_array(store, name="pixels", data=cube, chunks=(4, 10, 10))
    rows = open_rows(tmp_path / "g.zarr.zip", feature_dim=0)
    centroids = cube.reshape(4, -1).T[:5].astype(np.float64)
    plain = map_reduce(Lloyd(centroids), open_rows(cube, feature_dim=0))
    for scheduler in ({"num_workers": 2}, processes):
        with dask.config.set(scheduler):
            assert np.array_equal(map_reduce(Lloyd(centroids), rows).sums, plain.sums)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("a.nc", "is read in place: pass its path to streamkm fit or KMeans"),
        ("a.grib2", "is read in place: pass its path to streamkm fit or KMeans"),
        ("a.h5", "is read in place: pass its path to streamkm fit or KMeans"),
        ("a.zarr.zip", "pass its path to streamkm fit or KMeans"),
    ],
)
def test_files_that_are_opened_by_others_say_by_which(name, way, tmp_path):
    (tmp_path / name).write_bytes(b"GRIB")
    with pytest.raises(DataError, match=way):
        ingest(tmp_path / name, tmp_path / "o.zarr")


def test_coordinates_beside_an_array_are_no_choice(tmp_path, cube):
    group = zarr.create_group(tmp_path / "g.zarr")
    group.create_array("pixels", data=cube[0])
    group.create_array("y", data=np.arange(30.0))
    group.create_array("grid", data=np.array(0))
    assert open_rows(tmp_path / "g.zarr").layout.shape == (30, 20)


def test_unknown_chunk_sizes_cost_one_counting_read_and_are_not_changed_in_place(blobs):
    lazy = da.from_array(blobs, chunks=(700, 6))
    filtered = lazy[da.from_array(blobs[:, 0] > 0, chunks=700)]
    rows = open_rows(filtered)
    assert rows.opening_reads == 1
    assert rows.layout.n_rows == (blobs[:, 0] > 0).sum()
    assert np.isnan(filtered.shape[0])
    assert open_rows(lazy).opening_reads == 0


def test_uneven_and_empty_chunks(blobs):
    parts = [blobs[:10], blobs[:0], blobs[10:11], blobs[11:], blobs[:0]]
    lazy = da.concatenate([da.from_array(p, chunks=p.shape) for p in parts])
    centroids = blobs[:3].astype(np.float64)
    got = map_reduce(Lloyd(centroids), open_rows(lazy))
    assert got.counts.tolist() == np.bincount(reference.labels(blobs, centroids)).tolist()


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (np.zeros((0, 3)), {}, "0 sample"),
        (np.zeros((3, 0)), {}, "0 feature"),
        (np.zeros(5), {}, "dim 1"),
        (np.zeros((2, 3, 4)), {}, "feature_dim"),
        (np.zeros((2, 3), complex), {}, "complex128 cannot be clustered"),
        (np.array([["a"]], object), {}, "holds the value 'a', which is text"),
        (np.array([[{}]], object), {}, "object cannot be clustered"),
        (np.zeros((2, 3), "M8[s]"), {}, "cannot be clustered"),
        (np.zeros((2, 3)), {"feature_dim": 2}, "not an axis"),
        (np.zeros((2, 3)), {"feature_dim": "band"}, "no names: give a number"),
        (np.zeros((2, 3)), {"feature_dim": (0, 1)}, "leave at least one"),
        (np.zeros((2, 3)), {"feature_dim": (1, -1)}, "different axes"),
        (xr.DataArray(np.zeros((2, 3)), dims=("y", "x")), {"feature_dim": "b"}, r"\['y', 'x'\]"),
        (np.zeros((4, 3)), {"sample_weight": np.ones(3)}, r"needs \(4,\)"),
        (np.zeros((4, 3)), {"sample_weight": np.array(["a"] * 4)}, "real numbers"),
        ("nowhere.zarr", {}, "no such path"),
    ],
)
def test_bad_input_is_refused_with_its_cause(data, options, message):
    with pytest.raises(DataError, match=message):
        open_rows(data, **options)


def test_a_url_is_read_where_it_is(tmp_path, blobs):
    stored(tmp_path / "x.zarr", blobs, chunks=(700, 6))
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        rows = open_rows(f"http://127.0.0.1:{server.server_port}/x.zarr")
        got = map_reduce(Lloyd(blobs[:3].astype(np.float64)), rows)
        server.shutdown()
    of_row = reference.labels(blobs, blobs[:3])
    assert got.counts.tolist() == np.bincount(of_row).tolist()
    assert open_rows(f"file://{tmp_path}/x.zarr").layout.n_rows == len(blobs)


def test_a_path_that_holds_no_zarr(tmp_path):
    with pytest.raises(DataError, match="is not a Zarr array or group"):
        open_rows(tmp_path)


def test_weights_of_every_kind(blobs, tmp_path):
    weights = np.random.default_rng(0).random(len(blobs))
    store = stored(tmp_path / "x", blobs, chunks=(999, 6))
    weight_store = stored(tmp_path / "w", weights, chunks=(500,))
    centroids = blobs[:3].astype(np.float64)
    want = map_reduce(Lloyd(centroids), open_rows(blobs, sample_weight=weights))
    for data in (blobs, store, da.from_array(blobs, chunks=(801, 6))):
        for given in (weights, weight_store, da.from_array(weights, chunks=100)):
            got = map_reduce(Lloyd(centroids), open_rows(data, sample_weight=given))
            np.testing.assert_allclose(got.sums, want.sums, rtol=1e-12)
    both = open_rows(store, sample_weight=da.from_array(weights, chunks=100))
    assert isinstance(both, DaskRows)


def test_weights_go_with_rows_that_are_not_counted_yet(blobs):
    weights = np.random.default_rng(0).random(len(blobs))
    kept = blobs[:, 0] > 0
    mask = da.from_array(kept, chunks=700)
    x, w = da.from_array(blobs, chunks=(700, 6))[mask], da.from_array(weights, chunks=700)
    centroids = blobs[:3].astype(np.float64)
    got = map_reduce(Lloyd(centroids), open_rows(x, sample_weight=w[mask]))
    want = map_reduce(Lloyd(centroids), open_rows(blobs[kept], sample_weight=weights[kept]))
    np.testing.assert_allclose(got.sums, want.sums, rtol=1e-12)
    with pytest.raises(DataError, match="sample_weight has shape .* one value per row needs"):
        open_rows(x, sample_weight=w)


def test_named_weights_are_matched_by_name(cube):
    named = xr.DataArray(cube, dims=("band", "y", "x"))
    weights = xr.DataArray(np.random.default_rng(0).random((30, 20)), dims=("y", "x"))
    centroids = cube.reshape(4, -1).T[:3].astype(np.float64)
    one, two = (
        map_reduce(Lloyd(centroids), open_rows(named, feature_dim="band", sample_weight=w))
        for w in (weights, weights.T)
    )
    assert np.array_equal(one.sums, two.sums)
    with pytest.raises(DataError, match=r"has dimensions \['y', 'time'\]"):
        open_rows(named, feature_dim="band", sample_weight=weights.rename(x="time"))


@pytest.mark.parametrize("dims", [("y",), ("x",), ("time",), ("x", "time"), ("time", "y")])
@pytest.mark.parametrize("kind", ["numpy", "dask", "mask"])
@pytest.mark.parametrize("chunks", [None, {"time": 2, "y": 11}])
def test_weights_along_some_dimensions_are_repeated_along_the_others(dims, kind, chunks):
    """Weights such as the cosine of the latitude have the bits of weights for every row."""
    rng = np.random.default_rng(0)
    sizes = {"time": 5, "band": 3, "y": 30, "x": 20}
    data = xr.DataArray(rng.random(tuple(sizes.values()), np.float32), dims=tuple(sizes))
    data = data.assign_coords(y=np.linspace(60, -60, 30))
    own = rng.random([sizes[dim] for dim in dims])
    weights = xr.DataArray(own > 0.3 if kind == "mask" else own, dims=dims)
    if "y" in dims:
        weights = weights.assign_coords(y=data["y"])
    whole = weights.broadcast_like(data.isel(band=0)).transpose("time", "y", "x")
    name = "mask" if kind == "mask" else "sample_weight"
    if kind == "dask":
        weights = weights.chunk({dims[0]: 4})
    if chunks:
        data = data.chunk(chunks)
    centroids = rng.random((4, 3))
    one, two = (
        map_reduce(Lloyd(centroids), open_rows(data, feature_dim="band", **{name: given}))
        for given in (weights, whole)
    )
    assert one.sums.tobytes() == two.sums.tobytes()
    assert one.counts.tobytes() == two.counts.tobytes()


@pytest.mark.parametrize("kind", ["weights", "mask"])
@pytest.mark.parametrize("lazy", [False, True])
def test_repeated_weights_take_no_memory_for_the_rows(kind, lazy, tmp_path):
    """Also where they are fingerprinted, counted in a budget, or cut into blocks of Dask."""
    shape, dims = (3000, 2, 90, 180), ("time", "band", "lat", "lon")
    store = zarr.create_array(
        tmp_path / "x", shape=shape, chunks=(100, 2, 90, 180), dtype="f4", dimension_names=dims
    )
    data = xr.DataArray(da.from_zarr(store), dims=dims) if lazy else store
    own = np.linspace(0.1, 1, 90) if kind == "weights" else np.linspace(0, 1, 90) > 0.5
    given = xr.DataArray(own, dims="lat")
    tracemalloc.start()
    try:
        rows = open_rows(
            data,
            feature_dim="band",
            budget=Budget(2**30, n_features=2),
            **{"sample_weight" if kind == "weights" else "mask": given},
        )
        fingerprint(rows)
        beside = rows.weights if kind == "weights" else rows.mask
        block = np.asarray(beside[:100])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert np.array_equal(block, np.broadcast_to(own[:, None], (100, 90, 180)))
    assert rows.layout.n_rows == 3000 * 90 * 180
    assert peak < 40e6  # a byte for each row is 49 MB


def test_weights_along_some_dimensions_must_match_them(cube):
    named = xr.DataArray(cube, dims=("band", "y", "x"), coords={"y": np.arange(30.0)})

    def opened(weights):
        return open_rows(named, feature_dim="band", sample_weight=weights)

    with pytest.raises(DataError, match=r"coordinates of sample_weight along 'y' differ"):
        opened(xr.DataArray(np.ones(30), dims="y", coords={"y": np.arange(30.0) + 1}))
    with pytest.raises(DataError, match=r"sample_weight along \[.x.\] has shape \(1,\)"):
        opened(xr.DataArray(np.ones(1), dims="x"))
    with pytest.raises(DataError, match=r"has dimensions \['band'\]; give one value for each row"):
        opened(xr.DataArray(np.ones(4), dims="band"))


def test_blocks_are_whole_chunks_of_stored_weights_too(tmp_path):
    x = zarr.create_array(tmp_path / "x", shape=(90_000, 100), chunks=(1000, 100), dtype="f4")
    w = zarr.create_array(tmp_path / "w", shape=(90_000,), chunks=(1500,), dtype="f8")
    assert all(e % 3000 == 0 for e in open_rows(x, sample_weight=w).plan.edges[0][:-1])


def test_a_dataarray_that_would_be_loaded_over_the_limit_is_refused():
    big = xr.DataArray(np.broadcast_to(np.float32(0), (2**24, 32)), dims=("row", "band"))
    with pytest.raises(MemoryLimitError, match=r"2.0 GiB.*Open it with chunks=\{\}"):
        open_rows(big, budget=Budget(2**30, 2))


def test_a_dask_array_of_very_many_chunks_is_warned_about():
    with pytest.warns(ManyBlocksWarning, match="10001 row chunks"):
        open_rows(da.zeros((10_001, 2), chunks=(1, 2)))


def test_input_is_never_written_through(blobs):
    rows = open_rows(blobs)
    assert not rows.array.flags.writeable
    assert blobs.flags.writeable


def test_a_memory_limit_makes_blocks_smaller_in_whole_shards(tmp_path):
    store = zarr.create_array(
        tmp_path / "z", shape=(2**22, 64), chunks=(2**12, 64), shards=(2**15, 64), dtype="f4"
    )
    free = open_rows(store).plan
    tight = open_rows(store, budget=Budget(400 * 2**20, threads=2)).plan
    assert tight.largest < free.largest
    assert all(edge % 2**15 == 0 for edge in tight.edges[0])


def test_blocks_are_kept_only_when_the_projection_with_all_of_them_is_within_the_limit(tmp_path):
    store = zarr.create_array(tmp_path / "x", shape=(10**6, 16), chunks=(10**4, 16), dtype="f4")
    decided = set()
    for limit in range(300 * 2**20, 900 * 2**20, 10 * 2**20):
        budget = Budget(limit, threads=2, fits=True)
        rows = open_rows(store, budget=budget)
        block = rows.plan.largest * (16 * 4 + budget.answer_nbytes)
        need = budget.projected(block, rows.plan.n_blocks) + rows.cached_nbytes
        assert rows.fits_in_memory == (need <= limit)
        decided.add((rows.fits_in_memory, rows.ahead))
        cached = rows.fits_in_memory * rows.cached_nbytes
        for ahead in (1, 2):  # so many more threads fit beside the cached blocks, or do not
            more = replace(budget, threads=2 + ahead).projected(block, rows.plan.n_blocks)
            assert (more + cached <= limit) == (ahead <= rows.ahead)
    assert len(decided) == 6
    assert not open_rows(store, budget=Budget(2**33, threads=2)).fits_in_memory  # fits=False


def test_without_a_limit_only_data_small_beside_the_machine_are_kept(tmp_path):
    def fits(rows):
        store = zarr.create_array(
            f"{tmp_path}/{rows}", shape=(rows, 16), dtype="f8", chunks=(9, 16)
        )
        return open_rows(store, budget=Budget(fits=True)).fits_in_memory

    assert fits(1000)
    assert not fits(10**12)


def test_blocks_are_read_ahead_only_within_the_limit(tmp_path):
    store = zarr.create_array(tmp_path / "x", shape=(10**6, 16), chunks=(10**5, 16), dtype="f4")
    limits = [Budget(mib * 2**20, threads=2) for mib in (340, 380, 420)]
    opened = [open_rows(store, budget=limit) for limit in limits]
    assert [rows.ahead for rows in opened] == [0, 1, 2]
    assert opened[0].plan == opened[1].plan == opened[2].plan


def test_without_a_limit_blocks_read_ahead_take_a_share_of_the_machine(tmp_path, monkeypatch):
    store = zarr.create_array(tmp_path / "x", shape=(10**6, 16), chunks=(10**5, 16), dtype="f4")
    assert open_rows(store, budget=Budget(threads=2)).ahead == 2
    monkeypatch.setattr("streamkm.rows.memory.memory_here", lambda: 2**30)
    assert open_rows(store, budget=Budget(threads=2)).ahead == 0


def test_coordinates_of_two_dimensions_are_no_data(tmp_path):
    grid = (("y", "x"), np.arange(12.0).reshape(3, 4))
    pixels = (("y", "x", "band"), np.arange(24.0).reshape(3, 4, 2))
    data = xr.Dataset({"pixels": pixels}, coords={"lat": grid, "lon": grid})
    data.to_zarr(tmp_path / "o.zarr", consolidated=False)
    assert open_rows(str(tmp_path / "o.zarr"), feature_dim="band").layout.n_features == 2
