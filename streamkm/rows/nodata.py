"""Which values of the data stand for none: by what the data say of themselves, or as asked."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from streamkm.errors import DataError
from streamkm.rows.kinds import is_a
from streamkm.rows.treatment import Missing

_NAMES = ("_FillValue", "missing_value", "nodata")


def missing_in(data: Any, nodata: Any = "auto") -> Missing | None:
    """The rows of the data to leave out; the mask of masked arrays always counts.

    Parameters
    ----------
    data : as for `open_rows`
    nodata : 'auto', None, or a number or several, of which NaN may be one
        'auto' is NaN in an xarray.DataArray of floats, and what such an array or a Zarr array
        names as `_FillValue`, `missing_value` or `nodata`; of other data it is nothing.

    Raises
    ------
    DataError
        When it is none of these.

    Examples
    --------
    >>> missing_in(None, (0, float("nan")))
    Missing(values=(0.0, nan))
    >>> missing_in(np.zeros((3, 2))) is None
    True
    """
    masked = is_masked(data)
    if nodata is None:
        return Missing.of((), masked)
    if not isinstance(nodata, str):
        try:
            return Missing.of(_numbers(nodata), masked)
        except (TypeError, ValueError) as error:
            raise DataError(f"nodata={nodata!r}; give numbers, 'auto' or None.") from error
    if nodata != "auto":
        raise DataError(f"nodata={nodata!r}; give numbers, 'auto' or None.")
    return Missing.of(announced(data), masked)


def is_masked(data: Any) -> bool:
    """Whether an array, or the blocks of a Dask array, are masked arrays."""
    if is_a(data, "xarray.DataArray") and data.chunks:
        data = data.data
    if is_a(data, "dask.array.Array"):
        from dask.array.utils import meta_from_array  # loaded by whoever made the array

        return isinstance(meta_from_array(data), np.ma.MaskedArray)
    return isinstance(data, np.ma.MaskedArray) and np.ma.getmask(data) is not np.ma.nomask


def announced(data: Any) -> list[float | int]:
    """What an xarray.DataArray or a Zarr array names as nodata itself; of others nothing."""
    if is_a(data, "xarray.DataArray"):
        if data.dtype.kind != "f":
            return _named({**data.encoding, **data.attrs})
        # What was decoded is NaN by now, and the value itself may be a good one since.
        return [np.nan, *_named(data.attrs)]
    if not is_a(data, "zarr.Array"):
        return []
    found = _named(dict(data.attrs))
    if data.metadata.zarr_format == 2 and "_ARRAY_DIMENSIONS" in data.attrs:
        found += [] if data.fill_value is None else _numbers(data.fill_value)  # xarray's place
    return found


def _numbers(values: Any) -> list[float | int]:
    """Whole numbers as they are, for not all of them are floats."""
    items = np.asarray(values).ravel().tolist()
    found = [float(item) if isinstance(item, (str, bytes)) else item for item in items]
    if not all(isinstance(item, (bool, int, float)) for item in found):
        raise TypeError(values)
    return found


def _named(attributes: Any) -> list[float | int]:
    found: list[float | int] = []
    for name in _NAMES:
        value = attributes.get(name)
        if isinstance(value, str):  # as xarray writes floats, which JSON cannot
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
