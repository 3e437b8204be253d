"""The features of an Arrow schema: columns of numbers, or one column of vectors."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.files.find import File, need
from streamkm.rows.formats.arrow import DIGITS, matrix, numbers
from streamkm.rows.formats.exact import OF_INGEST, OF_PLACE, converted

_INDEX = "__index_level_"  # pandas' name of an index that it stores as a column
# How columns are selected, for ingest and in place.
_OPTIONS = ("--columns", "--variable, or in Python by open_array(path, names)")


@dataclass(frozen=True)
class Columns:
    """Columns of a schema that are read.

    Parameters
    ----------
    names : tuple of str
    dtype : their common dtype
    vectors : whether they are one column of vectors
    in_place : whether the table is read in place, which determines the words of messages
    """

    names: tuple[str, ...]
    dtype: np.dtype[Any]
    vectors: bool
    in_place: bool = False

    @classmethod
    def from_schema(
        cls,
        schema: Any,
        file: File,
        named: Sequence[str] | None,
        without: Collection[str | None] = (),
        in_place: bool = False,
    ) -> Columns:
        """Return the columns of these names; by default all of numbers, or the only one of vectors.

        Parameters
        ----------
        schema : pyarrow.Schema
        file : its file, for messages
        named : names of the columns, in order
        without : names of columns that are left out if none are named
        in_place : as of `Columns`

        Raises
        ------
        DataError
            If there are no such columns, or they do not hold numbers.
        """
        names = tuple(named or _numeric(schema, file, without, _OPTIONS[in_place]))
        found, vector = [], False
        for name in names:
            place = schema.get_field_index(name)
            if place < 0:
                raise DataError(f"{file.path} has no column {name!r}; it has {schema.names}.")
            kind = schema.field(place).type
            vector = _is_vector(kind)
            if vector and len(names) > 1:
                raise DataError(f"column {name!r} holds vectors: select it alone.")
            if not vector and not _is_number(kind):
                raise DataError(f"{file.path}: column {name!r} holds {kind}, not numbers.")
            found.append(_in_numpy(kind.value_type if vector else kind))
        return cls(names, np.result_type(*found), vector, in_place)

    def values(self, batch: Any, dtype: np.dtype[Any], file: File, d: int) -> AnyArray:
        """Convert a record batch to a matrix of d features.

        Raises
        ------
        DataError
            If vectors have other lengths, or the dtype cannot represent a value.
        """
        advice = OF_PLACE if self.in_place else OF_INGEST
        if not self.vectors:
            return matrix(batch.select(list(self.names)), dtype, file, advice=advice)
        column = batch.column(self.names[0])
        values = column.flatten()
        lengths = column.value_lengths() if hasattr(column, "value_lengths") else None
        uneven = lengths is not None and any(n != d for n in lengths.unique().to_pylist())
        if column.null_count or values.null_count or uneven or len(values) != d * len(column):
            raise DataError(
                f"{file.path}: not every vector in column {self.names[0]!r} has {d} numbers; "
                "drop or repair those rows."
            )
        where = f"{file.path}: column {self.names[0]!r}"
        plain = numbers(values, where, advice)
        return converted(plain, dtype, where, advice=advice).reshape(-1, d)

    def width(self, batch: Any) -> int:
        """Return the number of features; that of vectors is the length of the first one."""
        return (
            len(batch.column(self.names[0])[0].as_py() or ()) if self.vectors else len(self.names)
        )


def _numeric(schema: Any, file: File, without: Collection[str | None], option: str) -> list[str]:
    """Return the columns to use if none are named."""
    numbers = [f.name for f in schema if _is_number(f.type)]
    numbers = [n for n in numbers if not n.startswith(_INDEX) and n not in without]
    vectors = [f.name for f in schema if _is_vector(f.type)]
    if not (numbers or vectors):
        raise DataError(f"{file.path} has no numeric column, only {list(schema.names)}.")
    if len(vectors) > 1 or (vectors and numbers):
        raise DataError(
            f"{file.path} has columns of vectors {vectors} and of numbers {numbers}: select "
            f"the features by {option}."
        )
    return numbers or vectors


def _in_numpy(kind: Any) -> np.dtype[Any]:
    """Return the NumPy dtype of a numeric type; decimals of scale 0 are integers."""
    if _types().is_decimal(kind):
        return np.dtype("i8" if kind.scale <= 0 and kind.precision <= DIGITS else "f8")
    found: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
    return found


def _is_number(kind: Any) -> bool:
    types = _types()
    plain = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    return bool(plain or types.is_decimal(kind))


def _is_vector(kind: Any) -> bool:
    types = _types()
    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    return any(is_one(kind) for is_one in lists) and _is_number(kind.value_type)


def _types() -> Any:
    return need("pyarrow", "columns").types
