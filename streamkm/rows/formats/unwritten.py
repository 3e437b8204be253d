"""Values of netCDF variables that were never written."""

from __future__ import annotations

from typing import Any

import numpy as np

_UNWRITTEN: dict[str, float | int] = {  # NC_FILL_* of the netCDF library; bytes have none
    "int16": -32767,
    "uint16": 65535,
    "int32": -2147483647,
    "uint32": 4294967295,
    "int64": -9223372036854775806,
    "uint64": 18446744073709551614,
    "float32": 9.9692099683868690e36,
    "float64": 9.9692099683868690e36,
}


def unwritten(dtype: np.dtype[Any], attributes: Any) -> dict[str, Any]:
    """Return the attribute `_FillValue` of a variable that has no missing values of its own.

    As netCDF's own library does, values that were never written are missing.

    Examples
    --------
    >>> unwritten(np.dtype("i2"), {}), unwritten(np.dtype("i2"), {"missing_value": 0})
    ({'_FillValue': -32767}, {})
    """
    own = "_FillValue" in attributes or "missing_value" in attributes
    value = None if own else _UNWRITTEN.get(dtype.name)
    return {} if value is None else {"_FillValue": value}
