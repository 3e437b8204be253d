"""Variables of netCDF-3 files, read by SciPy as memory maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError, ReadError
from streamkm.files.find import File
from streamkm.rows.choosing import chosen
from streamkm.rows.formats.base import FileArray, NamedArray, Region, unchanged
from streamkm.rows.formats.decoded import decoded_file
from streamkm.rows.formats.many import open_many
from streamkm.rows.formats.unwritten import unwritten

_NUMBERS = "biuf"
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NetCdf3Array(NamedArray):
    """A variable as it is stored."""

    def read(self, region: Region) -> AnyArray:
        with unchanged(self.files[0]):
            return _using(self.files[0], lambda found: np.array(found[self.name].data[region]))

    def beside(self, name: str) -> FileArray | None:
        return _arrays(self.files[0]).get(name)


def open_netcdf3(files: Sequence[File], name: str | None) -> FileArray:
    """Open the variable of a name, or the only variable of data, in one file or in several.

    Raises
    ------
    DataError
        If there is no such variable, or there are several; the message lists them.
    """
    return open_many(files, name, _open_one)


def _open_one(file: File, name: str | None) -> FileArray:
    arrays = _arrays(file)
    if name is not None and name in arrays:
        return decoded_file(arrays[name])
    picked = chosen(file.path, arrays, name, lambda: arrays, "file")
    return decoded_file(picked)


def find_netcdf3(files: Sequence[File], name: str) -> FileArray | None:
    """Return the variable of a name in a file, or None."""
    return open_netcdf3(files, name) if name in _arrays(files[0]) else None


def _arrays(file: File) -> dict[str, NetCdf3Array]:
    """The variables of numbers by name."""

    def described(variables: Mapping[str, Any]) -> dict[str, NetCdf3Array]:
        pairs = variables.items()
        found = {name: each for name, each in pairs if each.data.dtype.kind in _NUMBERS}
        return {name: _described(file, name, each) for name, each in found.items()}

    return _using(file, described)


def _using(file: File, call: Callable[[Mapping[str, Any]], T]) -> T:
    """Return the result of a call with the variables of a file.

    The file is mapped into memory, so the result must not refer to a variable.
    """
    from scipy.io import netcdf_file

    if not file.local:
        raise DataError(f"{file.path} is a netCDF-3 file, which is read on this machine: copy it.")
    try:
        opened = netcdf_file(file.path, "r", mmap=True, maskandscale=False)
    except (TypeError, ValueError, OSError) as error:
        raise ReadError(f"{file.path} cannot be read as netCDF-3: {error}.") from error
    with opened:
        return call(opened.variables)


def _described(file: File, name: str, variable: Any) -> NetCdf3Array:
    attributes = {key: _plain(value) for key, value in variable._attributes.items()}
    dtype = variable.data.dtype.newbyteorder("=")
    return NetCdf3Array(
        files=(file,),
        shape=tuple(variable.shape),
        dtype=dtype,
        dims=tuple(variable.dimensions),
        attrs=attributes | unwritten(dtype, attributes),
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
