"""Tables, and arrays of objects, as arrays of numbers: one rule for every kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.errors import DataError
from streamkm.rows.kinds import is_a

_KINDS = "biuf"
_SERIES = ("pandas.Series", "polars.Series", "pyarrow.ChunkedArray", "pyarrow.Array")
_TABLES = ("pandas.DataFrame", "polars.DataFrame", "pyarrow.Table", "pyarrow.RecordBatch")


def numbers(data: Any) -> npt.NDArray[Any]:
    """Rows in memory as an array: what NumPy makes of them, where that holds numbers.

    Columns of a table that do not have one dtype of NumPy's (nullable, Arrow, decimal, boolean
    beside float, objects that are numbers) become float64, and what is missing NaN. So do arrays
    of objects that are all numbers.

    Parameters
    ----------
    data : table, column or array-like in memory; masked arrays keep their mask

    Raises
    ------
    DataError
        When a column holds something else: the message names it.

    Examples
    --------
    >>> numbers([[1, 2], [3, 4]]).dtype.kind
    'i'
    """
    if hasattr(data, "toarray") and hasattr(data, "nnz"):
        raise DataError("a sparse matrix cannot be clustered: give X.toarray(), or its blocks.")
    if is_table(data):
        plain = _plain(data)
        columns = (
            [_column(name, column) for name, column in _columns(data)] if plain is None else []
        )
        if plain is None and columns:
            return np.stack(columns, axis=1)
        return np.empty((len(data), 0)) if plain is None else plain
    if is_a(data, *_SERIES):
        plain = np.asarray(data) if isinstance(getattr(data, "dtype", None), np.dtype) else None
        if plain is not None and plain.dtype.kind in _KINDS:
            return plain
        return _column(str(getattr(data, "name", None) or ""), data)
    values = data if isinstance(data, np.ma.MaskedArray) else np.asarray(data)
    if values.dtype != object:
        return values
    try:
        floats: npt.NDArray[Any] = values.astype(np.float64)
    except (TypeError, ValueError):
        return values  # refused by its dtype
    return floats


def is_table(data: Any) -> bool:
    """Whether the data are a table in memory."""
    return is_a(data, *_TABLES)


def lazy_numbers(table: Any) -> Any:
    """A Dask data frame as a Dask array, by the rule of `numbers`."""
    for name, dtype in table.dtypes.items():
        _refuse(str(name), dtype)
    if _is_plain(table.dtypes):
        return table.to_dask_array()
    columns = [str(name) for name in table.columns]
    meta = _in_floats(None, columns)
    return table.map_partitions(_in_floats, columns, meta=meta).to_dask_array()


def _in_floats(part: Any, columns: list[str]) -> Any:
    import pandas as pd  # loaded by whoever made the table

    values = np.empty((0, len(columns))) if part is None else numbers(part)
    return pd.DataFrame(values.astype(np.float64, copy=False), columns=columns)


def _plain(table: Any) -> npt.NDArray[Any] | None:
    """The table as NumPy has it, where that is an array of numbers and costs no copy of objects."""
    if is_a(table, "pandas.DataFrame"):
        return np.asarray(table) if _is_plain(table.dtypes) else None
    if is_a(table, "pyarrow.Table", "pyarrow.RecordBatch"):
        return None
    values = np.asarray(table)
    return values if values.dtype.kind in _KINDS else None


def _is_plain(dtypes: Any) -> bool:
    """Whether pandas makes an array of numbers of columns of these dtypes."""
    kinds = {dtype.kind if isinstance(dtype, np.dtype) else "O" for dtype in dtypes}
    return kinds <= set(_KINDS) and (kinds == {"b"} or "b" not in kinds)


def _columns(table: Any) -> Iterator[tuple[str, Any]]:
    if is_a(table, "pandas.DataFrame"):
        for place, name in enumerate(table.columns):
            yield str(name), table.iloc[:, place]
        return
    names = getattr(table, "column_names", None) or table.columns
    for place, name in enumerate(names):
        yield str(name), table.get_column(name) if is_a(table, "polars.DataFrame") else table[place]


def _column(name: str, column: Any) -> npt.NDArray[np.float64]:
    """A column in float64."""
    _refuse(name, getattr(column, "dtype", None))
    if is_a(column, "pandas.Series"):
        column = column.to_numpy(dtype=object, na_value=None) if column.hasnans else column
    values = np.asarray(column)
    _refuse(name, values.dtype)
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise _no_numbers(name, f"the value {str(_culprit(values))!r}") from error


def _culprit(values: npt.NDArray[Any]) -> Any:
    for value in values:
        try:
            np.float64(value)
        except (TypeError, ValueError):
            return value
    return values.dtype


def _refuse(name: str, dtype: Any) -> None:
    """Refuse times, complex numbers and categories by name, before anything is read."""
    categories = getattr(dtype, "categories", None)
    if categories is not None and categories.dtype.kind not in _KINDS:
        raise _no_numbers(name, "categories that are no numbers")
    if getattr(dtype, "kind", "O") in "Mmc":
        raise _no_numbers(name, dtype)


def _no_numbers(name: str, what: Any) -> DataError:
    return DataError(
        f"column {name!r} holds {what}, which has no distances: leave the column out, or convert "
        "it to numbers."
    )
