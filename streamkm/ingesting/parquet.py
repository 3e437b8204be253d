"""Parquet files, read by pyarrow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.files.find import File, need
from streamkm.ingesting.arrow import DIGITS, matrix, numbers
from streamkm.ingesting.exact import converted
from streamkm.ingesting.registry import SourceRequest, register
from streamkm.ingesting.source import TEXT, Form, Piece, Stream, names_beside

_BATCH = 8 * 2**20  # decoded bytes of a batch
_TAKEN = ("x", "feature", "streamkm", "label", "labels", "zarr.json")  # no names of ids
_INDEX = "__index_level_"  # pandas' name of an index that it stores as a column


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
        self._parquet = need("pyarrow.parquet", "Parquet files")
        self._files, self._id = files, request.options.id
        self._lengths = []
        for file in files:
            with self._open(file) as opened:
                schema = opened.schema_arrow
                self._lengths.append(opened.metadata.num_rows)
            if file is files[0]:
                self._names = list(columns or self._numeric(schema, file))
                self._dtype, self._vectors = self._type(schema, file)
                ids = self._ids(schema, file)
                known = (*self._names, self._id)
                left_out = [] if columns else [n for n in schema.names if n not in known]
            elif (*self._type(schema, file), self._ids(schema, file)) != (
                self._dtype,
                self._vectors,
                ids,
            ):
                raise DataError(
                    f"{file.path} has other column types than {files[0].path}; all files "
                    "of a store need the same columns."
                )
        self._dtype = request.dtype or self._dtype
        d = self._width() if self._vectors else len(self._names)
        self.form = Form(
            "x",
            ("row", "feature"),
            sum(self._lengths),
            (d,),
            self._dtype,
            features=(1,),
            grain=(1, d),
            attributes=({"column": self._names[0]} if self._vectors else {})
            | ({"left_out": left_out} if left_out else {})
            | ({} if ids is None else {"coordinates": ids[0]}),
            beside={} if self._vectors else names_beside("feature", self._names),
            ids=ids,
        )

    @contextmanager
    def _open(self, file: File) -> Iterator[Any]:
        with file.open() as opened:
            try:
                yield self._parquet.ParquetFile(opened, pre_buffer=False)
            except self._arrow.ArrowInvalid as error:
                raise DataError(f"{file.path} cannot be read as Parquet: {error}") from error

    def _numeric(self, schema: Any, file: File) -> list[str]:
        """Return the columns to use if none are named."""
        numbers = [f.name for f in schema if self._is_number(f.type)]
        numbers = [n for n in numbers if not n.startswith(_INDEX) and n != self._id]
        vectors = [f.name for f in schema if self._is_vector(f.type)]
        if not (numbers or vectors):
            raise DataError(f"{file.path} has no numeric column, only {list(schema.names)}.")
        if len(vectors) > 1 or (vectors and numbers):
            raise DataError(
                f"{file.path} has columns of vectors {vectors} and of numbers {numbers}: select "
                "the features by --columns."
            )
        return numbers or vectors

    def _type(self, schema: Any, file: File) -> tuple[np.dtype[Any], bool]:
        """Return the common dtype of the columns, and whether they are one column of vectors."""
        found = []
        for name in self._names:
            place = schema.get_field_index(name)
            if place < 0:
                raise DataError(f"{file.path} has no column {name!r}; it has {schema.names}.")
            kind = schema.field(place).type
            vector = self._is_vector(kind)
            if vector and len(self._names) > 1:
                raise DataError(f"column {name!r} holds vectors: select it alone.")
            if not vector and not self._is_number(kind):
                raise DataError(f"{file.path}: column {name!r} holds {kind}, not numbers.")
            found.append(self._in_numpy(kind.value_type if vector else kind))
        return np.result_type(*found), vector

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

    def _in_numpy(self, kind: Any) -> np.dtype[Any]:
        """Return the NumPy dtype of a numeric type; decimals of scale 0 are integers."""
        if self._arrow.types.is_decimal(kind):
            return np.dtype("i8" if kind.scale <= 0 and kind.precision <= DIGITS else "f8")
        found: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
        return found

    def _is_number(self, kind: Any) -> bool:
        types = self._arrow.types
        plain = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
        return bool(plain or types.is_decimal(kind))

    def _is_vector(self, kind: Any) -> bool:
        types = self._arrow.types
        lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
        return any(is_one(kind) for is_one in lists) and self._is_number(kind.value_type)

    def _width(self) -> int:
        """Return the length of the first vector."""
        for file, length in zip(self._files, self._lengths, strict=True):
            if length:
                with self._open(file) as opened:
                    batch = next(opened.iter_batches(1, columns=self._names))
                return len(batch.column(0)[0].as_py() or ())
        raise DataError(f"{self._files[0].path} has no rows.")

    def pieces(self, start: int) -> Iterator[Piece]:
        rows = max(1, _BATCH // (self._dtype.itemsize * math.prod(self.form.row_shape)))
        first = 0
        for file, length in zip(self._files, self._lengths, strict=True):
            if first + length <= start:
                first += length
                continue
            with self._open(file) as opened:
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
        return list(dict.fromkeys([*self._names, *([] if self._id is None else [self._id])]))

    def _piece(self, batch: Any, file: File) -> Piece:
        values = self._values(batch, file)
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

    def _values(self, batch: Any, file: File) -> AnyArray:
        if not self._vectors:
            return matrix(batch.select(self._names), self._dtype, file)
        (d,), column = self.form.row_shape, batch.column(self._names[0])
        values = column.flatten()
        lengths = column.value_lengths() if hasattr(column, "value_lengths") else None
        uneven = lengths is not None and any(n != d for n in lengths.unique().to_pylist())
        if column.null_count or values.null_count or uneven or len(values) != d * len(column):
            raise DataError(
                f"{file.path}: not every vector in column {self._names[0]!r} has {d} numbers; "
                "drop or repair those rows."
            )
        where = f"{file.path}: column {self._names[0]!r}"
        return converted(numbers(values, where), self._dtype, where).reshape(-1, d)
