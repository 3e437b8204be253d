"""Headers of npy files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.errors import DataError
from streamkm.files.find import File


@dataclass(frozen=True)
class NpyHeader:
    """What the header of an npy file says, and the position of the first value.

    Parameters
    ----------
    shape, dtype : shape and dtype of the array, as it is stored
    fortran : whether it is in Fortran order
    offset : bytes of the file before the values
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    offset: int

    def check_size(self, file: File) -> None:
        """Raise an error if a file does not hold all values."""
        if self.offset + math.prod(self.shape) * self.dtype.itemsize > file.size:
            raise DataError(f"{file.path} is shorter than its header says; copy it again.")


def npy_header(stream: Any, file: File) -> NpyHeader:
    """Read the header of an array.

    Parameters
    ----------
    stream : open file, at the start of the array
    file : File, for messages

    Raises
    ------
    DataError
        If it is not an npy file, or holds no rows of real numbers.
    """
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read = np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # NumPy parses the header as Python, with the errors of that
        raise DataError(f"{file.path} is not an npy file: {error}") from error
    if dtype.kind not in "buif":
        raise DataError(f"{file.path} holds {dtype}; only real numbers can be clustered.")
    if min(shape, default=0) < 0:
        raise DataError(f"{file.path} is not an npy file: its shape is {shape}.")
    if not shape:
        raise DataError(f"{file.path} holds a single number, not rows.")
    return NpyHeader(shape, dtype, fortran, stream.tell())


def refuse_unlike(file: File, one: NpyHeader, first_file: File, first: NpyHeader) -> None:
    """Raise an error for an array that cannot be joined with the first along the first axis."""
    if one.shape[1:] != first.shape[1:] or one.dtype != first.dtype:
        raise DataError(
            f"{file.path} holds {one.dtype} of shape {one.shape}, but {first_file.path} holds "
            f"{first.dtype} of {first.shape}: arrays are joined only if they agree in dtype and in "
            "all axes but the first."
        )
