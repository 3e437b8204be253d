"""Base class of arrays in files, which are sliced like Zarr arrays."""

from __future__ import annotations

import hashlib
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import ReadError
from streamkm.files.find import File
from streamkm.rows.damaged import damage
from streamkm.rows.formats.html import array_html, regular_chunks

Region = tuple[slice, ...]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FileArray(ABC):
    """An array in files. Every read opens the files, so threads and processes share nothing.

    Parameters
    ----------
    files : tuple of File, in the order of the values
    shape, dtype : shape, and dtype in native byte order
    chunks : shape of what is decoded together, or None if any part can be read
    dims : names of the dimensions, or None
    attrs : attributes, with the meaning of those of a Zarr array
    names : names of the features along the last axis, or None
    edges : starts of the units along the first axis if their sizes differ, and its end, or None
    """

    files: tuple[File, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None = None
    dims: tuple[str | None, ...] | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] | None = None
    edges: tuple[int, ...] | None = None

    shards: ClassVar[None] = None
    nan_is_missing: ClassVar[bool] = True  # as in an xarray.DataArray

    @abstractmethod
    def read(self, region: Region) -> AnyArray:
        """Read a region, given by a slice with a start and a stop for each axis."""

    def beside(self, name: str) -> FileArray | None:
        """Return the array of a name beside this one, such as a coordinate, or None."""
        return None

    def lengths(self, axis: int) -> tuple[int, ...] | None:
        """Return the extent of each file along an axis; None if they are not joined along it."""
        return (self.shape[axis],) if len(self.files) == 1 else None

    @property
    def label(self) -> str | None:
        """Name of the array in its files, or None if they hold a single one."""
        return None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def n_chunks(self) -> int:
        """Number of chunks; 1 without chunks."""
        return regular_chunks(self.shape, self.chunks or self.shape)

    @property
    def stamp(self) -> dict[str, Any]:
        """Properties that identify the values, without reading them; they change with the files."""
        return stamp_of_files(self.files)

    def __getitem__(self, key: Any) -> AnyArray:
        keys = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            keys[at : at + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        keys += [slice(None)] * (self.ndim - len(keys))
        plain = all(isinstance(k, slice) and k.step in (None, 1) for k in keys)
        if not plain:
            return np.asarray(self[...][tuple(keys)])
        spans = [k.indices(n)[:2] for k, n in zip(keys, self.shape, strict=True)]
        region = tuple(slice(start, max(start, stop)) for start, stop in spans)
        values = np.asarray(self.read(region))
        return values.astype(self.dtype, copy=False)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        return np.asarray(self[...], dtype)

    def __repr__(self) -> str:
        more = f" and {len(self.files) - 1:,} more" if len(self.files) > 1 else ""
        return (
            f"<{type(self).__name__}: {self.files[0].path}{more}, shape {self.shape}, {self.dtype}>"
        )

    @property
    def origin(self) -> dict[str, str]:
        """Where the values are, as text by name."""
        more = f" and {len(self.files) - 1:,} more" if len(self.files) > 1 else ""
        named = {} if self.label is None else {"array": self.label}
        return {"path": f"{self.files[0].path}{more}", **named}

    def _repr_html_(self) -> str:
        dims = self.dims or (None,) * self.ndim
        return array_html(self, dims, self.names, self.origin, self.n_chunks)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NamedArray(FileArray):
    """An array that has a name in its file.

    Parameters
    ----------
    name : name of the array
    """

    name: str

    @property
    def label(self) -> str | None:
        return self.name.lstrip("/")

    @property
    def stamp(self) -> dict[str, Any]:
        return {**super().stamp, "name": self.name}


def stamp_of_files(files: Sequence[File]) -> dict[str, Any]:
    """Return the sizes of files, and a digest of their order, names, sizes and times."""
    digest, nbytes = hashlib.sha256(), 0
    for file in files:
        with damage(file.path, OSError):
            now = File.from_info(file.fs, file.path, file.fs.info(file.path))
        digest.update(f"{file.name}\0{now.size}\0{now.stamp}\n".encode())
        nbytes += now.size
    return {"files": len(files), "bytes": nbytes, "written": digest.hexdigest()[:32]}


@contextmanager
def unchanged(file: File) -> Iterator[None]:
    """Raise an error if a local file is not the one that was opened, before and after a read.

    HDF5 and GDAL may read the bytes beyond the end of a file that is cut meanwhile as zeros.

    Raises
    ------
    ReadError
        If its size or its time of writing differs.
    """
    _check_unchanged(file)
    yield
    _check_unchanged(file)


def _check_unchanged(file: File) -> None:
    if not file.local:
        return
    try:
        there = os.stat(file.path)
    except FileNotFoundError as error:
        raise ReadError(f"{file.path} was removed after it was opened.") from error
    if there.st_size != file.size or str(there.st_mtime) != file.stamp:
        raise ReadError(
            f"{file.path} was changed after it was opened: open it again, and do not change it "
            "until the run has ended and its labels are computed."
        )
