"""Conversion of dtypes that may round floats but changes no other values."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.rows.exact import cast

OF_INGEST = "pass another --dtype, or none; for a table, leave the column out by --columns."
OF_PLACE = "leave the column out, or convert it first."


def converted(
    values: AnyArray,
    dtype: np.dtype[Any],
    where: str = "",
    whole: bool = False,
    advice: str = OF_INGEST,
) -> AnyArray:
    """Convert values to another dtype; floats may be rounded, other values must not change.

    Parameters
    ----------
    values : ndarray of numbers
    dtype : dtype of the result
    where : origin of the values, for the message
    whole : whether floats represent integers, which must not be rounded either
    advice : end of the message

    Raises
    ------
    DataError
        If the dtype cannot represent a value.

    Examples
    --------
    >>> converted(np.array([1.0, 2.0]), np.dtype("u1"))
    array([1, 2], dtype=uint8)
    """
    if values.dtype == dtype:
        return values
    made, lost = cast(values, dtype)
    if whole and values.dtype.kind == made.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            lost |= (values == np.floor(values)) & (made != values)
    if lost.any():
        raise not_representable(values[lost][0], dtype, where, advice)
    return made


def not_representable(
    value: Any, dtype: np.dtype[Any], where: str = "", advice: str = OF_INGEST
) -> DataError:
    """Create the error for a value that the dtype cannot represent."""
    return DataError(
        f"{f'{where}: ' if where else ''}{dtype} cannot represent the value {value}: {advice}"
    )
