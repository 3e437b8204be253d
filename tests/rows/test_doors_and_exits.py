"""Every cell of the table of doors and exits in docs/interoperability.md, with files of other
libraries and labels by NumPy."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import dask
import dask.array as da
import h5netcdf
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
import xarray as xr
import zarr
from PIL import Image
from pyarrow import feather

import streamkm
from streamkm.errors import DataError
from streamkm.images import Archive, compress
from streamkm.rows.formats.placeless import placeless
from tests.rows.test_engines import write_grib

ROOT = Path(__file__).resolve().parents[2]
DOORS = ("fit, predict", "ingest", "compress")
EXITS = (".zarr", ".npy", ".nc", ".parquet", ".tif")
H, W, D = 6, 7, 3
MAP = np.random.default_rng(0).integers(0, 250, (H, W, D)).astype("u1")
ROWS = MAP.reshape(-1, D)
CENTROIDS = np.array([[0.0, 0, 0], [250, 125, 0], [125, 250, 250]])
WANTED = ((MAP[..., None, :].astype(float) - CENTROIDS) ** 2).sum(-1).argmin(-1)
PLACE = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}


def cells():
    """Yes or no for each data and column of the table in the documentation."""
    text = (
        (ROOT / "docs/interoperability.md")
        .read_text()
        .partition("\n## Inputs and outputs by format\n")[2]
    )
    lines = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines]
    assert tuple(head[1:]) == (*DOORS, *EXITS)
    return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


def save_zarr(folder):
    group = zarr.create_group(folder / "x.zarr")
    group.create_array("a/b/x", data=MAP, dimension_names=("y", "x", "c"))
    return folder / "x.zarr"


def save_zip(folder):
    with zarr.storage.ZipStore(folder / "x.zarr.zip", mode="w") as store:
        zarr.create_array(store, data=MAP, dimension_names=("y", "x", "c"))
    return folder / "x.zarr.zip"


def save_ome(folder):
    axes = [{"name": name} for name in "yxc"]
    image = {"axes": axes, "datasets": [{"path": "0"}]}
    group = zarr.create_group(folder / "x.ome.zarr", attributes={"ome": {"multiscales": [image]}})
    group.create_array("0", data=MAP)
    return folder / "x.ome.zarr"


def save_netcdf(folder, engine="h5netcdf"):
    grid = {"lat": np.arange(H) * 0.5, "lon": np.arange(W) * 0.5}
    data = xr.DataArray(MAP, grid, ("lat", "lon", "f"))
    data = data.astype("u1" if engine == "h5netcdf" else "i4")
    data["lat"].attrs["units"] = "degrees_north"
    data.to_dataset(name="v").to_netcdf(folder / "x.nc", engine=engine)
    return folder / "x.nc"


def save_netcdf3(folder):
    return save_netcdf(folder, "scipy")


def save_gzip(folder):
    """A file that only an engine of xarray reads."""
    content = save_netcdf(folder, "scipy").read_bytes()
    (folder / "x.nc.gz").write_bytes(gzip.compress(content))
    return folder / "x.nc.gz"


def save_grib(folder):
    pytest.importorskip("cfgrib")
    maps = np.moveaxis(MAP, -1, 0)[:, None].astype(float)
    return write_grib(folder / "x.grib", maps, ("u",), (0, 6, 12))


def save_many(folder):
    (folder / "m").mkdir()
    for number, y in enumerate(np.array_split(np.arange(H), 2)):
        with h5netcdf.File(folder / "m" / f"{number}.nc", "w") as file:
            file.dimensions = {"y": len(y), "x": W, "f": D}
            file.create_variable("v", ("y", "x", "f"), data=MAP[y])
            file.create_variable("y", ("y",), data=y)
    return folder / "m"


def save_hdf5(folder):
    with h5py.File(folder / "x.h5", "w") as file:
        file["a/x"] = MAP
    return folder / "x.h5"


def save_npy(folder):
    np.save(folder / "x.npy", MAP)
    return folder / "x.npy"


def save_shards(folder):
    (folder / "s").mkdir()
    for number in range(2):
        np.save(folder / "s" / f"{number}.npy", MAP[3 * number : 3 * number + 3])
    return folder / "s"


def table():
    return pa.table({name: ROWS[:, number] for number, name in enumerate("abc")})


def save_parquet(folder):
    pq.write_table(table(), folder / "x.parquet")
    return folder / "x.parquet"


def save_feather(folder):
    feather.write_feather(table(), folder / "x.feather")
    return folder / "x.feather"


def save_hugging_face(folder):
    path = folder / "hf"
    path.mkdir()
    schema = table().schema
    with pa.OSFile(str(path / "0.arrow"), "wb") as sink, pa.ipc.new_stream(sink, schema) as stream:
        stream.write_table(table())
    (path / "state.json").write_text(json.dumps({"_data_files": [{"filename": "0.arrow"}]}))
    return path


def save_lance(folder):
    pytest.importorskip("lance").write_dataset(table(), folder / "x.lance")
    return folder / "x.lance"


def save_csv(folder):
    pd.DataFrame(ROWS, columns=list("abc")).to_csv(folder / "x.csv", index=False)
    return folder / "x.csv"


def save_geotiff(folder):
    options = {"driver": "GTiff", "width": W, "height": H, "count": D, "dtype": "uint8", **PLACE}
    with rasterio.open(folder / "x.tif", "w", photometric="rgb", **options) as file:
        file.write(np.moveaxis(MAP, -1, 0))
    return folder / "x.tif"


def save_vrt(folder):
    from rasterio.shutil import copy

    copy(save_geotiff(folder), folder / "x.vrt", driver="VRT")
    return folder / "x.vrt"


def save_png(folder):
    Image.fromarray(MAP).save(folder / "x.png")
    return folder / "x.png"


def as_cube(folder):
    grid = {"y": 10.0 * np.arange(H), "x": 10.0 * np.arange(W), "epsg": 32633}
    return xr.DataArray(MAP, grid, ("y", "x", "f")).chunk(y=3)


def in_chunks(folder):
    return da.from_array(MAP, chunks=(3, W, D))


def in_memory(folder):
    return MAP


def as_table(folder):
    return pd.DataFrame(ROWS, columns=list("abc"))


# The functions that write the data of each row of the table.
DATA = {
    "Zarr store, OME-Zarr image": (save_zarr, save_ome),
    "Zarr store in a .zip file": (save_zip,),
    "netCDF, HDF5, folders of them": (save_netcdf, save_netcdf3, save_hdf5, save_many),
    "GRIB, files of other engines of xarray": (save_gzip, save_grib),
    "npy, folders of them": (save_npy, save_shards),
    "Parquet": (save_parquet,),
    "Arrow, Hugging Face, Lance": (save_feather, save_hugging_face, save_lance),
    "CSV": (save_csv,),
    "GeoTIFF": (save_geotiff,),
    "VRT": (save_vrt,),
    "PNG, JPEG and other images": (save_png,),
    "DataArray, Dask or NumPy array": (as_cube, in_chunks, in_memory),
    "table in memory": (as_table,),
}


def labels_in(path):
    """The labels of a file by the library of its format."""
    if path.suffix == ".zarr":
        node = zarr.open(path, mode="r")
        return (node if isinstance(node, zarr.Array) else node["labels"])[...]
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".nc":
        with h5netcdf.File(path) as file:
            return file["labels"][...]
    if path.suffix == ".parquet":
        return pq.read_table(path)["label"].to_numpy()
    with rasterio.open(path) as file:
        return file.read(1)


def feature_dim(data):
    if isinstance(data, Path):
        rasters, cubes = (".tif", ".vrt"), (".nc", ".gz", ".npy", ".h5", ".zarr", ".zip")
        wide = data.suffix in cubes or data.name in ("m", "s")
        if data.suffix == ".grib":
            return "time"
        return "band" if data.suffix in rasters else -1 if wide else None
    return -1


def enter(door, data, folder):
    """Whether a door takes the data; it then has their values."""
    try:
        if door == "ingest":
            found = np.asarray(streamkm.ingest(data, folder / "made.zarr")[...])
            assert np.array_equal(np.sort(found, axis=None), np.sort(MAP, axis=None))
        elif door == "compress":
            compress(data, folder / "archive", n_colors=256)
            shown = next(iter(Archive(folder / "archive").values()))
            assert np.array_equal(shown, MAP)
        else:
            model = streamkm.KMeans(1, feature_dim=feature_dim(data)).fit(data)
            np.testing.assert_allclose(model.cluster_centers_[0], ROWS.mean(axis=0))
    except DataError:
        return "no"
    return "yes"


def leave(suffix, data, folder):
    """Whether the labels of the data are written to a file, which then has those of NumPy."""
    model = streamkm.KMeans.from_centroids(CENTROIDS, feature_dim=feature_dim(data))
    path = folder / f"labels{suffix}"
    try:
        model.write_labels(data, path)
    except DataError:
        assert not path.exists()
        return "no"
    assert np.array_equal(labels_in(path).ravel(), WANTED.ravel())
    return "yes"


@pytest.mark.filterwarnings("ignore:the GeoTIFF has no CRS")
@pytest.mark.parametrize("name", DATA)
def test_the_doors_and_exits_of_data_are_those_of_the_table(name, tmp_path):
    wanted = {column: cell for column, cell in cells()[name].items() if cell}
    with placeless(), dask.config.set(scheduler="synchronous"):
        data = DATA[name][0](tmp_path)
        found = {door: enter(door, data, tmp_path) for door in DOORS if door in wanted}
        found |= {suffix: leave(suffix, data, tmp_path) for suffix in EXITS}
    assert found == wanted


@pytest.mark.parametrize("write", [each for several in DATA.values() for each in several[1:]])
def test_data_of_the_same_row_have_the_same_labels(write, tmp_path):
    with dask.config.set(scheduler="synchronous"):
        assert leave(".npy", write(tmp_path), tmp_path) == "yes"


def test_the_table_has_a_row_for_all_data():
    assert list(cells()) == list(DATA)
