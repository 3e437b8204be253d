"""The table of docs/values.md: what the formats say about their values, at every door.

Files are made by the library of their format; the values are worked out by hand. Rows that are
missing are NaN in `want`.
"""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import rasterio
import xarray as xr
import zarr
from click.testing import CliRunner
from rasterio import Affine

import streamkm
from streamkm import KMeans, open_array
from streamkm.cli import main
from streamkm.errors import DataError, PackedDataWarning
from streamkm.rows import fingerprint, open_rows

RNG = np.random.default_rng(0)
SHAPE = (6, 5, 3)  # y, x, band
COUNTS = RNG.integers(1, 100, SHAPE)
GONE = RNG.random(SHAPE[:2]) < 0.25
NAN = np.nan


def without(values, gone):
    """The values (y, x, band) with NaN in rows that are missing."""
    found = np.array(values, float)
    found[gone] = NAN
    return found


# ---- doors -----------------------------------------------------------------------------------


def check_rows(path, want):
    """Compare the rows that all passes receive with the wanted values."""
    rows = open_rows(path, feature_dim="band", nodata="auto")
    found = np.concatenate([rows.block(n).values for n in range(rows.n_blocks)])
    np.testing.assert_allclose(found, want[~np.isnan(want).any(-1)], rtol=1e-6)


def check(path, want):
    """Compare the mean of a fit and the labels of a prediction, too."""
    check_rows(path, want)
    present = ~np.isnan(want).any(-1)
    model = KMeans(1, feature_dim="band").fit(path)
    np.testing.assert_allclose(model.cluster_centers_[0], want[present].mean(0), rtol=1e-6)
    centres = want[present][[0, -1]]
    labels = np.asarray(KMeans.from_centroids(centres, feature_dim="band").predict(path))
    apart = np.linalg.norm(want[..., None, :] - centres, axis=-1)
    nearest = np.where(present, np.argmin(np.nan_to_num(apart), -1), 255)
    assert np.array_equal(labels, nearest)


# ---- arrays with attributes: netCDF, HDF5, Zarr ----------------------------------------------


ATTRIBUTES = {  # stored numbers, attributes, values
    "scale": ("i2", COUNTS, {"scale_factor": 0.5, "add_offset": -3.0}, COUNTS * 0.5 - 3),
    "fill": ("i2", np.where(GONE[..., None], -9, COUNTS), {"_FillValue": -9}, None),
    "missing": (
        "i2",
        np.where(GONE[..., None], [-9, 7000, 1], COUNTS),
        {"_FillValue": -9, "missing_value": [-9, 7000]},
        None,
    ),
    "scale and fill": (
        "u2",
        np.where(GONE[..., None], [65535, 3, 4], COUNTS),
        {"_FillValue": 65535, "scale_factor": 0.25},
        without(COUNTS * 0.25, GONE),
    ),
    "valid_range": (
        "i2",
        np.where(GONE[..., None], [-1, 3, 500], COUNTS),
        {"valid_range": [0, 100]},
        None,
    ),
    "valid_min": ("i2", np.where(GONE[..., None], -1, COUNTS), {"valid_min": 0}, None),
    "valid_max": (
        "f4",
        np.where(GONE[..., None], 100.5, COUNTS),
        {"valid_max": 100.25},
        None,
    ),
    "unsigned": (
        "i1",
        COUNTS + 100 - 256 * (COUNTS > 27),
        {"_Unsigned": "true", "scale_factor": 2.0},
        (COUNTS + 100) * 2,
    ),
    "float fill": (
        "f4",
        np.where(GONE[..., None], np.float32(-999.9), COUNTS),
        {"missing_value": -999.9},
        None,
    ),
}
TYPED = ("_FillValue", "missing_value", "valid_range", "valid_min", "valid_max")


def dataset(kind):
    dtype, stored, attributes, want = ATTRIBUTES[kind]
    typed = {n: np.array(v, dtype) if n in TYPED else v for n, v in attributes.items()}
    values = ("y", "x", "band"), np.array(stored).astype(dtype), typed
    return xr.Dataset({"v": values}), without(COUNTS, GONE) if want is None else want


def to_hdf5(data, path):
    with h5py.File(path, "w") as file:
        made = file.create_dataset("v", data=data.v.values)
        made.attrs.update(data.v.attrs)
        for axis, dim in enumerate(data.v.dims):
            made.dims[axis].label = dim


def plain(data):
    """The attributes as JSON has them."""
    data.v.attrs = {
        n: v if isinstance(v, str) else np.array(v).tolist() for n, v in data.v.attrs.items()
    }
    return data


