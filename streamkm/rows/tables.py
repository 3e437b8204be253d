"""Conversion of tables and of arrays of objects to arrays of numbers, by one rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.rows.exact import cast, refuse_changed
from streamkm.rows.kinds import is_a

_KINDS = "biuf"
_TEXT = (str, bytes)
_SERIES = ("pandas.Series", "polars.Series", "pyarrow.ChunkedArray", "pyarrow.Array")
_TABLES = ("pandas.DataFrame", "polars.DataFrame", "pyarrow.Table", "pyarrow.RecordBatch")


def numbers(data: Any) -> AnyArray:
    """Convert rows in memory to an array of numbers.

    The columns of a table get the dtype of NumPy's type promotion over all columns. It is a dtype
    of floats where values are missing (they become NaN), and for decimals and objects; integers
    that it would change are an error. Arrays of objects that are all numbers become float64.

    Parameters
    ----------
    data : table, column or array-like in memory; masked arrays keep their masks

    Raises
    ------
    DataError
        If a column holds something else, or an integer that would change; the message names it.

    Examples
    --------
    >>> numbers([[1, 2], [3, 4]]).dtype.kind
    'i'
    """
    if hasattr(data, "toarray") and hasattr(data, "nnz"):
        raise DataError("a sparse matrix cannot be clustered: give X.toarray(), or dense blocks.")
    if is_table(data):
        plain = _plain(data)
        return _joined(data, None) if plain is None else plain
    if is_a(data, *_SERIES):
        plain = np.asarray(data) if isinstance(getattr(data, "dtype", None), np.dtype) else None
        if plain is not None and plain.dtype.kind in _KINDS:
            return plain
        name = str(getattr(data, "name", None) or "")
        return _column(name, data, _dtype(name, data))
    values = data if isinstance(data, np.ma.MaskedArray) else np.asarray(data)
    if values.dtype != object:
        return values
    if _has_text(values):
        raise DataError(
            f"the array holds the value {str(_culprit(values.ravel()))!r}, which is text: convert "
            "it to numbers, for example with X.astype(float)."
        )
    try:
        floats, lost = cast(values, np.dtype(np.float64))
    except (TypeError, ValueError, OverflowError):
        return values  # an error because of its dtype
    refuse_changed(values, lost, floats.dtype, "the array of objects")
    return floats


def is_table(data: Any) -> bool:
    """Return whether the data are a table in memory."""
    return is_a(data, *_TABLES)


def lazy_numbers(table: Any) -> Any:
    """Convert a Dask data frame to a Dask array by the rule of `numbers`."""
    for name, dtype in table.dtypes.items():
        _refuse(str(name), dtype)
        if is_a(dtype, "pandas.StringDtype"):
            raise DataError(
                f"{_no_numbers(str(name), 'text')} Dask converts object columns to text unless "
                "dataframe.convert-string is False when the frame is created."
            )
    if _is_plain(table.dtypes):
        return table.to_dask_array()
    columns = [str(name) for name in table.columns]
    dtype = np.result_type(*map(_of_any_block, table.dtypes)) if columns else np.dtype(float)
    meta = _block(None, columns, dtype)
    return table.map_partitions(_block, columns, dtype, meta=meta).to_dask_array()


def _block(part: Any, columns: list[str], dtype: np.dtype[Any]) -> Any:
    import pandas as pd  # already imported by the caller

    values = np.empty((0, len(columns)), dtype) if part is None else _joined(part, dtype)
    return pd.DataFrame(values, columns=columns)


def _of_any_block(dtype: Any) -> np.dtype[Any]:
    """Return the dtype of a column in blocks that may have missing values."""
    if isinstance(dtype, np.dtype) and dtype.kind in _KINDS:
        return dtype
    own = getattr(dtype, "numpy_dtype", None)
    floats = isinstance(own, np.dtype) and own.kind == "f"
    return np.dtype(own) if floats else np.dtype(np.float64)


def _plain(table: Any) -> AnyArray | None:
    """Return NumPy's array of the table if it changes no number and copies no objects."""
    if is_a(table, "pandas.DataFrame"):
        return np.asarray(table) if _is_plain(table.dtypes) else None
    if not is_a(table, "polars.DataFrame") or len(set(table.dtypes)) != 1:
        return None
    lacking = any(column.null_count() for _, column in _columns(table))
    values = None if lacking else np.asarray(table)
    return values if values is not None and values.dtype.kind in _KINDS else None


def _is_plain(dtypes: Any) -> bool:
    """Return whether pandas converts these dtypes to an array without changing numbers."""
    kinds = {dtype.kind if isinstance(dtype, np.dtype) else "O" for dtype in dtypes}
    if not kinds <= set(_KINDS) or ("b" in kinds and len(kinds) > 1):
        return False
    whole = any(dtype.kind in "iu" and dtype.itemsize == 8 for dtype in dtypes)
    return not whole or np.result_type(*dtypes).kind != "f"


