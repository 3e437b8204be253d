"""Representatives of xarray data have the coordinates of the rows."""

from __future__ import annotations

import pickle

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from streamkm import KMeans, Nearest

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def cube():
    return xr.DataArray(
        RNG.normal(size=(3, 4, 5, 6)).astype(np.float32),
        dims=("time", "band", "y", "x"),
        coords={
            "time": pd.date_range("2026-01-01", periods=3),
            "band": list("rgbn"),
            "y": ("y", np.arange(5.0)[::-1], {"units": "m"}),
            "lat": (("y", "x"), RNG.random((5, 6))),
            "day": ("time", [1, 2, 3]),
            "season": ("time", ["DJF", "DJF", "MAM"]),
            "rank": ("time", [7, 8, 9]),
            "spatial_ref": ((), 0, {"crs_wkt": "EPSG:32618"}),
        },
        attrs={"units": "K"},
    )


@pytest.mark.parametrize("dims", [("time", "band", "y", "x"), ("x", "y", "band", "time")])
@pytest.mark.parametrize("chunks", [None, 2])
def test_coordinates_are_those_of_the_rows(cube, dims, chunks):
    data = cube.transpose(*dims)
    data = data if chunks is None else data.chunk(chunks)
    found = KMeans(3, feature_dim="band", random_state=0).fit(data).representatives(data, 4)
    assert isinstance(found, Nearest)
    own = found.dataset
    assert dict(own.sizes) == {"cluster": 3, "rank": 4, "band": 4}
    np.testing.assert_array_equal(own["numbers"], found.numbers)
    np.testing.assert_array_equal(own["distances"], found.distances)
    np.testing.assert_array_equal(own["values"], found.values)
    assert own["values"].dtype == np.float32
    assert set(own.coords) == {"time", "band", "y", "lat", "day", "season", "spatial_ref"}
    assert own["day"].dtype == cube["day"].dtype
    assert own["y"].attrs == {"units": "m"}
    assert own["values"].attrs == {"units": "K"}
    selected = data.isel(found.indices)
    np.testing.assert_array_equal(selected.transpose("cluster", "rank", "band"), own["values"])
    for name in ("time", "y", "lat", "season"):
        np.testing.assert_array_equal(selected[name].values, own[name].values)


def test_the_nearest_row_is_found_by_its_coordinates(cube):
    """Select by label, which does not use the numbers."""
    model = KMeans(2, feature_dim="band", random_state=0).fit(cube)
    labels, own = model.labels_, model.representatives(cube).dataset
    for cluster in range(2):
        row = own.isel(cluster=cluster, rank=0)
        there = cube.sel(time=row["time"].values, y=float(row["y"]))
        distances = np.sqrt(np.square(there - model.cluster_centers_[cluster][:, None]).sum("band"))
        members = labels.sel(time=row["time"].values, y=float(row["y"])) == cluster
        best = distances.where(members).argmin("x")
        assert float(distances[best]) == pytest.approx(float(row["distances"]))
        assert float(cube["lat"].sel(y=float(row["y"]))[best]) == float(row["lat"])


def test_a_cluster_without_enough_rows_has_no_coordinates(cube):
    series = cube.isel(y=0, x=0).transpose("time", "band")
    centroids = np.stack([series[0].values, np.full(4, 1e6)])
    found = KMeans.from_centroids(centroids).representatives(series, 2)
    assert (found.numbers == [[0, found.numbers[0, 1]], [-1, -1]]).all()
    own = found.dataset.isel(cluster=1)
    assert own["time"].isnull().all()
    assert own["season"].isnull().all()
    assert own["distances"].isnull().all()
    assert own["values"].isnull().all()
    assert np.isinf(found.distances[1]).all()
    assert (found.indices["time"][1] == -1).all()
    assert found.dataset["spatial_ref"].item() == 0


def test_features_in_another_order_keep_their_names(cube):
    model = KMeans(2, feature_dim="band", random_state=0).fit(cube)
    turned = cube.isel(band=[2, 0, 3, 1])
    own, want = (model.representatives(each).dataset for each in (turned, cube))
    assert own["band"].values.tolist() == list("brng")
    for band in "rgbn":
        np.testing.assert_array_equal(own["values"].sel(band=band), want["values"].sel(band=band))


def test_several_feature_dimensions_come_back(cube):
    found = KMeans(2, feature_dim=["band", "time"], random_state=0).fit(cube)
    own = found.representatives(cube, 2)
    assert own.dataset["values"].dims == ("cluster", "rank", "band", "time")
    selected = cube.isel(own.indices).transpose("cluster", "rank", "band", "time")
    np.testing.assert_array_equal(selected, own.dataset["values"])
    assert set(own.dataset.coords) == {
        *("band", "time", "y", "lat", "day", "season"),
        "spatial_ref",
    }


def test_the_variables_of_a_dataset_and_a_stacked_index(cube):
    data = cube.isel(time=0, drop=True).to_dataset("band")
    model = KMeans(2, random_state=0).fit(data)
    own = model.representatives(data, 2).dataset
    assert own["variable"].values.tolist() == list("rgbn")
    assert own["y"].dims == ("cluster", "rank")
    stacked = cube.isel(time=0, drop=True).stack(pixel=("y", "x")).transpose("pixel", "band")
    stacked = stacked.assign_coords(lat=("pixel", stacked["lat"].values))
    same = KMeans(2, random_state=0).fit(stacked).representatives(stacked, 2).dataset
    np.testing.assert_array_equal(same["y"], own["y"])


def test_other_data_have_no_coordinates():
    x = RNG.normal(size=(50, 2))
    model = KMeans(2, random_state=0).fit(x)
    for data in (x, da.from_array(x, chunks=(20, 2)), pd.DataFrame(x)):
        assert type(model.representatives(data)) is Nearest


def test_lazy_coordinates_are_looked_up_only_where_needed(cube):
    """A lazy coordinate of the rows is computed at the k * n rows, in the chunks of these."""
    seen = []

    def spy(block):
        seen.append(block.shape)
        return block

    lat = da.from_array(cube["lat"].values, chunks=(1, 6)).map_blocks(
        spy, dtype=float, meta=np.empty((0, 0))
    )
    data = cube.isel(time=0, drop=True).assign_coords(lat=(("y", "x"), lat))
    model = KMeans(1, feature_dim="band", random_state=0).fit(data)
    seen.clear()
    own = model.representatives(data, 1).dataset
    np.testing.assert_array_equal(own["lat"].values, cube["lat"].values.ravel()[own["numbers"]])
    assert len(seen) == 1


def test_a_result_is_short_and_says_what_only_labelled_data_have():
    model = KMeans.from_centroids([[0.0, 0.0], [3.0, 4.0]])
    x = np.array([[0.0, 2.0], [3.0, 3.0], [0.0, 1.0]])
    found = model.representatives(x, 2)
    assert repr(found) == "<Nearest: 2 rows for each of 2 clusters, 2 features>"
    for name in ("dataset", "indices"):
        with pytest.raises(AttributeError, match="xarray data only: give a DataArray"):
            getattr(found, name)
    with pytest.raises(AttributeError, match="no attribute 'labels'"):
        found.labels  # noqa: B018
    labelled = model.representatives(xr.DataArray(x, dims=("row", "band")))
    assert repr(labelled) == "<LabelledNearest: 1 row for each of 2 clusters, 2 features>"
    assert pickle.loads(pickle.dumps(found)).numbers.tolist() == found.numbers.tolist()