WRITERS = {
    "netCDF-4": ("v.nc", lambda data, path: data.to_netcdf(path, engine="h5netcdf")),
    "netCDF-3": ("v.nc", lambda data, path: data.to_netcdf(path, engine="scipy")),
    "HDF5": ("v.h5", to_hdf5),
    "Zarr 3": ("v.zarr", lambda data, path: plain(data).to_zarr(path, zarr_format=3)),
    "Zarr 2": ("v.zarr", lambda data, path: plain(data).to_zarr(path, zarr_format=2)),
}


@pytest.mark.filterwarnings("ignore:.*onsolidated")
@pytest.mark.parametrize(
    ("format", "kind"),  # netCDF-3 has no unsigned integers
    [(f, k) for f in WRITERS for k in ATTRIBUTES if (f, k) != ("netCDF-3", "scale and fill")],
)
def test_attributes_define_the_values(format, kind, tmp_path):
    data, want = dataset(kind)
    name, write = WRITERS[format]
    write(data, tmp_path / name)
    (check if kind == "scale and fill" else check_rows)(tmp_path / name, want)


@pytest.mark.parametrize("version", [2, 3])
def test_decoded_zarr_has_the_bits_that_xarray_reads(version, tmp_path):
    dtypes = {"a": "i2", "b": "i4", "c": "f4", "d": "u1"}
    packing = {"scale_factor": 0.1, "add_offset": 280.0}
    some = {"a": packing, "b": {"scale_factor": 3.0}, "c": packing, "d": {"add_offset": 0.5}}
    data = xr.Dataset(
        {n: (("y", "x"), COUNTS[..., 0].astype(dtype), some[n]) for n, dtype in dtypes.items()}
    )
    data.to_zarr(tmp_path / "z", zarr_format=version, consolidated=False)
    with xr.open_zarr(tmp_path / "z", consolidated=False) as want:
        assert open_array(tmp_path / "z", "a").dtype == np.float32  # enough for 16 bits
        assert np.allclose(open_array(tmp_path / "z", "a")[...], want.a, rtol=2e-7)
        del dtypes["a"], dtypes["d"]
        for name in dtypes:
            for array in (open_array(tmp_path / "z", name), open_array(tmp_path / "z" / name)):
                assert array.dtype == want[name].dtype
                assert np.array_equal(array[...], want[name].values)
                assert np.array_equal(array[1:4, 2:], want[name].values[1:4, 2:])
        several = open_rows(tmp_path / "z", variable=list(dtypes))
        assert np.array_equal(
            several.block(0).values, want[list(dtypes)].to_dataarray().values.reshape(2, -1).T
        )


def test_numbers_that_are_given_as_nodata_are_stored_numbers(tmp_path):
    """0 is stored; the value 0, which is stored as 20, is valid."""
    stored = np.array([[0, 10], [20, 30], [40, 0], [50, 60], [-9, 8]], "i2")
    attributes = {"scale_factor": 0.5, "add_offset": -10.0, "_FillValue": -9}
    array = zarr.create_array(
        tmp_path / "g" / "v", data=stored, attributes=attributes, dimension_names=("y", "band")
    )
    want = stored[[1, 3]] * 0.5 - 10
    for data in (tmp_path / "g" / "v", array, open_array(tmp_path / "g" / "v")):
        rows = open_rows(data, nodata=0)
        assert np.array_equal(rows.block(0).values, want)
        assert len(open_rows(data, nodata="auto").block(0).values) == 4
        assert len(open_rows(data, nodata=None).block(0).values) == 5
        assert fingerprint(rows) != fingerprint(open_rows(data, nodata="auto"))
    columns = xr.Dataset(
        {"v": (("y",), stored[:, 0], attributes), "w": (("y",), np.array([3, 4, 5, 0, 6], "i2"))}
    )
    columns.to_zarr(tmp_path / "c", consolidated=False)
    rows = open_rows(tmp_path / "c", variable=["v", "w"], nodata=0)
    assert np.array_equal(rows.block(0).values, [[0, 4], [10, 5]])


def test_values_that_were_never_written_are_missing_as_for_netcdf(tmp_path):
    """The netCDF library sets these fill values, without an attribute."""
    for dtype, fill in (("i2", -32767), ("f4", 9.969209968386869e36), ("i1", -127)):
        with h5py.File(tmp_path / f"{dtype}.h5", "w") as file:
            made = file.create_dataset("v", SHAPE, dtype, chunks=(1, 5, 3), fillvalue=fill)
            made[1:] = COUNTS[1:]
        rows = open_rows(tmp_path / f"{dtype}.h5", feature_dim=2, nodata="auto")
        found = sum(rows.block(n).n_rows for n in range(rows.n_blocks))
        assert found == (30 if dtype == "i1" else 25)
    data = xr.Dataset({"v": (("y", "band"), np.array([[1, 2], [3, -32767]], "i2"))})
    data.to_netcdf(tmp_path / "v.nc", engine="scipy")
    assert open_rows(tmp_path / "v.nc", nodata="auto").block(0).values.tolist() == [[1, 2]]


