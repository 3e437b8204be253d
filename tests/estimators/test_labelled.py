"""Labels of xarray and Dask data keep dimensions, coordinates, CRS, nodata and chunks."""

from __future__ import annotations

import pickle

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import streamkm.xarray  # noqa: F401  (gives DataArrays their .streamkm)
from streamkm import KMeans
from streamkm.errors import DataError

RNG = np.random.default_rng(0)


@pytest.fixture
def cube():
    """Two dates of a scene: uint8, band first, with stripes of nodata."""
    centers = RNG.integers(40, 200, (3, 4))
    of_pixel = RNG.integers(0, 3, (2, 30, 40))
    values = (centers[of_pixel] + RNG.integers(-9, 9, (2, 30, 40, 4))).astype(np.uint8)
    values[:, ::10] = 0
    return xr.DataArray(
        np.moveaxis(values, -1, 1),
        dims=("time", "band", "y", "x"),
        coords={
            "time": pd.date_range("2026-01-01", periods=2),
            "y": np.arange(30.0)[::-1],
            "x": np.arange(40.0),
            "lat": (("y", "x"), RNG.random((30, 40))),
            "band": list("rgbn"),
            "spatial_ref": ((), 0, {"crs_wkt": "EPSG:32618"}),
        },
        attrs={
            "_FillValue": 0,
            "units": "1",
            "grid_mapping": "spatial_ref",
            "source": "somewhere",
        },
    )


def test_a_cube_comes_back_as_a_map_of_flags(cube):
    lazy = cube.chunk(time=1, y=15)
    model = lazy.streamkm.fit(3, "band", random_state=0)
    labels = model.labels_
    assert labels.dims == ("time", "y", "x")
    assert labels.chunks == ((1, 1), (15, 15), (40,))
    assert set(labels.coords) == {"time", "y", "x", "lat", "spatial_ref"}
    assert labels.spatial_ref.attrs == cube.spatial_ref.attrs
    assert labels.dtype == np.uint8
    assert labels.attrs == {
        "_FillValue": 255,
        "flag_values": [0, 1, 2],
        "flag_meanings": "cluster_0 cluster_1 cluster_2",
        "grid_mapping": "spatial_ref",
        "source": "somewhere",
    }
    found = labels.values
    assert (found[:, ::10] == 255).all()
    assert sorted(np.unique(found)) == [0, 1, 2, 255]
    distances = model.transform(lazy)
    assert distances.dims == ("time", "y", "x", "cluster")
    assert np.isnan(distances.values[:, 0]).all()
    nearest = distances.values[:, 1].argmin(-1)
    assert np.array_equal(nearest, found[:, 1])


@pytest.mark.parametrize("chunks", [{"y": 7}, {"x": 13, "band": 1}, {"time": 1, "y": 29}, {}])
@pytest.mark.parametrize("order", ["time band y x", "x y time band", "band x time y"])
def test_labels_do_not_hang_on_chunks_or_on_the_order_of_dims(cube, chunks, order):
    want = KMeans(3, feature_dim="band", random_state=0).fit(cube)
    turned = cube.transpose(*order.split()).chunk(chunks)
    given = KMeans(3, feature_dim="band", init=want).fit(turned)
    assert (
        given.labels_.transpose(*want.labels_.dims).values.tolist() == want.labels_.values.tolist()
    )
    assert np.array_equal(given.cluster_centers_, want.cluster_centers_)


def test_floats_that_were_decoded_are_left_out_where_they_are_nan(cube, tmp_path):
    cube.name = "scene"
    cube.drop_vars(["lat", "band"]).to_dataset().to_zarr(
        tmp_path / "s", zarr_format=3, consolidated=False
    )
    decoded = xr.open_zarr(tmp_path / "s", consolidated=False)["scene"]
    assert decoded.dtype.kind == "f"
    labels = KMeans(3, feature_dim="band", random_state=0).fit(decoded).labels_
    assert np.array_equal(labels.values == 255, np.isnan(decoded.values[:, 0]))


def test_a_label_map_written_and_read_again_is_nan_where_there_is_none(cube, tmp_path):
    labels = cube.chunk(y=10).streamkm.fit(3, "band", random_state=0).labels_
    labels.drop_vars("lat").to_zarr(tmp_path / "l", zarr_format=3, consolidated=False)
    again = xr.open_zarr(tmp_path / "l", consolidated=False)["labels"]
    assert np.array_equal(np.isnan(again.values), labels.values == 255)
    raw = xr.open_zarr(tmp_path / "l", consolidated=False, mask_and_scale=False)["labels"]
    assert np.array_equal(raw.values, labels.values)
    assert raw.attrs["flag_meanings"] == "cluster_0 cluster_1 cluster_2"


