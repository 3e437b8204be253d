"""Arrays in files that are sliced like arrays in memory: memory maps and HDF5 datasets."""

from __future__ import annotations

import mmap
import os
import platform
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import ReadError

Identity: TypeAlias = tuple[str, int, int]  # the machine, the file system, and the file

_MAPS = "/proc/self/maps"
_PAGE, _PAGES = 4096, 64


@dataclass(frozen=True)
class Mapped:
    """A memory-mapped array, or a view of one, that is mapped again for every block.

    Memory holds only the blocks that are read, and other processes receive the path instead of the
    values.

    Parameters
    ----------
    path : path of the file, which every reading process must be able to access
    shape, dtype, strides : shape, dtype and strides of the view
    offset : bytes of the file before the first value
    identity : identity of the file, which detects another file under the same name
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    strides: tuple[int, ...]
    offset: int
    identity: Identity

    chunks = shards = None

    @classmethod
    def from_array(cls, array: AnyArray) -> Mapped | None:
        """Create the mapping from an array, or return None if the array is in memory.

        Copy-on-write maps count as memory, and so do maps whose file has been deleted or
        replaced under its name.
        """
        root: Any = array
        while isinstance(root, np.ndarray) and not isinstance(root.base, mmap.mmap):
            root = root.base
        if not isinstance(root, np.memmap) or root.filename is None or root.mode == "c":
            return None
        path = os.fspath(root.filename)
        first, start = array.__array_interface__["data"][0], root.__array_interface__["data"][0]
        offset = root.offset + first - start
        reach = [(n - 1) * step for n, step in zip(array.shape, array.strides, strict=True)]
        end = offset + sum(max(r, 0) for r in reach) + array.itemsize
        if array.size == 0 or not os.path.exists(path) or os.path.getsize(path) < end:
            return None
        if _is_other(path, root, start):
            return None
        return cls(path, array.shape, array.dtype, array.strides, offset, _identity(path))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def stamp(self) -> dict[str, Any]:
        """Properties that identify the array, without reading it."""
        return {**_stamp(self.path), "offset": self.offset, "strides": list(self.strides)}

    def __getitem__(self, region: Any) -> AnyArray:
        with open(self.path, "rb") as opened:
            _check_identity(self.path, self.identity, opened.fileno())
            file = np.memmap(opened, np.uint8, mode="r")
        view = np.ndarray(self.shape, self.dtype, file, self.offset, self.strides)
        return np.array(view[region])  # unmaps the file, so that its pages are not counted

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        return np.asarray(self[...], dtype)


@dataclass(frozen=True)
class Hdf5:
    """A dataset of an HDF5 file, read by h5py; other processes open the file themselves.

    Parameters
    ----------
    path, name : path of the file, and name of the dataset
    shape, dtype, chunks : shape, dtype and chunks of the dataset
    identity : identity of the file, which detects another file under the same name
    dataset : the open dataset in this process
    """

    path: str
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None
    identity: Identity | None = None
    dataset: Any = field(default=None, compare=False, repr=False)

    shards = None

    @classmethod
    def from_dataset(cls, dataset: Any) -> Hdf5:
        """Create it from an open `h5py.Dataset`."""
        path, name = str(dataset.file.filename), str(dataset.name)
        identity = _identity(path) if os.path.exists(path) else None  # None for a file in memory
        kind = tuple(dataset.shape), dataset.dtype, dataset.chunks
        return cls(path, name, *kind, identity, dataset)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def stamp(self) -> dict[str, Any]:
        """Properties that identify the array, without reading it."""
        return {**_stamp(self.path), "name": self.name}

    def __getitem__(self, region: Any) -> AnyArray:
        if self.dataset:  # the file is open
            return np.asarray(self.dataset[region])
        import h5py  # already imported by the caller

        _check_identity(self.path, self.identity, self.path)
        try:
            with h5py.File(self.path, "r") as file:
                return np.asarray(file[self.name][region])
        except BlockingIOError as error:
            raise ReadError(
                f"{self.path} is open for writing, so other processes cannot read it: open it with "
                "h5py.File(path, 'r'), or compute on threads."
            ) from error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        return np.asarray(self[...], dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return Hdf5, (self.path, self.name, self.shape, self.dtype, self.chunks, self.identity)


def _identity(file: str | int) -> Identity:
    there = os.stat(file)
    return platform.node(), there.st_dev, there.st_ino


def _check_identity(path: str, identity: Identity | None, file: str | int) -> None:
    """Raise an error if the file was replaced; other machines may have their own copies."""
    if identity is not None and identity[0] == platform.node() and identity != _identity(file):
        raise ReadError(
            f"{path} was replaced by another file after it was opened: open it again, and do not "
            "replace it until the fit has ended and its labels are computed."
        )


def _is_other(path: str, root: Any, address: int) -> bool:
    """Return whether the file with this name is not the mapped file.

    Linux reports this for a mapping. On other systems pages of both are compared.
    """
    if os.path.exists(_MAPS):
        with open(_MAPS, errors="replace") as maps:
            for line in maps:
                begin, _, rest = line.partition("-")
                if int(begin, 16) <= address < int(rest.split()[0], 16):
                    return line.rstrip().endswith(" (deleted)")
    held = np.frombuffer(root.base, np.uint8)
    first = root.offset - root.offset % mmap.ALLOCATIONGRANULARITY
    there = np.memmap(path, np.uint8, mode="r")[first : first + len(held)]
    places = np.linspace(0, max(0, len(held) - _PAGE), _PAGES).astype(np.int64)
    parts = ((held[p : p + _PAGE], there[p : p + _PAGE]) for p in places)
    return not all(np.array_equal(one, two) for one, two in parts)


def _stamp(path: str) -> dict[str, Any]:
    if not os.path.exists(path):  # an HDF5 file in memory
        return {}
    there = os.stat(path)
    return {"bytes": there.st_size, "written": there.st_mtime_ns}