BAD = {
    "one number": {"scale_factor": [0.1, 0.2]},
    "is not one number": {"add_offset": "much"},
    "does not match the data": {"scales": [1.0, 2.0]},
    "is not beside the array: open": {"coordinates": "scale_factor"},
}


@pytest.mark.parametrize("message", BAD)
def test_a_scale_that_makes_no_sense_is_an_error(message, tmp_path):
    zarr.create_array(
        tmp_path / "v", data=COUNTS, attributes=BAD[message], dimension_names=("y", "x", "band")
    )
    with pytest.raises(DataError, match=message):
        open_rows(tmp_path / "v", feature_dim="band")


@pytest.mark.parametrize("scales", [[2.0, 4.0, 8.0], "log", [{"type": "scale"}], [[1], [2, 3]]])
def test_scales_of_another_program_are_named_and_not_applied(scales, tmp_path):
    names = ("y", "x", "wavelength")
    zarr.create_array(
        tmp_path / "v", data=COUNTS, attributes={"scales": scales}, dimension_names=names
    )
    with pytest.warns(PackedDataWarning, match="'scales' is not applied, .* no dimension 'band'"):
        rows = open_rows(tmp_path / "v", feature_dim="wavelength")
    values = rows.block(0).values
    assert values.dtype == COUNTS.dtype
    assert np.array_equal(values, COUNTS.reshape(-1, 3))


def test_bands_that_differ_as_rioxarray_writes_them(tmp_path):
    scales, offsets = [1.0, 0.5, 0.25], [0.0, 1.0, -1.0]
    for place, dims in enumerate([("y", "x", "band"), ("band", "y", "x")]):
        values = COUNTS if place == 0 else COUNTS.transpose(2, 0, 1)
        zarr.create_array(
            tmp_path / str(place),
            data=values,
            attributes={"scales": scales, "offsets": offsets},
            dimension_names=dims,
        )
        check_rows(tmp_path / str(place), COUNTS * np.array(scales) + offsets)


# ---- rasters ---------------------------------------------------------------------------------


def raster(path, values, *, mask=None, scales=None, offsets=None, msk=False, **options):
    """Write values (y, x, band) as a GeoTIFF."""
    bands = np.moveaxis(values, -1, 0)
    size = {"width": SHAPE[1], "height": SHAPE[0], "count": len(bands), "dtype": bands.dtype}
    place = {"crs": "EPSG:32633", "transform": Affine(10, 0, 5e5, 0, -10, 6e6)}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=not msk),
        rasterio.open(path, "w", driver="GTiff", **size, **place, **options) as scene,
    ):
        scene.write(bands)
        if scales:
            scene.scales, scene.offsets = scales, offsets
        if mask is not None:
            scene.write_mask(mask)


MARKED = np.where(GONE[..., None], [7, 8, 200], COUNTS % 100)
FLOATS = COUNTS * 0.5
SCALES, OFFSETS = (1.0, 0.5, 0.25), (0.0, 1.0, -1.0)
BANDS = {  # stored numbers, options, values
    "scale": (COUNTS.astype("u2"), {"scales": (0.5,) * 3, "offsets": (2.0,) * 3}, COUNTS * 0.5 + 2),
    "scale by band": (
        COUNTS.astype("i2"),
        {"scales": SCALES, "offsets": OFFSETS},
        COUNTS * np.array(SCALES) + OFFSETS,
    ),
    "scale by band, nodata": (
        np.where(GONE[..., None], [0, 8, 9], COUNTS).astype("u1"),
        {"scales": SCALES, "offsets": OFFSETS, "nodata": 0},
        without(COUNTS * np.array(SCALES) + OFFSETS, GONE),
    ),
    "scale, mask": (
        COUNTS.astype("u1"),
        {"scales": (2.0,) * 3, "offsets": (0.0,) * 3, "mask": ~GONE},
        without(COUNTS * 2, GONE),
    ),
    "nodata": (MARKED.astype("u1"), {"nodata": 200}, without(MARKED, GONE)),
    "mask": (MARKED.astype("u1"), {"mask": ~GONE}, without(MARKED, GONE)),
    "msk file": (MARKED.astype("i2"), {"mask": ~GONE, "msk": True}, without(MARKED, GONE)),
    "alpha": (
        np.concatenate([MARKED, np.where(GONE, 0, 255)[..., None]], -1).astype("u1"),
        {"photometric": "RGB", "alpha": "YES"},
        without(MARKED, GONE),
    ),
    "NaN": (without(FLOATS, GONE).astype("f4"), {}, without(FLOATS, GONE)),
    "NaN as nodata": (without(FLOATS, GONE).astype("f8"), {"nodata": NAN}, without(FLOATS, GONE)),
    "NaN and nodata": (
        np.where(GONE[..., None], [NAN, -1, 3], np.where(FLOATS > 40, -9999, FLOATS)).astype("f4"),
        {"nodata": -9999},
        without(FLOATS, GONE | (FLOATS > 40).any(-1)),
    ),
    "decimal nodata": (
        np.where(GONE[..., None], np.float32(-999.9), FLOATS).astype("f4"),
        {"nodata": -999.9},
        without(FLOATS, GONE),
    ),
}


