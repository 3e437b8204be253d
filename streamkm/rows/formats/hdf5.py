"""Datasets of HDF5 and netCDF-4 files, read by h5py."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError, ReadError, StreamkmError
from streamkm.files.find import File, need
from streamkm.rows.choosing import chosen
from streamkm.rows.formats.base import FileArray, NamedArray, Region, unchanged
from streamkm.rows.formats.decoded import decoded_file
from streamkm.rows.formats.many import open_many
from streamkm.rows.formats.unwritten import unwritten

_NUMBERS = "biuf"
_ERRNO = re.compile(r"errno = (\d+)")  # in messages of the HDF5 library
# Attributes by which HDF5 and netCDF store dimensions.
_OF_DIMENSIONS = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS"}
# netCDF's prefix of a variable that has the name of a dimension, but is not its coordinate.
_NOT_A_COORDINATE = "_nc4_non_coord_"
_LENGTH_ONLY = "This is a netCDF dimension but not a netCDF variable"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Hdf5Array(NamedArray):
    """A dataset as it is stored, whose name is its path in the file."""

    def read(self, region: Region) -> AnyArray:
        (file,) = self.files
        with unchanged(file), _opened(file) as opened:
            return np.asarray(opened[self.name][region])

    def beside(self, name: str) -> FileArray | None:
        (file,) = self.files
        group = self.name.rpartition("/")[0]
        with _opened(file) as opened:
            found = _dataset(opened[group or "/"], name)
            known = found is not None and _has_values(found)
            return _described(file, found) if known else None


def open_hdf5(files: Sequence[File], name: str | None) -> FileArray:
    """Open the dataset of a name, or the only dataset of data, in one file or in several.

    Raises
    ------
    DataError
        If there is no such dataset, or there are several; the message lists them.
    """
    return open_many(files, name, _open_one)


def _open_one(file: File, name: str | None) -> FileArray:
    with _opened(file) as opened:
        found = None if name is None else _variable(opened, name)
        if found is None:
            arrays = {key: _described(file, each) for key, each in _datasets(opened)}
            inside = {key: array for key, array in arrays.items() if "/" not in key}
            picked = chosen(file.path, inside, name, lambda: arrays, "file")
            return decoded_file(picked)
        if found.shape is None:
            raise DataError(f"{file.path}: {name!r} is an empty dataset, without a shape.")
        if found.dtype.kind not in _NUMBERS:
            raise DataError(
                f"{file.path}: {name!r} holds {found.dtype}; only real numbers can be clustered."
            )
        return decoded_file(_described(file, found))


def find_hdf5(files: Sequence[File], name: str) -> FileArray | None:
    """Return the dataset of a name in a file, or None."""
    with _opened(files[0]) as opened:
        there = _variable(opened, name) is not None
    return open_hdf5(files, name) if there else None


@contextmanager
def _opened(file: File) -> Iterator[Any]:
    h5py = need("h5py", "HDF5 and netCDF-4 files")
    own = nullcontext(file.path) if file.local else file.open()
    with _system_errors(file), own as source, _as_hdf5(h5py, source, file) as opened:
        yield opened


@contextmanager
def _system_errors(file: File) -> Iterator[None]:
    """Convert errors of the system, of which h5py makes exceptions of many types.

    Raises
    ------
    ReadError
    """
    try:
        yield
    except StreamkmError:
        raise
    except Exception as error:
        number = _ERRNO.search(str(error))
        if number is None:
            raise
        reason = os.strerror(int(number[1]))
        raise ReadError(f"{file.path} cannot be read: {reason}.") from error


def _as_hdf5(h5py: Any, source: Any, file: File) -> Any:
    try:
        return h5py.File(source, "r")
    except BlockingIOError as error:
        raise ReadError(
            f"{file.path} is open for writing in another process: close it there."
        ) from error
    except OSError as error:
        raise ReadError(f"{file.path} cannot be read as HDF5: {error}.") from error


def _dataset(group: Any, name: str) -> Any:
    """Return the dataset of a name in a group, or None."""
    import h5py

    found = group[name] if _is_name_in(group, name) else None
    return found if isinstance(found, h5py.Dataset) else None


def _variable(opened: Any, name: str) -> Any:
    """Return the dataset of a name; one that netCDF stores under another name has priority."""
    above, _, own = name.rpartition("/")
    hidden = _dataset(opened, f"{above}/{_NOT_A_COORDINATE}{own}".lstrip("/"))
    return _dataset(opened, name) if hidden is None else hidden


def _is_name_in(group: Any, name: str) -> bool:
    """Return whether there is an object of a name; a failed read is an error."""
    try:
        return name in group
    except ValueError:  # such as an empty name
        return False


def _datasets(opened: Any) -> Iterator[tuple[str, Any]]:
    """Yield the datasets of numbers in all groups."""
    import h5py

    found: list[tuple[str, Any]] = []

    def see(name: str, node: Any) -> None:
        numeric = isinstance(node, h5py.Dataset) and node.dtype.kind in _NUMBERS
        if numeric and _has_values(node):
            found.append((name, node))

    opened.visititems(see)
    yield from found


def _has_values(dataset: Any) -> bool:
    """Return whether a dataset has a shape, and is more than the length of a netCDF dimension."""
    return dataset.shape is not None and not str(_plain(dataset.attrs.get("NAME", ""))).startswith(
        _LENGTH_ONLY
    )


def _described(file: File, dataset: Any) -> Hdf5Array:
    return Hdf5Array(
        files=(file,),
        shape=tuple(dataset.shape),
        dtype=dataset.dtype.newbyteorder("="),
        chunks=dataset.chunks,
        dims=_dims(dataset),
        attrs=_with_fill(dataset, _attributes(dataset)),
        name=dataset.name,
    )


def _dims(dataset: Any) -> tuple[str | None, ...] | None:
    """Return the names of the dimension scales, or the labels of the dimensions."""
    if dataset.is_scale and dataset.ndim == 1:
        return (dataset.name.rpartition("/")[2],)
    names: list[str | None] = []
    for dim in dataset.dims:
        scale = dim[0].name if len(dim) else None
        names.append(scale.rpartition("/")[2] if scale else dim.label or None)
    return tuple(names) if any(names) else None


def _attributes(dataset: Any) -> Mapping[str, Any]:
    found = {}
    for name in dataset.attrs:
        if name in _OF_DIMENSIONS or name.startswith("_Netcdf4"):
            continue
        with suppress(OSError, TypeError, ValueError):  # types that h5py cannot read
            found[name] = _plain(dataset.attrs[name])
    return found


def _with_fill(dataset: Any, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return attributes with the fill value that the netCDF library gives to a dataset."""
    import h5py

    found = unwritten(dataset.dtype, attributes)
    defined = dataset.id.get_create_plist().fill_value_defined()
    if not found or defined != h5py.h5d.FILL_VALUE_USER_DEFINED:
        return attributes
    same = dataset.fillvalue == dataset.dtype.type(found["_FillValue"])
    return {**attributes, **found} if same else attributes


def _plain(value: Any) -> Any:
    """Return an attribute as text, a NumPy number, or a list."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, np.ndarray):
        return _plain(value.ravel()[0]) if value.size == 1 else [_plain(v) for v in value.ravel()]
    return value
