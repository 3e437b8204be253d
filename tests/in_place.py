"""The same rows in small files of every format that is read in place."""

from __future__ import annotations

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xarray as xr

N, D = 900, 3
RNG = np.random.default_rng(0)
X = (RNG.integers(0, 4, (N, 1)) * 9 + RNG.normal(size=(N, D))).astype("f4")


def in_shards(folder, values=X, edges=(0, 250, 250, 600, N)):
    folder.mkdir()
    for number in range(len(edges) - 1):
        np.save(folder / f"{number:02}.npy", values[edges[number] : edges[number + 1]])
    (folder / "notes.txt").write_text("other files are ignored")
    return folder


def table_of(x=X, names="abc"):
    return pa.table(
        {"id": [f"r{row}" for row in range(len(x))], **dict(zip(names, x.T, strict=True))}
    )


def write_npy(folder):
    np.save(folder / "x.npy", X)
    return folder / "x.npy", X, None


def write_shards(folder):
    return in_shards(folder / "shards"), X, None


def write_hdf5(folder):
    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("rows", data=X, chunks=(90, D), compression="gzip")
    return folder / "x.h5", X, (90, D)


def write_netcdf(folder):
    how = {"dtype": "i2", "scale_factor": 0.01, "_FillValue": -999, "chunksizes": (90, D)}
    data = xr.Dataset({"rows": (("row", "band"), X)})
    data.to_netcdf(folder / "x.nc", engine="h5netcdf", encoding={"rows": how})
    with xr.open_dataset(folder / "x.nc", engine="h5netcdf") as found:
        return folder / "x.nc", found.rows.values, (90, D)


def write_netcdf3(folder):
    data = xr.Dataset({"rows": (("row", "band"), X)})
    data.to_netcdf(folder / "x.nc", engine="scipy", unlimited_dims=["row"])
    return folder / "x.nc", X, None


def write_parquet(folder):
    (folder / "t").mkdir()
    for number, start in enumerate(range(0, N, 450)):
        part = table_of().slice(start, 450)
        pq.write_table(part, folder / "t" / f"{number}.parquet", row_group_size=90)
    return folder / "t", X, (90, D)


WRITERS = {
    "parquet": write_parquet,
    "npy": write_npy,
    "shards": write_shards,
    "hdf5": write_hdf5,
    "netcdf": write_netcdf,
    "netcdf3": write_netcdf3,
}
