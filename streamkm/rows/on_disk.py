"""Arrays in files that are sliced like arrays in memory: memory maps and HDF5 datasets."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Mapped:
    """A memory-mapped array, or a view of one, that is mapped anew for every block.

    So no more of the file is in memory than the blocks that are read, and another process is sent
    the path instead of the values.

    Parameters
    ----------
    path : of the file, which every process that reads must see
    shape, dtype, strides : of the view
    offset : bytes of the file before its first value
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    strides: tuple[int, ...]
    offset: int

    chunks = shards = None

    @classmethod
    def of(cls, array: npt.NDArray[Any]) -> Mapped | None:
        """The array as one in a file; None where it lies in memory.

        In memory are maps that are copied on writing, and those whose file has no name any more.
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
        return cls(path, array.shape, array.dtype, array.strides, offset)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def stamp(self) -> dict[str, Any]:
        """What tells it from another, without reading it."""
        return {**_stamp(self.path), "offset": self.offset, "strides": list(self.strides)}

    def __getitem__(self, region: Any) -> npt.NDArray[Any]:
        file = np.memmap(self.path, np.uint8, mode="r")
        view = np.ndarray(self.shape, self.dtype, file, self.offset, self.strides)
        return np.array(view[region])  # the map ends here, and its pages count no more

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[...], dtype)


@dataclass(frozen=True)
class Hdf5:
    """A dataset of an HDF5 file, read through h5py; another process opens the file itself.

    Parameters
    ----------
    path, name : of the file, and of the dataset in it
    shape, dtype, chunks : of the dataset
    dataset : the open one, in this process
    """

    path: str
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None
    dataset: Any = field(default=None, compare=False, repr=False)

    shards = None

    @classmethod
    def of(cls, dataset: Any) -> Hdf5:
        """From an open `h5py.Dataset`."""
        path, name = str(dataset.file.filename), str(dataset.name)
        return cls(path, name, tuple(dataset.shape), dataset.dtype, dataset.chunks, dataset)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def stamp(self) -> dict[str, Any]:
        """What tells it from another, without reading it."""
        return {**_stamp(self.path), "name": self.name}

    def __getitem__(self, region: Any) -> npt.NDArray[Any]:
        return np.asarray(self.dataset[region])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[...], dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.path, self.name)


def _reopened(path: str, name: str) -> Hdf5:
    import h5py  # loaded by whoever opened the file

    return Hdf5.of(h5py.File(path, "r")[name])


def _stamp(path: str) -> dict[str, Any]:
    if not os.path.exists(path):  # an HDF5 file in memory
        return {}
    there = os.stat(path)
    return {"bytes": there.st_size, "written": there.st_mtime_ns}
