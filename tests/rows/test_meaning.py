"""The meaning of stored numbers: signedness by `_Unsigned`, and packing by scale and offset."""

from __future__ import annotations

import warnings

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr

from streamkm import KMeans
from streamkm.errors import PackedDataWarning
from streamkm.rows import open_rows

RNG = np.random.default_rng(0)
SIGNS = {  # stored dtype, value of `_Unsigned`, fill value as stored, fill value as decoded
    "int8": ("i1", "true", -1, 255),
    "int8, fill in the other sign": ("i1", "true", 255, 255),
    "int16": ("i2", "true", -2, 65534),
    "big-endian int16": (">i2", "true", -2, 65534),
    "uint8": ("u1", "false", 255, -1),
    "uint8, fill in the other sign": ("u1", "false", -1, -1),
    "int8 that says what it is": ("i1", "false", -1, -1),
}


def signed(kind):
    """Two clusters on both sides of the sign bit, stored and decoded, and the missing rows."""
    dtype, said, fill, meant_fill = SIGNS[kind]
    stored = np.dtype(dtype)
    letter = "u" if said == "true" else "i"
    meant = np.dtype(f"{letter}{stored.itemsize}")
    low, high = (50, 200) if letter == "u" else (-56, 50)
    values = np.where(RNG.random((40, 30, 1)) < 0.5, low, high) + RNG.integers(0, 5, (40, 30, 3))
    gone = RNG.random((40, 30)) < 0.2
    values[gone, 1] = meant_fill
    values = values.astype(meant)
    kept = values.view(f"{stored.kind}{stored.itemsize}").astype(dtype)
    return kept, {"_Unsigned": said, "_FillValue": fill}, values, gone


@pytest.mark.parametrize(
    ("opened", "kind"),
    [
        *(("path", kind) for kind in SIGNS),
        *((opened, "int8") for opened in ("weighted", "array", "dask", "dataset")),
        *((opened, "uint8") for opened in ("array", "dataset")),
    ],
)
def test_unsigned_is_honoured_wherever_it_is_said(kind, opened, tmp_path):
    stored, attributes, values, gone = signed(kind)
    zarr.create_array(
        tmp_path / "a",
        data=stored,
        chunks=(10, 30, 3),
        attributes=attributes,
        dimension_names=("y", "x", "band"),
    )
    array = xr.DataArray(stored, dims=("y", "x", "band"), attrs=attributes)
    data = {
        "path": tmp_path / "a",
        "weighted": tmp_path / "a",
        "array": array,
        "dask": array.chunk(y=7),
        "dataset": xr.Dataset({f"b{i}": array[..., i].assign_attrs(attributes) for i in range(3)}),
    }[opened]
    along = None if opened == "dataset" else "band"
    weights = da.ones((40, 30), chunks=10) if opened == "weighted" else None
    model = KMeans(2, feature_dim=along, random_state=0).fit(data, sample_weight=weights)
    labels = np.asarray(model.labels_)
    assert np.array_equal(labels == 255, gone)
    assert "_Unsigned" not in getattr(model.labels_, "attrs", {})
    means = [values[labels == c].mean(axis=0) for c in range(2)]
    assert np.allclose(model.cluster_centers_, means)


def test_unsigned_numbers_are_those_of_xarray(tmp_path):
    stored, attributes, values, _ = signed("int8")
    packed = xr.DataArray(stored, dims=("y", "x", "band"), attrs=attributes).to_dataset(name="a")
    meant = xr.decode_cf(packed)["a"]
    opened = open_rows(packed["a"], feature_dim="band", nodata="auto")
    assert opened.layout.dtype == values.dtype
    mine, theirs = (
        KMeans(2, feature_dim="band", random_state=0, algorithm="lloyd").fit(a)
        for a in (packed["a"], meant)
    )
    assert np.array_equal(mine.labels_, theirs.labels_)
    assert np.allclose(mine.cluster_centers_, theirs.cluster_centers_)


def test_packed_numbers_are_warned_of_until_they_are_decoded(tmp_path):
    values = (("y", "x"), RNG.integers(0, 99, (20, 30)).astype("i2"), {"scale_factor": 0.01})
    data = xr.Dataset({"a": values, "b": values})
    with pytest.warns(PackedDataWarning, match=r"a, b: the values are packed .*decode_cf"):
        KMeans(2).fit(data)
    with pytest.warns(PackedDataWarning, match="a: the values are packed"):
        KMeans(2).fit(data["a"])
    with pytest.warns(PackedDataWarning, match="a: the values are packed"):
        KMeans(2).fit(data["a"].chunk())
    with warnings.catch_warnings():
        warnings.simplefilter("error", PackedDataWarning)
        KMeans(2).fit(xr.decode_cf(data))
        KMeans(2).fit(data["a"].assign_attrs(scale_factor=1.0, add_offset=0.0))
