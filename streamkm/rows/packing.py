"""The scale and the offset of an array, and the dtype of the values that they give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError, PackedDataWarning
from streamkm.rows.coordinates import array_beside
from streamkm.rows.dimensions import dimension_names
from streamkm.rows.nodata import marked, meant_dtype
from streamkm.warn import warn

PACKING = {"scale_factor": "scales", "add_offset": "offsets"}  # of an array, and of its bands
_BAND = "band"  # dimension of the bands of rioxarray
_SEPARATE = 64  # steps of float32 between two stored numbers
_MOST = 2**16  # values of a scale that differs along dimensions


def factor(array: Any, name: str) -> Any:
    """Return the scale or the offset of an array: of all values, or along some dimensions.

    Warns
    -----
    PackedDataWarning
        If an attribute has the name of those of bands, but the array has no bands. Other programs
        give these names to attributes of other meanings.
    """
    dims = dimension_names(array) or (None,) * array.ndim
    if name in array.attrs:
        return _number(name, array.attrs[name])
    bands = array.attrs.get(PACKING[name])
    if bands is not None and _BAND not in dims:
        warn(
            f"the attribute {PACKING[name]!r} is not applied, because the array has no dimension "
            f"{_BAND!r}; the values are used as stored.",
            PackedDataWarning,
        )
    elif bands is not None:
        return _along(array, PACKING[name], dims, (_BAND,), np.asarray(bands))
    if name not in str(array.attrs.get("coordinates", "")).split():
        return None
    beside = array_beside(array, name)
    if beside is None or beside.size > _MOST:
        what, way = "is not beside the array", "open the array from its group, or"
        if beside is not None:
            what, way = f"has {beside.size:,} values", "to apply it,"
        raise DataError(
            f"the coordinate {name!r}, which scales the values, {what}: {way} decode the data by "
            "xarray and store the result."
        )
    return _along(array, name, dims, dimension_names(beside) or (), np.asarray(beside[...]))


def _number(name: str, value: Any) -> Any:
    """Return an attribute that is one number; its type decides the dtype of the values."""
    found = np.asarray(value)
    if found.size != 1 or found.dtype.kind not in "iuf":
        raise DataError(f"the attribute {name}={value!r} is not one number: correct it.")
    return value if found.ndim == 0 else found.ravel()[0]


def _along(
    array: Any, name: str, dims: Sequence[str | None], own: Sequence[str | None], values: AnyArray
) -> Any:
    """Return values along some dimensions in a shape that is broadcast to the array."""
    sizes = dict(zip(dims, array.shape, strict=True))
    matched = values.ndim == len(own) and all(
        dim is not None and sizes.get(dim) == n for dim, n in zip(own, values.shape, strict=True)
    )
    if not matched or values.dtype.kind not in "iuf":
        raise DataError(
            f"{name!r} of shape {values.shape} along {list(own)} does not match the data, of shape "
            f"{tuple(array.shape)} along {list(dims)}: correct it."
        )
    order = sorted(range(len(own)), key=lambda axis: list(dims).index(own[axis]))
    shape = tuple(sizes[dim] if dim in own else 1 for dim in dims)
    return values.astype(np.float64).transpose(order).reshape(shape)


def part(values: Any, region: tuple[slice, ...]) -> Any:
    """Return the part of a scale or an offset that applies to a region of the array."""
    if not isinstance(values, np.ndarray):
        return values
    each = zip(region, values.shape, strict=True)
    return values[tuple(slice(None) if n == 1 else own for own, n in each)]


def decoded_dtype(array: Any, scale: Any, offset: Any) -> np.dtype[Any]:
    """Return the dtype to which xarray decodes, or floats that hold the values and NaN.

    Where scale and offset have no dtype of their own, as in JSON and in GDAL, xarray decodes all
    numbers to float64. Numbers of at most 16 bits are float32 if this separates them well.
    """
    if _fits_single(meant_dtype(array), scale, offset):
        return np.dtype(np.float32)
    import xarray as xr  # takes half a second; only for packed arrays

    named = dict(zip(PACKING, (scale, offset), strict=True))
    attributes = {
        name: 1.0 if isinstance(value, np.ndarray) else value
        for name, value in named.items()
        if value is not None
    }
    if "_Unsigned" in array.attrs:
        attributes["_Unsigned"] = array.attrs["_Unsigned"]
    if array.dtype.kind == "f" and any(value != value for value in marked(array)):
        attributes["_FillValue"] = np.nan  # on which xarray's choice depends
    empty = np.empty((0,), array.dtype)
    made = xr.decode_cf(xr.Dataset({"x": ("x_", empty, attributes)}), decode_times=False)["x"].dtype
    return made if made.kind == "f" else np.result_type(made, np.float32)


def _fits_single(stored: np.dtype[Any], scale: Any, offset: Any) -> bool:
    """Return whether float32 separates the values of all stored numbers well."""
    given = [factor for factor in (scale, offset) if factor is not None]
    typed = any(isinstance(factor, np.generic) for factor in given)
    if not given or typed or stored.kind not in "iu" or stored.itemsize > 2:
        return False
    step = np.abs(1.0 if scale is None else scale)
    largest = 2.0 ** (8 * stored.itemsize) * step + np.abs(0.0 if offset is None else offset)
    return bool(np.all(largest * np.finfo(np.float32).eps * _SEPARATE <= step))
