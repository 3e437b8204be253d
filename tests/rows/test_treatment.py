"""Rows that are left out, and rows that are scaled."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr

from streamkm.engine import map_reduce, map_rows, write_rows
from streamkm.errors import DataError, NonFiniteError
from streamkm.passes import (
    Census,
    DrawUniform,
    FeatureMoments,
    Labels,
    Lloyd,
    Product,
    SampleUniform,
)
from streamkm.rows import (
    Missing,
    Standardised,
    UnitLength,
    missing_in,
    open_rows,
)
from tests import reference

RNG = np.random.default_rng(0)
CUBE = RNG.integers(1, 200, (4, 60, 50)).astype(np.uint8)
HOLES = RNG.random((60, 50)) < 0.3
CUBE[2, HOLES] = 0
ROWS = np.moveaxis(CUBE, 0, -1).reshape(-1, 4)
PRESENT = ~HOLES.ravel()
CENTROIDS = ROWS[PRESENT][:5].astype(np.float64)


def step(x, centroids):
    """The statistic of Lloyd's step."""
    x = np.asarray(x, np.float64)
    of_row = reference.labels(x, centroids)
    counts = np.bincount(of_row, minlength=len(centroids))
    sums = np.stack([x[of_row == c].sum(axis=0) for c in range(len(centroids))])
    return sums, counts, reference.inertia(x, centroids)


def kinds(folder):
    array = zarr.create_array(
        folder / "cube", data=CUBE, chunks=(2, 20, 50), attributes={"_FillValue": 0}
    )
    lazy = da.from_array(CUBE, chunks=(2, 20, 17))
    return {
        "zarr": (array, "auto"),
        "numpy": (CUBE, 0),
        "dask": (lazy, 0.0),
        "xarray": (xr.DataArray(lazy, attrs={"nodata": 0}), "auto"),
    }


@pytest.mark.parametrize("kind", ["zarr", "numpy", "dask", "xarray"])
def test_a_fold_sees_only_rows_that_are_there(kind, tmp_path):
    data, nodata = kinds(tmp_path)[kind]
    rows = open_rows(data, feature_dim=0, nodata=nodata)
    census, got = map_reduce(Product((Census(), Lloyd(CENTROIDS))), rows).parts
    sums, counts, loss = step(ROWS[PRESENT], CENTROIDS)
    assert census.rows == PRESENT.sum()
    assert np.array_equal(got.counts, counts)
    assert np.array_equal(got.sums, sums)
    assert got.inertia(CENTROIDS) == pytest.approx(loss, rel=1e-12)
    assert got.sums.dtype.kind == "i"  # the result is still exact


@pytest.mark.parametrize("kind", ["zarr", "numpy", "dask", "xarray"])
def test_a_mask_is_the_same_as_nodata(kind, tmp_path):
    data, nodata = kinds(tmp_path)[kind]
    filled = open_rows(data, feature_dim=0, nodata=nodata)
    masked = open_rows(data, feature_dim=0, mask=~HOLES)
    for question in (DrawUniform(9, 1, 0), SampleUniform(20, 0.1, 1, 0)):
        one, two = (map_reduce(question, rows) for rows in (filled, masked))
        assert np.array_equal(one.numbers, two.numbers)
        assert PRESENT[one.numbers].all()
        assert np.array_equal(one.values, ROWS[one.numbers])


@pytest.mark.parametrize("kind", ["zarr", "numpy", "dask", "xarray"])
def test_labels_say_which_rows_are_not_there(kind, tmp_path):
    data, nodata = kinds(tmp_path)[kind]
    rows = open_rows(data, feature_dim=0, nodata=nodata)
    question = Labels(CENTROIDS, np.dtype("u1"))
    lazy = map_rows(question, rows).compute()
    out = zarr.create_array(tmp_path / "l", shape=(60, 50), chunks=(20, 17), dtype="u1")
    if kind == "zarr":
        out = zarr.create_array(tmp_path / "l2", shape=(60, 50), chunks=(20, 50), dtype="u1")
    if kind == "numpy":
        out = np.empty((60, 50), np.uint8)
    write_rows(question, rows, out)
    assert np.array_equal(lazy, out[:])
    assert np.array_equal(lazy == 255, HOLES)
    want = reference.labels(ROWS, CENTROIDS)
    assert np.array_equal(lazy.ravel()[PRESENT], want[PRESENT])


