"""Readers of the outputs of commands, and digests of their values."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np

from tests import flips


def digest(outputs):
    """Print a digest of the outputs of a run in this folder; those that are not there are absent.

    A reader that refuses an output prints so.
    """
    for name, kind in outputs.items():
        path = Path(name)
        print(name, _digest(path, kind) if path.exists() else "absent")
    return 0


def _digest(path, kind):
    warnings.simplefilter("ignore")
    try:
        found = flips.bits(_READERS[kind](path))
    except Exception as error:
        return f"refused by {type(error).__name__}"
    return hashlib.sha256(repr(found).encode()).hexdigest()


def _read_model(path):
    import streamkm

    found = dict(vars(streamkm.load_model(path)))
    # Times and a random identity; and what the run read, which is less after labels that failed.
    for name in ("fit", "cost", "parameters", "versions", "n_passes", "bytes_read", "reads"):
        found.pop(name)
    return found


def _read_zarr(path):
    import zarr

    found = zarr.open(zarr.storage.LocalStore(path, read_only=True), mode="r")
    if isinstance(found, zarr.Array):
        return found[...]
    return {name: found[name][...] for name in sorted(found.array_keys())}


def _read_sweep(path):
    import streamkm

    found = streamkm.open_sweep(path)
    values = {str(name): found[name].values for name in sorted(map(str, found.variables))}
    return values, [streamkm.centroids_of(path, k) for k in (1, 2, 3)]


def _read_quantizer(path):
    import streamkm

    found = vars(streamkm.load(path)._known)
    return {name: found[name] for name in ("codewords", "coarse", "inertia")}


def _read_files(path):
    from PIL import Image

    return {str(file): np.asarray(Image.open(file)) for file in sorted(path.rglob("*.png"))}


def _read_netcdf(path):
    import xarray

    with xarray.open_dataset(path, decode_cf=False) as found:
        return {str(name): found[name].values for name in sorted(map(str, found.variables))}


def _read_parquet(path):
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path).to_pydict()


def _read_raster(path):
    import rasterio

    with rasterio.open(path) as found:
        return found.read()


_READERS = {
    "model": _read_model,
    "labels": _read_zarr,
    "rows": _read_zarr,
    "npy": lambda path: np.load(path),
    "netcdf": _read_netcdf,
    "parquet": _read_parquet,
    "geotiff": _read_raster,
    "sweep": _read_sweep,
    "archive": flips._read_archive,
    "quantizer": _read_quantizer,
    "partition": flips._read_partition,
    "files": _read_files,
}
