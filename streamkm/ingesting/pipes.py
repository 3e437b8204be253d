"""Rows from a pipe: npy, CSV and the stream format of Arrow, read once and in order."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError, LeftOutWarning, StreamkmError
from streamkm.files.find import File, need
from streamkm.files.npy import npy_header
from streamkm.ingesting.csv import Csv
from streamkm.ingesting.lines import AT_ONCE, NAME, lines_of, next_line
from streamkm.ingesting.registry import KindOptions, SourceRequest
from streamkm.rows.formats.columns import Columns
from streamkm.rows.formats.exact import converted
from streamkm.runs.feeds import Arrived
from streamkm.warn import warn

_OTHERS = {
    b"ARROW1": "the file format of Arrow: write its stream format",
    b"PAR1": "Parquet, which is not read in order: give the file to --watch, or to ingest",
    b"\x1f\x8b": "compressed by gzip: pipe it through gzip -dc",
    b"BZh": "compressed by bzip2: pipe it through bzip2 -dc",
    b"\x28\xb5\x2f\xfd": "compressed by Zstandard: pipe it through zstd -dc",
    b"PK": "a zip file, such as npz: save arrays as npy",
    b"\x89HDF": "an HDF5 file: write its rows as npy",
}


@dataclass(frozen=True)
class PipeOptions:
    """How a pipe is read.

    Parameters
    ----------
    format : {'npy', 'csv', 'arrow'} or None
        By default the first bytes decide.
    dtype : numpy.dtype or None
    kind : KindOptions, of CSV and Arrow
    """

    format: str | None = None
    dtype: np.dtype[Any] | None = None
    kind: KindOptions = field(default_factory=KindOptions)


@dataclass(frozen=True, slots=True)
class _Text(File):
    """A file in memory."""

    content: bytes = b""

    def open(self, compression: str | None = None) -> Any:
        return io.BytesIO(self.content)


class _Pushed(io.RawIOBase):
    """A stream of bytes some of which were read already."""

    def __init__(self, head: bytes, rest: Any) -> None:
        self._head, self._rest, self._at = head, rest, 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        n = min(len(buffer), len(self._head)) or int(self._rest.readinto(buffer))
        if self._head:
            buffer[:n], self._head = self._head[:n], self._head[n:]
        self._at += n
        return n


def arriving(raw: Any, options: PipeOptions) -> Iterator[Arrived]:
    """Yield the rows of a pipe as they arrive, in pieces.

    Parameters
    ----------
    raw : io.RawIOBase
    options : PipeOptions

    Raises
    ------
    DataError
        If the input is empty, has another format, ends within a row, or has rows that are not
        numbers or have other columns.
    """
    head = b""
    while len(head) < 8 and (more := raw.read(8 - len(head))):
        head += more
    if not head:
        raise DataError(f"{NAME} is empty.")
    pushed: Any = _Pushed(head, raw)
    stream = io.BufferedReader(pushed, AT_ONCE)
    return _READERS[options.format or _format(head)](stream, options)


def _format(head: bytes) -> str:
    """Return the format of a pipe that begins with these bytes."""
    for mark, what in _OTHERS.items():
        if head.startswith(mark):
            raise DataError(f"{NAME} is {what}.")
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head.startswith(b"\xff\xff\xff\xff"):
        return "arrow"
    # Bytes of UTF-8 and Latin-1, but no control characters.
    if all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        return "csv"
    raise DataError(f"the format of {NAME} is not known from its first bytes: pass --format.")


def _npy(stream: io.BufferedReader, options: PipeOptions) -> Iterator[Arrived]:
    """Yield the rows of arrays in npy format, one after another."""
    number = 0
    while stream.peek(1):
        number += 1
        where = f"array {number} of {NAME}"
        header = npy_header(stream, _text(b"", where))
        shape, dtype = header.shape, header.dtype
        if header.fortran and sum(n > 1 for n in shape) > 1:
            raise DataError(f"{where} is in Fortran order: save it in C order.")
        d = shape[-1] if len(shape) > 1 else 1
        each, left = d * dtype.itemsize, math.prod(shape) * dtype.itemsize
        rest = bytearray()  # which grows without a copy of what it has
        while left:
            more = stream.read1(min(left, AT_ONCE))
            if not more:
                raise DataError(f"{where} is shorter than its header says; the input is cut off.")
            left -= len(more)
            rest += more
            if whole := len(rest) - len(rest) % each:
                rows = np.frombuffer(rest[:whole], dtype)  # a slice is a copy
                rows = rows.astype(dtype.newbyteorder("="), copy=False)
                del rest[:whole]
                yield _arrived(rows.reshape(-1, d), where, (), options)


def _csv(stream: io.BufferedReader, options: PipeOptions) -> Iterator[Arrived]:
    """Yield the rows of text; the columns are those of the header and of the first row."""
    header = b"" if options.kind.no_header else next_line(stream)
    first = header + next_line(stream)
    table = Csv(SourceRequest([_text(first)], options.dtype, options.kind))
    if table.empty and not options.kind.columns:
        raise DataError(
            f"{NAME}: column {table.empty[0]!r} has no value in the first row, so it is not known "
            "whether it holds numbers: name the features by --columns."
        )
    if left_out := table.form.attributes.get("left_out"):
        names = ", ".join(left_out)
        warn(f"left out, because their first values are not numbers: {names}", LeftOutWarning)
    columns = () if options.kind.no_header else _names(table)
    n = 0
    for text in lines_of(stream, first[len(header) :]):
        try:
            for rows in table.rows_of(_text(header + text)):
                yield Arrived(rows, NAME, columns)
                n += len(rows)
        except DataError as error:
            raise _at_row(error, n) from error


def _text(content: bytes, name: str = NAME) -> File:
    return _Text(None, name, len(content), "", content)


def _names(table: Csv) -> tuple[str, ...]:
    return tuple(map(str, table.form.beside["feature"].values))


def _at_row(error: DataError, n: int) -> DataError:
    """Return an error with the row of the input instead of that of its block."""
    shifted = re.sub(r"Row #(\d+)", lambda found: f"Row #{int(found[1]) + n}", str(error))
    return DataError(shifted)


def _arrow(stream: io.BufferedReader, options: PipeOptions) -> Iterator[Arrived]:
    """Yield the rows of record batches."""
    ipc, file = need("pyarrow.ipc", "Arrow streams"), _text(b"")
    n = 0
    try:
        batches = ipc.open_stream(stream)
        columns = Columns.from_schema(batches.schema, file, options.kind.columns)
        dtype = options.dtype or columns.dtype
        features = () if columns.vectors else columns.names
        d = 0
        for batch in batches:
            if batch.num_rows:
                d = d or columns.width(batch)
                yield Arrived(columns.values(batch, dtype, file, d), NAME, features)
                n += batch.num_rows
    except StreamkmError:
        raise
    except Exception as error:  # invalid content has errors of many types, such as of Unicode
        raise DataError(f"{NAME} is no Arrow stream after {n:,} rows: {error}.") from error


def _arrived(
    rows: AnyArray, where: str, features: tuple[str, ...], options: PipeOptions
) -> Arrived:
    return Arrived(converted(rows, options.dtype or rows.dtype, where), NAME, features)


_READERS: dict[str, Callable[[io.BufferedReader, PipeOptions], Iterator[Arrived]]] = {
    "npy": _npy,
    "csv": _csv,
    "arrow": _arrow,
}
