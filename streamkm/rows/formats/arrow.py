"""Conversion of pyarrow's columns to NumPy, for all kinds of files that pyarrow reads."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.files.find import File
from streamkm.rows.formats.exact import OF_INGEST, converted, not_representable

EXACT = 2.0**53  # float64 represents every integer below it
DIGITS = 18  # digits of a decimal that fits in int64


def matrix(
    batch: Any,
    dtype: np.dtype[Any],
    file: File,
    whole: Collection[str] = (),
    advice: str = OF_INGEST,
) -> AnyArray:
    """Convert a record batch to a matrix; missing values become NaN.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
    dtype : dtype of the result
    file : file of the batch, for messages
    whole : names of columns of floats that were parsed from integers
    advice : end of a message on a value that the dtype cannot represent

    Raises
    ------
    DataError
        If values are missing for an integer dtype, or the dtype cannot represent a value.
    """
    values = np.empty((batch.num_rows, batch.num_columns), dtype)
    for place, (name, column) in enumerate(zip(batch.schema.names, batch.columns, strict=True)):
        where = f"{file.path}: column {name!r}"
        if column.null_count and dtype.kind != "f":
            way = ", or pass --dtype float64" if advice == OF_INGEST else ""
            raise DataError(
                f"{where} has {column.null_count} missing values, which {dtype} cannot represent: "
                f"fill or drop them{way}."
            )
        own = column.drop_null() if column.null_count else column
        made = converted(numbers(own, where, advice), dtype, where, name in whole, advice)
        if column.null_count:
            values[:, place] = np.nan
            values[column.is_valid().to_numpy(zero_copy_only=False), place] = made
        else:
            values[:, place] = made
    return values


def numbers(column: Any, where: str, advice: str = OF_INGEST) -> AnyArray:
    """Convert a column without nulls to NumPy; decimals become the nearest float64."""
    if not str(column.type).startswith("decimal"):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    if column.type.scale <= 0 and column.type.precision <= DIGITS:
        return np.asarray(column.cast("int64").to_numpy(zero_copy_only=False))
    # Converted by way of text, which is parsed to the nearest; pyarrow's conversion may be off by a
    # digit.
    values = np.asarray(column.cast("string").cast("float64").to_numpy(zero_copy_only=False))
    for place in np.flatnonzero(np.abs(values) >= EXACT):
        decimal = column[int(place)].as_py()
        if decimal == decimal.to_integral_value() and int(decimal) != int(values[place]):
            raise not_representable(decimal, values.dtype, where, advice)
    return values
