"""Variables of netCDF-3 files, read by SciPy as memory maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError, ReadError
from streamkm.files.find import File
from streamkm.rows.choosing import chosen
from streamkm.rows.formats.base import FileArray, Region, check_unchanged
from streamkm.rows.formats.decoded import decoded

_NUMBERS = "biuf"


@dataclass(frozen=True, kw_only=True, eq=False)
class NetCdf3Array(FileArray):
    """A variable as it is stored.

    Parameters
    ----------
    name : name of the variable
    """

    name: str

    @property
    def stamp(self) -> dict[str, Any]:
        return {**super().stamp, "name": self.name}

    def read(self, region: Region) -> AnyArray:
        check_unchanged(self.files[0])
        with _variables(self.files[0]) as variables:
            return np.array(variables[self.name].data[region])  # a copy, so that the map is closed

    def beside(self, name: str) -> FileArray | None:
        with _variables(self.files[0]) as variables:
            found = variables.get(name)
            return None if found is None else _described(self.files[0], name, found)


def open_netcdf3(files: Sequence[File], name: str | None) -> FileArray:
    """Open the variable of a name in a file, or its only variable of data.

    Raises
    ------
    DataError
        If there is no such variable, or there are several; the message lists them.
    """
    (file,) = files
    with _variables(file) as variables:
        arrays = {
            key: _described(file, key, each)
            for key, each in variables.items()
            if each.data.dtype.kind in _NUMBERS
        }
    if name is not None and name in arrays:
        return decoded(arrays[name])
    picked: FileArray = chosen(file.path, arrays, name, lambda: arrays, "file")
    return decoded(picked)


def find_netcdf3(files: Sequence[File], name: str) -> FileArray | None:
    """Return the variable of a name in a file, or None."""
    with _variables(files[0]) as variables:
        there = name in variables
    return open_netcdf3(files, name) if there else None


@contextmanager
def _variables(file: File) -> Iterator[Any]:
    """Open a file; no reference to a variable may remain when it is closed."""
    from scipy.io import netcdf_file

    if not file.local:
        raise DataError(f"{file.path} is a netCDF-3 file, which is read on this machine: copy it.")
    try:
        opened = netcdf_file(file.path, "r", mmap=True, maskandscale=False)
    except (TypeError, ValueError, OSError) as error:
        raise ReadError(f"{file.path} cannot be read as netCDF-3: {error}.") from error
    with opened:
        variables = dict(opened.variables)
        yield variables
        variables.clear()


def _described(file: File, name: str, variable: Any) -> NetCdf3Array:
    attributes = {key: _plain(value) for key, value in variable._attributes.items()}
    return NetCdf3Array(
        files=(file,),
        shape=tuple(variable.shape),
        dtype=variable.data.dtype.newbyteorder("="),
        dims=tuple(variable.dimensions),
        attrs=attributes,
        name=name,
    )


def _plain(value: Any) -> Any:
    """Return an attribute as text, a number, or a list, in native byte order."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, np.ndarray):
        native = value.astype(value.dtype.newbyteorder("=")).ravel()
        return native[0] if native.size == 1 else list(native)
    if isinstance(value, np.generic):
        return value.astype(value.dtype.newbyteorder("="))
    return value