@pytest.mark.parametrize("kind", BANDS)
@pytest.mark.parametrize("door", ["in place", "ingest"])
def test_rasters_hold_the_values_of_gdal(door, kind, tmp_path):
    stored, options, want = BANDS[kind]
    raster(tmp_path / "s.tif", stored, **options)
    with rasterio.open(tmp_path / "s.tif") as scene:  # what GDAL masks, and by hand its scales
        bands = [band for band, c in enumerate(scene.colorinterp, 1) if c.name != "alpha"]
        read = scene.read(bands, masked=True).astype(float).filled(NAN)
        own = np.array(scene.scales)[: len(bands)], np.array(scene.offsets)[: len(bands)]
    of_gdal = np.moveaxis(read, 0, -1) * own[0] + own[1]
    of_gdal[np.isnan(of_gdal).any(-1)] = NAN
    np.testing.assert_allclose(of_gdal, want, rtol=1e-6)
    path = tmp_path / "s.tif"
    if door == "ingest":
        path = tmp_path / "s.zarr"
        streamkm.ingest(tmp_path / "s.tif", path)
    (check if door == "in place" else check_rows)(path, want)


@pytest.mark.parametrize("by_band", [False, True])
def test_each_scene_has_its_own_scale(by_band, tmp_path):
    """Sentinel-2 before and after baseline 04.00."""
    want = []
    for day, offset in enumerate([0.0, -100.0]):
        offsets = np.array([offset, offset, offset * (2 if by_band else 1)])
        raster(
            tmp_path / f"{day}.tif", COUNTS.astype("u2"), scales=(10.0,) * 3, offsets=list(offsets)
        )
        want.append(COUNTS * 10 + offsets)
    streamkm.ingest([tmp_path / "0.tif", tmp_path / "1.tif"], tmp_path / "s.zarr")
    for path in (tmp_path / "*.tif", tmp_path / "s.zarr"):
        check_rows(path, np.stack(want))


def test_info_says_how_the_stored_numbers_are_decoded(tmp_path):
    raster(tmp_path / "s.tif", COUNTS.astype("i2"), scales=SCALES, offsets=OFFSETS)
    said = CliRunner().invoke(main, ["info", str(tmp_path / "s.tif")]).output
    assert "dtype int16; scale 1, 0.5, 0.25; offset 0, 1, -1" in said


def test_weights_beside_the_data_are_decoded(tmp_path):
    group = zarr.create_group(tmp_path / "g")
    add = {"v": (COUNTS[:4, 0], ("y", "band")), "w": (np.arange(4), ("y",))}
    for name, (values, dims) in add.items():
        attributes = {"scale_factor": 0.5, "add_offset": 1.0}
        group.create_array(name, data=values, dimension_names=dims, attributes=attributes)
    array = open_array(tmp_path / "g", "v")
    assert "int64, scale 0.5; offset 1" in array._repr_html_()
    model = KMeans(1).fit(array, sample_weight="w")
    want = np.average(COUNTS[:4, 0] * 0.5 + 1, axis=0, weights=[1, 1.5, 2, 2.5])
    np.testing.assert_allclose(model.cluster_centers_[0], want)


@pytest.mark.parametrize(
    ("dtype", "scale", "offset", "single"),
    [
        ("u2", 2.75e-5, -0.2, True),  # Landsat
        ("i2", 1e-4, -0.1, True),  # Sentinel-2
        ("u1", 0.5, 1000.0, True),
        ("i2", 0.001, 280.0, False),
        ("i4", 0.1, 0.0, False),
    ],
)
def test_single_precision_is_used_if_it_separates_the_stored_numbers(dtype, scale, offset, single):
    limits = np.iinfo(dtype)
    stored = np.array([[limits.max - 1, limits.max], [limits.min, limits.min + 1]], dtype)
    attributes = {"scale_factor": scale, "add_offset": offset}
    found = open_rows(zarr.array(stored, attributes=attributes)).block(0).values
    assert found.dtype == (np.float32 if single else np.float64)
    want = stored * scale + offset
    assert np.abs(found - want).max() < 0.02 * scale
