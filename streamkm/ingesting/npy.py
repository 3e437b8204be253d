"""NumPy's files: npy, and one array of npz, concatenated along the first axis."""

from __future__ import annotations

import zipfile
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.files.find import File
from streamkm.files.npy import NpyHeader, npy_header, refuse_unlike
from streamkm.ingesting.registry import SourceRequest, register
from streamkm.ingesting.source import Form, Piece, Region


@dataclass(frozen=True)
class _Part:
    """One array in a file."""

    file: File
    header: NpyHeader

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array; numbers in one dimension are rows of one feature."""
        shape = self.header.shape
        return shape if len(shape) > 1 else (*shape, 1)


@register(
    "npy",
    suffixes=(".npy",),
    summary="(row, ..., feature), files joined along the first axis; read by seeking",
)
class Npy:
    """Arrays of npy files that agree in all axes but the first.

    They are read by seeking, not by memory mapping. This works for files, URLs and members of an
    npz alike, and a truncated file causes an error instead of a signal.

    Parameters
    ----------
    request : SourceRequest
        The dtype of the store is that of the arrays by default.
    """

    def __init__(self, request: SourceRequest) -> None:
        self.skipped: list[str] = []
        self._variable = request.options.variable
        self._files = ExitStack()
        self._opened: tuple[_Part | None, Any] = None, None
        self._parts = [self._part(file) for file in request.files]
        first = self._parts[0]
        for part in self._parts[1:]:
            refuse_unlike(part.file, part.header, first.file, first.header)
        n, row_shape = sum(part.shape[0] for part in self._parts), first.shape[1:]
        middle = tuple(f"dim_{axis}" for axis in range(1, len(row_shape)))
        self.form = Form(
            "x",
            ("row", *middle, "feature"),
            n,
            row_shape,
            first.header.dtype.newbyteorder("="),
            features=(len(row_shape),),
            grain=(*(1 for _ in row_shape), row_shape[-1]),
        )

    def _part(self, file: File) -> _Part:
        with ExitStack() as closing:
            stream = self._open(file, closing)
            part = _Part(file, npy_header(stream, file))
        local = self._is_plain(file)
        if part.header.fortran and not local:
            raise DataError(
                f"{file.path} is in Fortran order, which is supported for local npy files only: "
                "save it with numpy.ascontiguousarray."
            )
        if local:
            part.header.check_size(file)
        return part

    def read(self, region: Region) -> Piece:
        rows, *inner = region
        shape = tuple(s.stop - s.start for s in region)
        values = np.empty(shape, self._parts[0].header.dtype)
        first = 0
        for part in self._parts:
            start, stop = max(rows.start, first), min(rows.stop, first + part.shape[0])
            if start < stop:
                within = (slice(start - first, stop - first), *inner)
                self._fill(values[start - rows.start : stop - rows.start], part, within)
            first += part.shape[0]
        return Piece(values)

    def _fill(self, values: AnyArray, part: _Part, region: Region) -> None:
        """Read a region, which is contiguous in C order (ensured by `plan`)."""
        if part.header.fortran:
            values[...] = np.load(part.file.path, mmap_mode="r")[region]
            return
        if self._opened[0] is not part:
            self.close()
            self._opened = part, self._open(part.file, self._files)
        stream = self._opened[1]
        number = np.ravel_multi_index([s.start for s in region], part.shape)
        stream.seek(part.header.offset + int(number) * part.header.dtype.itemsize)
        left = memoryview(values.reshape(-1).view(np.uint8).data)
        while len(left):
            some = stream.readinto(left)
            if not some:
                raise DataError(f"{part.file.path} is shorter than its header says; copy it again.")
            left = left[some:]

    def close(self) -> None:
        self._opened = None, None
        self._files.close()

    def _is_plain(self, file: File) -> bool:
        """Return whether a file is an array on this machine, of known size."""
        return file.local

    def _open(self, file: File, closing: ExitStack) -> Any:
        """Open the array as a file."""
        return closing.enter_context(file.open())


@register(
    "npz",
    suffixes=(".npz",),
    summary="as npy; `--variable` selects one of several arrays",
    options=("variable",),
)
class Npz(Npy):
    """One array of each npz file, as for `Npy`; the option `variable` names it."""

    def _is_plain(self, file: File) -> bool:
        return False

    def _open(self, file: File, closing: ExitStack) -> Any:
        try:
            members = closing.enter_context(zipfile.ZipFile(super()._open(file, closing)))
        except zipfile.BadZipFile as error:
            raise DataError(f"{file.path} is not an npz file: {error}.") from error
        names = sorted(name.removesuffix(".npy") for name in members.namelist())
        name = names[0] if self._variable is None and len(names) == 1 else self._variable
        if name not in names:
            raise DataError(f"{file.path} contains the arrays {names}: select one by --variable.")
        return closing.enter_context(members.open(f"{name}.npy"))