def _joined(table: Any, dtype: np.dtype[Any] | None) -> AnyArray:
    """Assemble the columns in one array, one column at a time."""
    columns = list(_columns(table))
    if dtype is None:
        found = [_dtype(name, column) for name, column in columns]
        dtype = np.result_type(*found) if found else np.dtype(np.float64)
    values = np.empty((len(table), len(columns)), dtype)
    for place, (name, column) in enumerate(columns):
        values[:, place] = _column(name, column, dtype)
    return values


def _columns(table: Any) -> Iterator[tuple[str, Any]]:
    if is_a(table, "pandas.DataFrame"):
        for place, name in enumerate(table.columns):
            yield str(name), table.iloc[:, place]
        return
    names = getattr(table, "column_names", None) or table.columns
    for place, name in enumerate(names):
        yield str(name), table.get_column(name) if is_a(table, "polars.DataFrame") else table[place]


def _dtype(name: str, column: Any) -> np.dtype[Any]:
    """Return the dtype of a column; a dtype of floats if it has missing values or objects."""
    _refuse(name, getattr(column, "dtype", None))
    dtype = _values(column.iloc[:0] if is_a(column, "pandas.Series") else column[:0])[0].dtype
    if dtype.kind in "biu" and not _lacks(column):
        return dtype
    return dtype if dtype.kind == "f" else np.dtype(np.float64)


def _lacks(column: Any) -> bool:
    if is_a(column, "pandas.Series"):
        return bool(column.hasnans)
    count = column.null_count
    return bool(count() if callable(count) else count)


def _values(column: Any) -> tuple[AnyArray, npt.NDArray[np.bool_] | None]:
    """Return values in their own dtype, and which are missing if missing values are not NaN."""
    if is_a(column, "pandas.Series"):
        return _of_series(column)
    if hasattr(column, "type") and hasattr(column.type, "value_type"):
        # NumPy gives a missing value of a dictionary an arbitrary value.
        column = column.cast(column.type.value_type)
    values = np.asarray(column)
    if _lacks(column) and values.dtype.kind == "f":
        filled = np.asarray(column.fill_null(0))  # integers, which NumPy converts to floats
        if filled.dtype.kind in "iu":
            return filled, np.asarray(column.is_null())
    return values, None


def _of_series(column: Any) -> tuple[AnyArray, npt.NDArray[np.bool_] | None]:
    own = getattr(column.dtype, "numpy_dtype", None)
    if not isinstance(own, np.dtype) or own.kind not in _KINDS:  # a NumPy dtype, or objects
        lacks = column.hasnans and not isinstance(column.dtype, np.dtype)
        values = column.to_numpy(dtype=object, na_value=None) if lacks else np.asarray(column)
        return values, None
    if own.kind == "f":
        return column.to_numpy(own, na_value=np.nan), None
    if not column.hasnans:
        return column.to_numpy(own), None
    return column.to_numpy(own, na_value=0), np.asarray(column.isna())


def _column(name: str, column: Any, dtype: np.dtype[Any]) -> AnyArray:
    """Convert a column to the dtype of the table."""
    _refuse(name, getattr(column, "dtype", None))
    values, missing = _values(column)
    _refuse(name, values.dtype)
    if _has_text(values):
        raise _no_numbers(name, f"the value {str(_culprit(values))!r}")
    try:
        made, lost = cast(values, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise _no_numbers(name, f"the value {str(_culprit(values))!r}") from error
    if missing is not None:
        lost &= ~missing
        made[missing] = np.nan
    refuse_changed(values, lost, dtype, f"column {name!r}")
    return made


def _has_text(values: AnyArray) -> bool:
    """Return whether some items are text, which NumPy would parse if it looks like numbers."""
    if values.dtype != object:
        return values.dtype.kind in "UST"
    return any(isinstance(value, _TEXT) for value in values.flat)


def _culprit(values: AnyArray) -> Any:
    for value in values:
        if isinstance(value, _TEXT):
            return value
        try:
            np.float64(value)
        except (TypeError, ValueError):
            return value
    return values.dtype


def _refuse(name: str, dtype: Any) -> None:
    """Raise an error for times, complex numbers and categories before anything is read."""
    categories = getattr(dtype, "categories", None)
    if categories is not None and categories.dtype.kind not in _KINDS:
        raise _no_numbers(name, "categories that are not numbers")
    if getattr(dtype, "kind", "O") in "Mmc":
        raise _no_numbers(name, dtype)


def _no_numbers(name: str, what: Any) -> DataError:
    return DataError(
        f"column {name!r} holds {what}, which has no distances: leave the column out, or convert "
        "it to numbers."
    )
