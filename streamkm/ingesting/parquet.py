"""Parquet files, read by pyarrow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from streamkm.errors import DataError
from streamkm.files.find import File, need
from streamkm.ingesting.registry import SourceRequest, register
from streamkm.ingesting.source import TEXT, Form, Piece, Stream, names_beside
from streamkm.rows.formats.columns import Columns
from streamkm.rows.formats.parquet import opened_parquet

_BATCH = 8 * 2**20  # decoded bytes of a batch
_TAKEN = ("x", "feature", "streamkm", "label", "labels", "zarr.json")  # no names of ids


@register(
    "parquet",
    suffixes=(".parquet", ".pq"),
    summary="(row, feature); also from one column of vectors; read by pyarrow, by row group",
    options=("columns", "id"),
)
class Parquet(Stream):
    """Columns of Parquet files, or one column of vectors, one file after another.

    Parameters
    ----------
    request : SourceRequest
        All files have the same columns. Without columns, all numeric columns or the only column of
        vectors are read; the dtype is the common dtype of the columns by default.
    """

    def __init__(self, request: SourceRequest) -> None:
        super().__init__()
        files, columns = request.files, request.options.columns
        self._arrow = need("pyarrow", "Parquet files")
        self._files, self._id = files, request.options.id
        self._lengths = []
        for file in files:
            with opened_parquet(file) as opened:
                schema = opened.schema_arrow
                self._lengths.append(opened.metadata.num_rows)
            if file is files[0]:
                self._features = Columns.from_schema(schema, file, columns, (self._id,))
                ids = self._ids(schema, file)
                known = (*self._features.names, self._id)
                left_out = [] if columns else [n for n in schema.names if n not in known]
            elif (
                Columns.from_schema(schema, file, self._features.names) != self._features
                or self._ids(schema, file) != ids
            ):
                raise DataError(
                    f"{file.path} has other column types than {files[0].path}; all files "
                    "of a store need the same columns."
                )
        names, vectors = self._features.names, self._features.vectors
        self._dtype = request.dtype or self._features.dtype
        d = self._width() if vectors else len(names)
        self.form = Form(
            "x",
            ("row", "feature"),
            sum(self._lengths),
            (d,),
            self._dtype,
            features=(1,),
            grain=(1, d),
            attributes=({"column": names[0]} if vectors else {})
            | ({"left_out": left_out} if left_out else {})
            | ({} if ids is None else {"coordinates": ids[0]}),
            beside={} if vectors else names_beside("feature", names),
            ids=ids,
        )

    def _ids(self, schema: Any, file: File) -> tuple[str, np.dtype[Any]] | None:
        """Return the name and the dtype of the ids, if any."""
        name, types = self._id, self._arrow.types
        if name is None:
            return None
        if name in _TAKEN or "/" in name or name.startswith("__") or not name.strip("."):
            raise DataError(f"a store has no room for ids of the name {name!r}; rename the column.")
        place = schema.get_field_index(name)
        if place < 0:
            raise DataError(f"{file.path} has no column {name!r}; it has {schema.names}.")
        kind = schema.field(place).type
        kind = kind.value_type if types.is_dictionary(kind) else kind
        if types.is_integer(kind):
            return name, np.dtype(kind.to_pandas_dtype())
        if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
            return name, TEXT
        raise DataError(
            f"{file.path}: column {name!r} holds {kind}; ids are integers or text, so convert it."
        )

    def _width(self) -> int:
        """Return the length of the first vector."""
        for file, length in zip(self._files, self._lengths, strict=True):
            if length:
                with opened_parquet(file) as opened:
                    batch = next(opened.iter_batches(1, columns=list(self._features.names)))
                return self._features.width(batch)
        raise DataError(f"{self._files[0].path} has no rows.")

    def pieces(self, start: int) -> Iterator[Piece]:
        rows = max(1, _BATCH // (self._dtype.itemsize * math.prod(self.form.row_shape)))
        first = 0
        for file, length in zip(self._files, self._lengths, strict=True):
            if first + length <= start:
                first += length
                continue
            with opened_parquet(file) as opened:
                for group in range(opened.num_row_groups):
                    in_group = opened.metadata.row_group(group).num_rows
                    if first + in_group <= start:
                        first += in_group
                        continue
                    for batch in opened.iter_batches(rows, [group], columns=self._columns):
                        if first + batch.num_rows > start:
                            yield self._piece(batch.slice(max(0, start - first)), file)
                        first += batch.num_rows

    @property
    def _columns(self) -> list[str]:
        """The columns that are read, each once."""
        beside = [] if self._id is None else [self._id]
        return list(dict.fromkeys([*self._features.names, *beside]))

    def _piece(self, batch: Any, file: File) -> Piece:
        values = self._features.values(batch, self._dtype, file, self.form.row_shape[-1])
        if self.form.ids is None:
            return Piece(values)
        name, dtype = self.form.ids
        column = batch.column(name)
        if column.null_count:
            raise DataError(
                f"{file.path}: column {name!r} has {column.null_count} missing values among the "
                "ids; drop or repair those rows."
            )
        return Piece(values, np.array(column.to_pylist(), dtype))
