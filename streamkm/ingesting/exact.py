"""Values in another dtype: floats may be rounded to floats, and nothing else changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.rows import cast


def converted(
    values: AnyArray, dtype: np.dtype[Any], where: str = "", whole: bool = False
) -> AnyArray:
    """Values in another dtype, which may round floats but change nothing else.

    Parameters
    ----------
    values : ndarray of numbers
    dtype : of the result
    where : where the values come from, for the message
    whole : whether floats stand for whole numbers, so that those must not be rounded either

    Raises
    ------
    DataError
        Where a value has no place there.

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
        raise no_place(values[lost][0], dtype, where)
    return made


def no_place(value: Any, dtype: np.dtype[Any], where: str = "") -> DataError:
    """The error of a value that the dtype cannot hold."""
    return DataError(
        f"{f'{where}: ' if where else ''}the value {value} has no place in {dtype}: pass another "
        "--dtype, or none; of a table, leave the column out by --columns."
    )
