"""Conversions of values: floats may be rounded, integers must not change."""

from __future__ import annotations

import numbers
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray
from streamkm.errors import DataError


def cast(values: AnyArray, dtype: np.dtype[Any]) -> tuple[AnyArray, npt.NDArray[np.bool_]]:
    """Convert values to another dtype; return them and which changed other than by rounding.

    Parameters
    ----------
    values : ndarray of numbers, or of objects that are numbers
    dtype : dtype of the result; a dtype of floats for objects

    Examples
    --------
    >>> cast(np.array([5, 2**53 + 1]), np.dtype("f8"))[1]
    array([False,  True])
    """
    with np.errstate(all="ignore"):
        made = values.astype(dtype, copy=False)
        if values.dtype == object:
            return made, _lost_of_objects(values, made)
        same = np.can_cast(values.dtype, dtype) and (values.dtype.itemsize < 8 or dtype.kind != "f")
        return made, np.zeros(values.shape, bool) if same else _lost(values, made)


def refuse_changed(
    values: AnyArray, lost: npt.NDArray[np.bool_], dtype: np.dtype[Any], where: str
) -> None:
    """Raise an error for values that change in the common dtype of all features.

    Parameters
    ----------
    values : ndarray of numbers, or of objects that are numbers
    lost : mask of the values that changed
    dtype : common dtype of all features
    where : origin of the values, for the message

    Raises
    ------
    DataError
        If a value changed.
    """
    if lost.any():
        raise DataError(
            f"{where} holds the integer {values[lost][0]}, which the common dtype of all features, "
            f"{dtype}, cannot represent. Give every feature an integer dtype without missing "
            "values, subtract an offset, or convert this feature to floats first."
        )


def _lost_of_objects(values: AnyArray, made: AnyArray) -> npt.NDArray[np.bool_]:
    """Return which integers and whole decimals change as floats; Python compares them exactly."""
    pairs = zip(values.flat, made.flat, strict=True)
    lost = [_whole(value) not in (None, float(m)) for value, m in pairs]
    return np.array(lost, bool).reshape(values.shape)


def _whole(value: Any) -> Any:
    """Return an integer or a whole decimal as a Python integer; None for others."""
    if isinstance(value, numbers.Integral):
        return int(value)  # NumPy integers would be compared as floats
    if isinstance(value, float) or not isinstance(value, (numbers.Rational, Decimal)):
        return None
    return value if value == value // 1 else None


def _lost(values: AnyArray, made: AnyArray) -> npt.NDArray[np.bool_]:
    """Return which values change in the new dtype."""
    if made.dtype.kind == "f":
        if values.dtype.kind == "f":
            return np.asarray(np.isinf(made) & ~np.isinf(values))
        if values.dtype.kind == "b":
            return np.zeros(values.shape, bool)
        # At this limit the conversion back is undefined.
        return np.asarray((made >= _end(values.dtype)) | (made.astype(values.dtype) != values))
    changed = made.astype(values.dtype) != values
    if values.dtype.kind == "f":
        return np.asarray(changed | (values >= _end(made.dtype)))
    # The conversion back restores the signs, so they are compared, too.
    return np.asarray(changed | ((made < 0) != (values < 0)))


def _end(dtype: np.dtype[Any]) -> float:
    """Return the first integer beyond an integer dtype: a power of two."""
    return 2.0 if dtype.kind == "b" else float(int(np.iinfo(dtype).max) + 1)