@pytest.mark.parametrize("chunked", [True, False])
def test_a_datasets_variables_are_its_features(cube, chunked):
    data = cube.to_dataset("band")
    data["unused"] = ((), 3)
    data = data.chunk(y=15) if chunked else data
    model = data.streamkm.fit(3, random_state=0)
    assert model.feature_names_in_.tolist() == list("rgbn")
    want = KMeans(3, feature_dim="band", random_state=0).fit(cube)
    assert np.array_equal(model.labels_.values, want.labels_.values)
    shuffled = data[["n", "g", "r", "b"]]
    assert np.array_equal(model.predict(shuffled).values, want.labels_.values)
    with pytest.raises(DataError, match=r"without \['r'\]"):
        model.predict(data[["n", "g", "b"]])
    with pytest.raises(DataError, match="the features of a Dataset are its variables"):
        data.streamkm.fit(3, "band")


def test_variables_with_other_dims_and_their_own_nodata(cube):
    data = cube.to_dataset("band")[["r", "g"]]
    height = xr.DataArray(RNG.normal(size=(30, 40)).astype("f4"), dims=("y", "x"))
    height[3, 4] = -9999
    data["height"] = height.assign_attrs(_FillValue=-9999.0)
    labels = data.streamkm.fit(3, random_state=0).labels_
    gone = labels == 255
    assert gone.isel(y=3, x=4).all()
    assert gone.isel(y=slice(None, None, 10)).all()
    assert int(gone.sum()) == 2 * (3 * 40 + 1)


def test_masks_and_weights_are_matched_by_name(cube):
    mask = xr.DataArray(RNG.random((40, 2, 30)) < 0.8, dims=("x", "time", "y"))
    model = KMeans(3, feature_dim="band", random_state=0, nodata=None).fit(
        cube, sample_weight=xr.ones_like(mask, dtype=float), mask=mask
    )
    assert np.array_equal(model.labels_ != 255, mask.transpose("time", "y", "x"))
    rows = xr.DataArray(np.arange(30) % 3 > 0, dims="y")  # repeated along time and x
    used = model.fit(cube, mask=rows).labels_ != 255
    assert np.array_equal(used, np.broadcast_to(rows.values[:, None], used.shape))
    with pytest.raises(DataError, match=r"mask has dimensions \['band'\]; give one value for each"):
        model.fit(cube, mask=xr.DataArray(np.ones(4, bool), dims="band"))


def test_names_given_to_clusters_are_in_the_map(cube):
    model = cube.streamkm.fit(3, "band", random_state=0)
    pixels = cube.stack(pixel=("time", "y", "x"))
    rows = pixels.isel(pixel=np.flatnonzero(pixels.isel(band=0) != 0)[:200]).transpose("pixel", ...)
    names = np.array(["wet land", "dry land", "wood"])
    plain = KMeans.from_centroids(model.cluster_centers_)
    model.cluster_names_ = plain.name_clusters(rows.values, names[plain.predict(rows.values)])
    assert model.predict(cube).attrs["flag_meanings"] == "wet_land dry_land wood"


class TestDask:
    def test_answers_keep_chunks_and_read_the_data_once(self, blobs):
        reads = []

        def block(block_info=None):
            place = block_info[None]["array-location"][0]
            reads.append(place)
            return blobs[slice(*place)]

        x = da.map_blocks(block, chunks=((2000, 100, 2900), 6), dtype=blobs.dtype)
        model = KMeans(3, random_state=0).fit(blobs)
        labels, distances = model.predict(x), model.transform(x)
        assert labels.chunks == ((2000, 100, 2900),)
        assert labels.dtype == np.uint8
        got = dask.compute(labels, distances, x.mean())
        assert len(reads) == 3
        assert np.array_equal(got[0], model.labels_)
        assert np.array_equal(got[1].argmin(1), model.labels_)

    def test_the_model_is_in_the_graph_once(self, blobs):
        x = da.zeros((5000, 6), chunks=(50, 6))
        model = KMeans.from_centroids(RNG.normal(size=(100, 6)))
        graph = dict(model.predict(x).dask)
        assert len(graph) >= 200
        large = [key for key, task in graph.items() if len(pickle.dumps(task)) > 4000]
        assert len(large) == 1

    def test_lengths_that_are_not_known_stay_so_and_nothing_is_read(self, blobs):
        x = da.from_array(blobs, chunks=(700, 6))
        some = x[x[:, 0] > 0]
        model = KMeans(3, random_state=0).fit(blobs)
        with dask.config.set(scheduler=lambda *_, **__: pytest.fail("it was read")):
            labels = model.predict(some)
        assert np.isnan(labels.shape[0])
        assert np.array_equal(labels.compute(), model.labels_[blobs[:, 0] > 0])

    def test_data_frames_by_their_columns(self, blobs):
        frame = pd.DataFrame(blobs, columns=list("abcdef"))
        lazy = dd.from_pandas(frame, npartitions=4)
        model = KMeans(3, random_state=0).fit(lazy)
        want = KMeans(3, random_state=0).fit(frame)
        assert model.feature_names_in_.tolist() == want.feature_names_in_.tolist()
        labels = model.predict(lazy[list("fedcba")])
        assert np.array_equal(labels.compute(), want.predict(frame))
        assert np.array_equal(model.labels_.compute(), want.labels_)
        with pytest.raises(DataError, match=r"without \['a'\]"):
            model.predict(lazy[list("bcdef")])
