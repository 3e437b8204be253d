"""Masked arrays, several missing values, and nodata near the float32 limit."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio import Affine

from streamkm import KMeans, sweep
from streamkm.errors import DataError
from streamkm.rows import Missing

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(0, 1, (500, 3)), RNG.normal(20, 1, (500, 3))]).astype("f4")
MASK = RNG.random(X.shape) < 0.1
GONE = MASK.any(axis=1)
MASKED = np.ma.masked_array(np.where(MASK, np.float32(1e6), X), MASK)
KINDS = {
    "numpy": MASKED,
    "dask": da.from_array(MASKED, chunks=(100, 3)),
    "dask, features in chunks": da.from_array(MASKED, chunks=(300, 2)),
    "dask.ma": da.ma.masked_array(da.from_array(MASKED.data), da.from_array(MASK)),
    "xarray": xr.DataArray(MASKED, dims=("row", "feature")),
    "xarray of dask": xr.DataArray(da.from_array(MASKED, chunks=(99, 3)), dims=("row", "f")),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nodata", ["auto", -5.0])
def test_masked_rows_are_left_out(kind, nodata):
    if kind.startswith("xarray") and nodata != "auto":
        nodata = np.nan  # xarray itself replaces what is masked
    model = KMeans(2, random_state=0, nodata=nodata).fit(KINDS[kind])
    labels = np.asarray(model.labels_)
    fill = -1 if labels.dtype == np.int32 else 255
    assert np.array_equal(labels == fill, GONE)
    means = [X[labels == c].mean(axis=0, dtype="f8") for c in range(2)]
    assert np.allclose(model.cluster_centers_, means, rtol=1e-6, atol=1e-6)
    assert np.array_equal(np.asarray(model.predict(KINDS[kind])), labels)
    assert np.array_equal(np.isnan(np.asarray(model.transform(KINDS[kind]))[:, 0]), GONE)
    found = sweep(KINDS[kind], [2], nodata=nodata).centroids.values[0]
    assert np.allclose(found[found[:, 0].argsort()], sorted(means, key=lambda c: c[0]), atol=1e-6)


def test_a_mask_along_any_feature_axis_counts():
    cube = np.ma.masked_array(np.moveaxis(X.reshape(20, 50, 3), -1, 0))
    cube[1, 3, 4] = np.ma.masked
    labels = KMeans(2, random_state=0, feature_dim=0).fit(cube).labels_
    assert np.argwhere(labels == -1).tolist() == [[3, 4]]


def test_a_dataset_of_masked_variables():
    data = xr.Dataset({f"f{i}": ("row", KINDS["dask"][:, i]) for i in range(3)})
    assert np.array_equal(KMeans(2, random_state=0).fit(data).labels_.values == 255, GONE)


def test_masked_blocks_that_the_dask_array_does_not_announce_are_refused():
    lazy = da.from_array(X, chunks=(100, 3)).map_blocks(
        lambda block: np.ma.masked_greater(block, 21), meta=np.empty((0, 0), "f4")
    )
    with pytest.raises(DataError, match=r"meta=np\.ma\.masked_array"):
        KMeans(2).fit(lazy)


@pytest.mark.parametrize("wrap", [np.asanyarray, da.from_array])
def test_masked_weights_are_refused(wrap):
    weights = wrap(np.ma.masked_array(np.ones(len(X)), GONE))
    with pytest.raises(DataError, match="sample_weight is a masked array; fill it"):
        KMeans(2).fit(wrap(X), sample_weight=weights)


@pytest.mark.parametrize("chunks", [None, {"y": 5}])
@pytest.mark.parametrize("other", [[-32768, -9999], [-1]])
def test_every_missing_value_of_a_dataset_counts(chunks, other):
    red = RNG.integers(1, 90, (20, 30)).astype("i2")
    green = RNG.integers(1, 90, (20, 30)).astype("i2")
    red[0], red[1], green[2], green[3] = -32768, -9999, other[-1], other[0]
    marks = {"_FillValue": np.int16(-32768), "missing_value": np.array([-9999], "i2")}
    data = xr.Dataset(
        {
            "red": (("y", "x"), red, marks),
            "green": (("y", "x"), green, {"missing_value": np.array(other, "i2")}),
        }
    )
    model = KMeans(3, random_state=0).fit(data if chunks is None else data.chunk(chunks))
    gone = (model.labels_ == 255).values
    assert np.array_equal(gone.all(axis=1), np.arange(20) < 4)
    assert not gone[4:].any()
    assert model.cluster_centers_.min() > 0


@pytest.mark.parametrize("said", ["-3.4e38", "-3.40282e+38", "-3.4028234663852886e+38", "-9999"])
@pytest.mark.parametrize("stored", ["-3.4028234663852886e+38", "-3.4e38", "-9999", "3.4e38"])
def test_nodata_near_the_float32_limit_is_compared_as_gdal_does(said, stored, tmp_path):
    values = np.array([[float(stored), 1.0, -2.5, 3e37]], "f4")
    path = tmp_path / "a.tif"
    how = {"width": 4, "height": 1, "count": 1, "dtype": "float32", "transform": Affine.scale(2)}
    with rasterio.open(path, "w", driver="GTiff", nodata=float(said), **how) as scene:
        scene.write(values, 1)
    with rasterio.open(path) as scene:
        want = scene.read_masks(1)[0] > 0
    assert np.array_equal(Missing.from_values([float(said)]).present(values.T), want)
