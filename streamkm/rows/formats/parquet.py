"""Parquet files, read by pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from streamkm.errors import DataError
from streamkm.files.find import File, need
from streamkm.rows.formats.tables import Batches, TableFormat, TableHead


@dataclass(frozen=True)
class Parquet(TableFormat):
    """Parquet, whose row groups are the units of blocks."""

    def head(self, file: File) -> TableHead:
        with opened_parquet(file) as opened:
            schema, about = opened.schema_arrow, opened.metadata
        lengths = [about.row_group(group).num_rows for group in range(about.num_row_groups)]
        return TableHead(schema, lengths, partial(_lacks, about))

    def batches(self, file: File, group: int, columns: Sequence[str], rows: int) -> Batches:
        with opened_parquet(file) as opened:
            yield from opened.iter_batches(rows, [group], columns=list(columns))


def _lacks(metadata: Any, columns: Sequence[str]) -> bool:
    """Return whether the statistics of some columns report missing values."""
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for place in range(group.num_columns):
            column = group.column(place)
            known = column.path_in_schema in columns and column.statistics
            if known and column.statistics.null_count:
                return True
    return False


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
            opened = parquet.ParquetFile(stream, pre_buffer=False, page_checksum_verification=True)
        except arrow.ArrowInvalid as error:
            raise DataError(f"{file.path} cannot be read as Parquet: {error}") from error
        yield opened
