"""Tables in Parquet and Arrow files: columns of numbers, or one column of vectors, as an array."""

from __future__ import annotations

import bisect
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.files.find import File
from streamkm.rows.formats.base import FileArray, Region, unchanged
from streamkm.rows.formats.columns import Columns

Batches = Generator[Any, None, None]  # of pyarrow
_BATCH = 8 * 2**20  # decoded bytes of a batch


@dataclass(frozen=True)
class TableHead:
    """What the metadata of a file of a table say.

    Parameters
    ----------
    schema : schema, as of pyarrow
    lengths : number of rows of each row group or record batch
    lacks : returns whether the file is known to have missing values in some columns
    """

    schema: Any
    lengths: list[int]
    lacks: Callable[[Sequence[str]], bool] = lambda columns: False


class TableFormat(ABC):
    """How the tables of a format are read. It has no state, so that it can be sent to processes."""

    @abstractmethod
    def head(self, file: File) -> TableHead:
        """Read the metadata of a file."""

    @abstractmethod
    def batches(self, file: File, group: int, columns: Sequence[str], rows: int) -> Batches:
        """Yield the rows of a row group in record batches of about `rows` rows."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TableArray(FileArray):
    """Columns of the tables of several files, one file after the other.

    Parameters
    ----------
    format : TableFormat
    columns : Columns
    groups : for each row group, the number of its file and its number in the file
    flat : whether the array is a single column, without an axis of features
    """

    format: TableFormat
    columns: Columns
    groups: tuple[tuple[int, int], ...]
    flat: bool = False

    nan_is_missing: ClassVar[bool] = False  # as in a data frame

    @property
    def n_chunks(self) -> int:
        return len(self.groups)

    @property
    def stamp(self) -> dict[str, Any]:
        return {**super().stamp, "columns": list(self.columns.names)}

    def lengths(self, axis: int) -> tuple[int, ...] | None:
        if axis:
            return None
        assert self.edges is not None
        found = [0] * len(self.files)
        for (file, _), (start, stop) in zip(
            self.groups, itertools.pairwise(self.edges), strict=True
        ):
            found[file] += stop - start
        return tuple(found)

    def read(self, region: Region) -> AnyArray:
        rows = region[0]
        width = 1 if self.flat else self.shape[1]
        values = np.empty((rows.stop - rows.start, width), self.dtype)
        assert self.edges is not None
        number = bisect.bisect_right(self.edges, rows.start) - 1
        while number < len(self.groups) and self.edges[number] < rows.stop:
            self._fill(values, number, rows)
            number += 1
        return values[:, 0] if self.flat else values[:, region[1]]

    def _fill(self, values: AnyArray, number: int, rows: slice) -> None:
        """Write the rows of a row group that belong to the region."""
        assert self.edges is not None
        which, group = self.groups[number]
        file, first = self.files[which], self.edges[number]
        most = max(1, _BATCH // max(1, values.itemsize * values.shape[1]))
        batches = self.format.batches(file, group, self.columns.names, most)
        with unchanged(file), closing(batches):  # which closes the file after a part of it, too
            for batch in batches:
                start, stop = max(first, rows.start), min(first + batch.num_rows, rows.stop)
                if start < stop:
                    part = batch.slice(start - first, stop - start)
                    made = self.columns.values(part, self.dtype, file, values.shape[1])
                    values[start - rows.start : stop - rows.start] = made
                first += batch.num_rows
                if first >= rows.stop:
                    break


def open_table(
    format: TableFormat, files: Sequence[File], names: Sequence[str] | None
) -> TableArray:
    """Open the columns of these names, by default all numeric columns or the only one of vectors.

    Raises
    ------
    DataError
        If a column is missing or holds no numbers, or the files differ in their columns.
    """
    return _table(format, files, names, format.head(files[0]))


def _table(
    format: TableFormat, files: Sequence[File], names: Sequence[str] | None, first: TableHead
) -> TableArray:
    """Open the columns of these names; the metadata of the first file are known."""
    columns = Columns.from_schema(first.schema, files[0], names, in_place=True)
    lengths, lacking, integers = [], False, columns.dtype.kind != "f"
    for number, file in enumerate(files):
        head = format.head(file) if number else first
        own = Columns.from_schema(head.schema, file, columns.names, in_place=True)
        if own != columns:
            raise DataError(
                f"{file.path} has other column types than {files[0].path}: name the files of one "
                "table by a pattern, or convert the columns."
            )
        lacking = lacking or (integers and head.lacks(columns.names))
        lengths.append(head.lengths)
    if lacking:
        columns = replace(columns, dtype=np.result_type(columns.dtype, np.float32))
    groups = [(at, group) for at, own in enumerate(lengths) for group in range(len(own))]
    edges = (0, *itertools.accumulate(itertools.chain(*lengths)))
    width = _width(format, files, lengths, columns) if columns.vectors else len(columns.names)
    others = [name for name in first.schema.names if names is None and name not in columns.names]
    largest = max(itertools.chain(*lengths), default=0)
    return TableArray(
        files=tuple(files),
        shape=(edges[-1], width),
        dtype=columns.dtype,
        chunks=(max(1, largest), width),
        attrs={"left_out": others} if others else {},
        names=None if columns.vectors else columns.names,
        edges=edges,
        format=format,
        columns=columns,
        groups=tuple(groups),
    )


def find_column(format: TableFormat, files: Sequence[File], name: str) -> FileArray | None:
    """Return a column of numbers as an array of one dimension, or None if there is none."""
    first = format.head(files[0])
    if name not in first.schema.names:
        return None
    found = _table(format, files, [name], first)
    if found.columns.vectors:
        return found
    return replace(found, shape=found.shape[:1], chunks=(found.chunks or (1,))[:1], flat=True)


def has_columns(format: TableFormat, files: Sequence[File], names: Sequence[str]) -> bool:
    """Return whether the first file has columns of these names."""
    return set(names) <= set(format.head(files[0]).schema.names)


def _width(
    format: TableFormat, files: Sequence[File], lengths: Sequence[list[int]], columns: Columns
) -> int:
    """Return the length of the first vector."""
    for file, own in zip(files, lengths, strict=True):
        group = next((number for number, n in enumerate(own) if n), None)
        if group is not None:
            with closing(format.batches(file, group, columns.names, 1)) as batches:
                return columns.width(next(batches))
    raise DataError(f"{files[0].path} has no rows.")