def test_blocks_without_any_row_are_no_trouble():
    x = np.full((3000, 3), np.nan, np.float32)
    x[1400:1500] = RNG.normal(size=(100, 3))
    rows = open_rows(da.from_array(x, chunks=(500, 3)), nodata=np.nan)
    census, sample = map_reduce(Product((Census(), SampleUniform(500, np.inf, 1, 0))), rows).parts
    assert census.rows == 100
    assert sorted(sample.numbers) == list(range(1400, 1500))
    with pytest.raises(DataError, match="every row is left out"):
        map_reduce(Census(), open_rows(x[:100], nodata=np.nan)).check()


def test_only_what_is_named_is_left_out():
    x = np.array([[1, np.nan], [np.inf, 1], [-9999, 0], [1, 2]], np.float32)
    assert missing_in(x) is None
    assert missing_in(x, (np.nan, -9999)).present(x).tolist() == [False, True, False, True]
    assert missing_in(xr.DataArray(x)).present(x).tolist() == [False, True, True, True]
    named = xr.DataArray(x, attrs={"_FillValue": np.float32(-9999)})
    assert missing_in(named).present(x).tolist() == [False, True, False, True]
    whole = np.array([[1, 2], [255, 0]], np.uint8)
    # Bytes cannot have either of these values.
    assert Missing.from_values([-9999, 256, 0.5]).present(whole).all()
    with pytest.raises(NonFiniteError):
        map_reduce(Census(), open_rows(x[1:2])).check()
    for wrong in ("nought", "0"):
        with pytest.raises(DataError, match="give numbers, 'auto' or None"):
            missing_in(x, wrong)


def test_what_xarray_writes_names_its_nodata(tmp_path):
    scene = xr.DataArray(CUBE[0].astype("f4"), dims=("y", "x"), name="scene").where(~HOLES)
    scene.to_dataset().to_zarr(tmp_path / "s", consolidated=False, zarr_format=3)
    found = missing_in(zarr.open_group(tmp_path / "s")["scene"])
    assert np.isnan(found.values).all()


def test_scaled_rows_are_what_numpy_would_make_of_them(blobs):
    center, scale = blobs.mean(axis=0), blobs.std(axis=0)
    moments = map_reduce(FeatureMoments(), open_rows(da.from_array(blobs, chunks=(700, 6))))
    np.testing.assert_allclose(moments.means, center, rtol=1e-5)
    np.testing.assert_allclose(moments.scale, scale, rtol=1e-5)
    scaling = Standardised(tuple(center.tolist()), tuple((1 / scale).tolist()))
    want = (blobs - center) / scale
    centroids = want[:4].astype(np.float64)
    got = map_reduce(Lloyd(centroids), open_rows(blobs, scaling=scaling))
    sums, counts, loss = step(want, centroids)
    assert np.array_equal(got.counts, counts)
    np.testing.assert_allclose(got.sums, sums, atol=1e-2)
    assert got.inertia(centroids) == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(scaling.back(scaling.there(centroids)), centroids, rtol=1e-12)


def test_moments_far_from_zero_and_of_weighted_rows():
    x = RNG.normal(1e8, 1, (4000, 2))
    weights = RNG.integers(0, 3, 4000)
    moments = map_reduce(FeatureMoments(), open_rows(x, sample_weight=weights))
    repeated = np.repeat(x, weights, axis=0)
    np.testing.assert_allclose(moments.means, repeated.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(moments.scale, repeated.std(axis=0), rtol=1e-6)
    flat = map_reduce(FeatureMoments(), open_rows(np.full((90, 2), 0.1)))
    assert flat.scale.tolist() == [1, 1]


def test_unit_length_survives_extremes():
    x = np.array([[3e200, 4e200], [0, 0], [3e-200, 4e-200]])
    assert UnitLength()(x.copy()) == pytest.approx(np.array([[0.6, 0.8], [0, 0], [0.6, 0.8]]))


def test_an_attribute_of_an_array_is_not_taken_for_fill_values():
    data = xr.DataArray(np.arange(6.0).reshape(3, 2), dims=("row", "feature"), attrs={"fills": 1})
    assert open_rows(data).layout.n_rows == 3
