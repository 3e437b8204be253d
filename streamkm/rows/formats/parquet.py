"""Parquet files, read by pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from streamkm.errors import DataError
from streamkm.files.find import File, need
from streamkm.rows.formats.tables import TableFormat


@dataclass(frozen=True)
class Parquet(TableFormat):
    """Parquet, whose row groups are the units of blocks."""

    def schema(self, file: File) -> Any:
        with opened_parquet(file) as opened:
            return opened.schema_arrow

    def lengths(self, file: File) -> list[int]:
        with opened_parquet(file) as opened:
            groups = range(opened.num_row_groups)
            return [opened.metadata.row_group(group).num_rows for group in groups]

    def lacks(self, file: File, columns: Sequence[str]) -> bool:
        with opened_parquet(file) as opened:
            for number in range(opened.num_row_groups):
                group = opened.metadata.row_group(number)
                for place in range(group.num_columns):
                    column = group.column(place)
                    known = column.path_in_schema in columns and column.statistics
                    if known and column.statistics.null_count:
                        return True
        return False

    def batches(self, file: File, group: int, columns: Sequence[str], rows: int) -> Iterator[Any]:
        with opened_parquet(file) as opened:
            yield from opened.iter_batches(rows, [group], columns=list(columns))


@contextmanager
def opened_parquet(file: File) -> Iterator[Any]:
    """Open a file as pyarrow's ParquetFile, without reading ahead.

    Raises
    ------
    DataError
        If it is not Parquet, or pyarrow is missing.
    """
    arrow = need("pyarrow", "Parquet files")
    parquet = need("pyarrow.parquet", "Parquet files")
    with file.open() as stream:
        try:
            opened = parquet.ParquetFile(stream, pre_buffer=False)
        except arrow.ArrowInvalid as error:
            raise DataError(f"{file.path} cannot be read as Parquet: {error}") from error
        yield opened
