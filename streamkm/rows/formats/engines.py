"""Variables of files that an engine of xarray reads, such as cfgrib for GRIB."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import import_module
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError, ReadError
from streamkm.files.find import File, need
from streamkm.files.names import IMAGES
from streamkm.rows.choosing import chosen
from streamkm.rows.formats.base import FileArray, NamedArray, Region, unchanged
from streamkm.rows.formats.held import HeldArray
from streamkm.rows.formats.many import open_many

_NUMBERS = "biuf"
_OPEN = 64  # files that are kept open; cfgrib reads the whole file to open it
_FIELD = ("latitude", "longitude", "y", "x", "values")  # dimensions of a GRIB message
_GRIB = "cfgrib"
# Engines of formats that are read without xarray, and of stores.
_OWN = {"store", "zarr", "h5netcdf", "netcdf4"}
# Zarr stores, and files that are read by ingest; rioxarray's engine claims images.
_OTHERS = (".zip", ".csv", ".tsv", ".npz", *IMAGES)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EngineArray(NamedArray):
    """A variable with the values that xarray decodes.

    Parameters
    ----------
    engine : name of the engine
    """

    engine: str

    def read(self, region: Region) -> AnyArray:
        (file,) = self.files
        with unchanged(file):
            part = _opened(file, self.engine)[self.name][region]
            try:
                return np.asarray(part.values)
            except MemoryError:
                raise
            except Exception as error:  # engines have errors of their own
                raise _unread(file, self.engine, error) from error

    def beside(self, name: str) -> FileArray | None:
        data = _opened(self.files[0], self.engine)
        if name not in data.variables:
            return None
        if data[name].ndim > 1 and data[name].dtype.kind in _NUMBERS:  # may be as large as the rows
            return _described(self.files[0], self.engine, name, data[name])
        return _held(self.files, data[name])


def engine_of(file: File) -> str | None:
    """Return the name of the installed engine of xarray that claims a local file, or None."""
    name = file.name.lower()
    if not file.local or "." not in name or name.endswith(_OTHERS):
        return None
    for engine, backend in _xarray().backends.list_engines().items():
        with suppress(Exception):  # engines have errors of their own
            if engine not in _OWN and backend.guess_can_open(file.path):
                return str(engine)
    return None


def open_by_engine(engine: str, files: Sequence[File], name: str | None) -> FileArray:
    """Open the variable of a name, or the only one of data, in one file or in several.

    Raises
    ------
    DataError
        If there is no such variable, or there are several; the message lists them.
    ReadError
        If the engine cannot open a file.
    """
    return open_many(files, name, partial(_open_one, engine))


def find_by_engine(engine: str, files: Sequence[File], name: str) -> FileArray | None:
    """Return the variable of a name, or None."""
    there = name in _opened(files[0], engine).variables
    return open_by_engine(engine, files, name) if there else None


def _open_one(engine: str, file: File, name: str | None) -> FileArray:
    data = _opened(file, engine)
    variables = data.data_vars if name is None else data.variables
    numeric = [key for key in variables if data[key].dtype.kind in _NUMBERS]
    arrays = {str(key): _described(file, engine, str(key), data[key]) for key in numeric}
    if name is not None and name in arrays:
        return arrays[name]
    found: EngineArray = chosen(file.path, arrays, name, lambda: arrays, "file")
    return found


@lru_cache(_OPEN)
def _dataset(path: str, size: int, stamp: str, engine: str) -> Any:
    """Open a file once in each process; one that was written again is another file."""
    # cfgrib would write an index beside the file.
    options = {"indexpath": ""} if engine == _GRIB else {}
    return _xarray().open_dataset(path, engine=engine, **options)


def _xarray() -> Any:
    """Import xarray; it imports all engines when it looks for one.

    Wheels of ecCodes abort the process at its end if pyproj, which rioxarray imports, is loaded
    after them (version 2.50).
    """
    with suppress(ImportError):
        import_module("pyproj")
    return import_module("xarray")


def _opened(file: File, engine: str) -> Any:
    if engine == _GRIB:
        _xarray()
        need(_GRIB, "GRIB files")
    if not file.local:
        raise DataError(f"{file.path} is read by {engine} on this machine only: copy it.")
    try:
        return _dataset(file.path, file.size, file.stamp, engine)
    except MemoryError:
        raise
    except Exception as error:  # engines have errors of their own
        raise _unread(file, engine, error) from error


def _unread(file: File, engine: str, error: Exception) -> ReadError:
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    return ReadError(f"{file.path} cannot be read by the engine {engine!r} of xarray: {reason}.")


def _described(file: File, engine: str, name: str, variable: Any) -> EngineArray:
    beside = [str(key) for key in variable.coords if key not in variable.dims]
    return EngineArray(
        files=(file,),
        shape=tuple(variable.shape),
        dtype=variable.dtype.newbyteorder("="),
        chunks=_chunks(variable),
        dims=tuple(map(str, variable.dims)),
        attrs={**variable.attrs, **({"coordinates": " ".join(beside)} if beside else {})},
        name=name,
        engine=engine,
    )


def _chunks(variable: Any) -> tuple[int, ...] | None:
    """Return the chunks that the engine prefers: those of GRIB are its messages."""
    preferred = variable.encoding.get("preferred_chunks")
    if variable.chunks:
        preferred = dict(zip(variable.dims, variable.chunks, strict=True))
    elif not preferred and any(str(name).startswith("GRIB_") for name in variable.attrs):
        preferred = {dim: 1 for dim in variable.dims if dim not in _FIELD}
    elif not preferred:
        return None
    sizes = zip(variable.dims, variable.shape, strict=True)
    chunks = (np.max(preferred.get(dim, n)) if n else 1 for dim, n in sizes)
    return tuple(max(1, int(size)) for size in chunks) if math.prod(variable.shape) else None


def _held(files: tuple[File, ...], variable: Any) -> FileArray:
    """Return a coordinate in memory; times are numbers with units, as in stores."""
    values, attrs = np.asarray(variable.values), dict(variable.attrs)
    if values.dtype.kind in "mM":
        span = values.dtype.kind == "m"
        values = values.astype("m8[ns]" if span else "M8[ns]").astype(np.int64)
        attrs |= (
            {"units": "nanoseconds", "dtype": "timedelta64[ns]"}
            if span
            else {"units": "nanoseconds since 1970-01-01", "calendar": "proleptic_gregorian"}
        )
    return HeldArray.of(files, tuple(map(str, variable.dims)), values, attrs)
