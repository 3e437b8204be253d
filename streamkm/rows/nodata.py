"""Meaning of stored numbers by their attributes: missing values, sign, and packing."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from streamkm.errors import DataError, PackedDataWarning
from streamkm.rows.formats.base import FileArray
from streamkm.rows.kinds import is_a
from streamkm.rows.missing import Missing
from streamkm.warn import warn

_NAMES = ("_FillValue", "missing_value", "nodata")
_OF_BANDS = {"scales": 1, "offsets": 0}  # rioxarray's attributes of bands that differ


def missing_in(data: Any, nodata: Any = "auto") -> Missing | None:
    """Return the condition on which rows are left out; the mask of masked arrays always applies.

    Parameters
    ----------
    data : as for `open_rows`
    nodata : 'auto', None, or a number or several, of which NaN may be one
        'auto' means NaN in an xarray.DataArray, a netCDF or HDF5 file or a raster of floats, and
        the attributes `_FillValue`, `missing_value` and `nodata` of such an array or a Zarr array;
        other data have none.

    Raises
    ------
    DataError
        If `nodata` is none of these.

    Examples
    --------
    >>> missing_in(None, (0, float("nan")))
    Missing(values=(0.0, nan), masked=False, partial=False)
    >>> missing_in(np.zeros((3, 2))) is None
    True
    """
    masked = is_masked(data)
    if nodata is None:
        return Missing.from_values((), masked)
    if isinstance(nodata, str) and nodata == "auto":
        return Missing.from_values(announced(data), masked)
    return Missing.from_values(_meant(data, numbers_of(nodata)), masked)


def numbers_of(nodata: Any) -> list[float | int]:
    """Return the numbers that a user gives as nodata.

    Raises
    ------
    DataError
        If they are no numbers.
    """
    if isinstance(nodata, str):
        hint = " NaN is float('nan')." if nodata.strip().lower() == "nan" else ""
        raise DataError(f"nodata={nodata!r}; give numbers, 'auto' or None.{hint}")
    try:
        return _numbers(nodata)
    except (TypeError, ValueError) as error:
        raise DataError(f"nodata={nodata!r}; give numbers, 'auto' or None.") from error


def is_masked(data: Any) -> bool:
    """Return whether an array, or the blocks of a Dask array, are masked arrays."""
    if is_a(data, "xarray.DataArray") and data.chunks:
        data = data.data
    if is_a(data, "dask.array.Array"):
        from dask.array.utils import meta_from_array  # already imported by the caller

        return isinstance(meta_from_array(data), np.ma.MaskedArray)
    return isinstance(data, np.ma.MaskedArray) and np.ma.getmask(data) is not np.ma.nomask


def announced(data: Any) -> list[float | int]:
    """Return the nodata values in the attributes of a DataArray, a Zarr array or a file."""
    if is_a(data, "xarray.DataArray"):
        if data.dtype.kind != "f":
            return _meant(data, _named({**data.encoding, **data.attrs}))
        # Decoded values are NaN already, and the value itself may be valid after decoding.
        return [np.nan, *_named(data.attrs)]
    if isinstance(data, FileArray):
        nan = data.dtype.kind == "f" and data.nan_is_missing
        return [*([np.nan] if nan else []), *marked(data)]
    return marked(data) if is_a(data, "zarr.Array") else []


def marked(data: Any) -> list[float | int]:
    """Return the nodata values in the attributes of a Zarr array or an array in a file."""
    found = _named(dict(data.attrs))
    if isinstance(data, FileArray):
        return _meant(data, found)
    # xarray stores the nodata value of arrays of Zarr format 2 as their fill value.
    if data.metadata.zarr_format == 2 and "_ARRAY_DIMENSIONS" in data.attrs:
        found += [] if data.fill_value is None else _numbers(data.fill_value)
    return _meant(data, found)


def meant_dtype(data: Any) -> np.dtype[Any]:
    """Return the dtype that an array means: with netCDF's `_Unsigned`, that of the other sign."""
    stored: np.dtype[Any] = data.dtype
    described = isinstance(data, FileArray) or is_a(data, "xarray.DataArray", "zarr.Array")
    if stored.kind not in "iu" or not described:
        return stored
    said = str(data.attrs.get("_Unsigned", "")).lower()
    return _of_kind(stored, {"true": "u", "false": "i"}.get(said, stored.kind))


def as_meant(values: Any, dtype: np.dtype[Any]) -> Any:
    """Convert stored integers, in an array of any kind, to the sign that they mean."""
    if values.dtype.kind == dtype.kind:
        return values
    return values.view(_of_kind(values.dtype, dtype.kind))


def _of_kind(dtype: np.dtype[Any], kind: str) -> np.dtype[Any]:
    return np.dtype(f"{dtype.byteorder}{kind}{dtype.itemsize}")


def _meant(data: Any, values: list[float | int]) -> list[float | int]:
    """Convert values from the sign of the stored dtype to the sign of the meant dtype."""
    if getattr(data, "dtype", None) is None or meant_dtype(data) == data.dtype:
        return values
    least, span = int(np.iinfo(meant_dtype(data)).min), 2 ** (8 * data.dtype.itemsize)
    return [
        (int(value) - least) % span + least
        if -span // 2 <= value < span and value == int(value)
        else value
        for value in values
    ]


def warn_packed(arrays: Mapping[str, Any]) -> None:
    """Warn if stored numbers of xarray objects are used although they mean others."""
    packed = [name for name, array in arrays.items() if is_packed(array)]
    if packed:
        warn(
            f"{', '.join(packed)}: the values are packed (scale_factor, add_offset) and are used "
            "as stored. To decode them, give the path of the store or file, open it with "
            "xarray.open_zarr or apply xarray.decode_cf; where bands or scenes differ, compute "
            "data * data.scale_factor + data.add_offset.",
            PackedDataWarning,
        )


def is_packed(array: Any) -> bool:
    """Return whether a scale or an offset defines the meaning of the stored numbers."""
    attributes = array.attrs
    plain = {"scale_factor": 1, "add_offset": 0}
    for name, value in (plain | _OF_BANDS).items():
        if np.any(np.asarray(attributes.get(name, value), object) != value):
            return True
    beside = getattr(array, "coords", str(attributes.get("coordinates", "")).split())
    return any(name in beside for name in plain)


def _numbers(values: Any) -> list[float | int]:
    """Return numbers with integers unchanged, because float64 cannot represent all of them."""
    items = np.asarray(values).ravel().tolist()
    found = [float(item) if isinstance(item, (str, bytes)) else item for item in items]
    if not all(isinstance(item, (bool, int, float)) for item in found):
        raise TypeError(values)
    return found


def _named(attributes: Any) -> list[float | int]:
    found: list[float | int] = []
    for name in _NAMES:
        value = attributes.get(name)
        if isinstance(value, str):  # xarray's encoding of floats that JSON cannot represent
            value = _decoded(value)
        if value is not None:
            found += _numbers(value)
    return found


def _decoded(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(np.frombuffer(base64.b64decode(text, validate=True), "<f8")[0])
    except (ValueError, IndexError):
        return None
