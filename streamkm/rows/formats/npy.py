"""NumPy's npy files: one array, or several joined along the first axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.files.find import File
from streamkm.files.npy import NpyHeader, npy_header, refuse_unlike
from streamkm.rows.formats.base import FileArray, Region, unchanged
from streamkm.rows.formats.joined import joined


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NpyArray(FileArray):
    """An array in an npy file.

    A local file is mapped into memory for the length of a read; of others, the rows are read.

    Parameters
    ----------
    header : NpyHeader
    """

    header: NpyHeader

    nan_is_missing: ClassVar[bool] = False  # as in an ndarray

    def read(self, region: Region) -> AnyArray:
        (file,), header = self.files, self.header
        if file.local:
            order: Any = "F" if header.fortran else "C"
            with unchanged(file):
                view = np.memmap(
                    file.path, header.dtype, "r", header.offset, shape=self.shape, order=order
                )
                return np.array(view[region])  # a copy, so that the file is unmapped
        rows, *inner = region
        width = math.prod(self.shape[1:]) * header.dtype.itemsize
        nbytes = (rows.stop - rows.start) * width
        with file.open() as stream:
            stream.seek(header.offset + rows.start * width)
            content = stream.read(nbytes)
        if len(content) < nbytes:
            raise DataError(f"{file.path} is shorter than its header says; copy it again.")
        values = np.frombuffer(content, header.dtype).reshape(-1, *self.shape[1:])
        return values[(slice(None), *inner)]


def open_npy(files: Sequence[File], name: str | None) -> FileArray:
    """Open npy files as one array, joined along the first axis in the order of the files.

    Raises
    ------
    DataError
        If a file is damaged, or the arrays differ in dtype or in another axis than the first.
    """
    if name is not None:
        raise DataError(f"{files[0].path} is a single array; leave out the variable {name!r}.")
    parts = [_opened(file) for file in files]
    for part in parts[1:]:
        refuse_unlike(part.files[0], part.header, files[0], parts[0].header)
    return joined(parts, 0)


def find_npy(files: Sequence[File], name: str) -> None:
    """Return None: an npy file holds no arrays with names."""


def _opened(file: File) -> NpyArray:
    with file.open() as stream:
        header = npy_header(stream, file)
    if header.fortran and len(header.shape) == 1:
        header = replace(header, fortran=False)
    if header.fortran and not file.local:
        raise DataError(
            f"{file.path} is in Fortran order, which is supported for files on this machine only: "
            "save it with numpy.ascontiguousarray, or copy it."
        )
    header.check_size(file)
    dtype = header.dtype.newbyteorder("=")
    return NpyArray(files=(file,), shape=header.shape, dtype=dtype, header=header)
