"""Values of netCDF and HDF5 arrays as their attributes define them (CF conventions)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.rows.formats.base import FileArray, Region
from streamkm.rows.missing import Missing
from streamkm.rows.nodata import as_meant, is_packed, marked, meant_dtype

_PACKING = ("scale_factor", "add_offset")
_RANGE = ("valid_range", "valid_min", "valid_max")
_MISSING = ("_FillValue", "missing_value", "nodata")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Decoded(FileArray):
    """Values times `scale_factor` plus `add_offset`, with NaN where they are missing.

    Missing are `_FillValue`, `missing_value`, and values outside `valid_range`, `valid_min` and
    `valid_max`. The dtype, and so the bits of the values, are those of xarray, which does not use
    valid ranges. These are in units of the stored values if both are integers or both are floats,
    as netCDF's conventions say.

    Parameters
    ----------
    stored : the array of stored values
    """

    stored: FileArray

    @property
    def stamp(self) -> dict[str, Any]:
        return self.stored.stamp

    @property
    def label(self) -> str | None:
        return self.stored.label

    def beside(self, name: str) -> FileArray | None:
        return self.stored.beside(name)

    def read(self, region: Region) -> AnyArray:
        stored, attributes = self.stored, self.stored.attrs
        values = as_meant(stored[region], meant_dtype(stored))
        missing = Missing.from_values(marked(stored))
        valid = np.ones(values.shape, bool) if missing is None else missing.valid(values)
        bounds, of_stored = _bounds(attributes, stored)
        if of_stored:
            valid &= _within(values, bounds)
        made = values.astype(self.dtype)
        if attributes.get("scale_factor") is not None:
            made *= attributes["scale_factor"]
        if attributes.get("add_offset") is not None:
            made += attributes["add_offset"]
        if not of_stored:
            valid &= _within(made, bounds)
        made[~valid] = np.nan
        return np.asarray(made)


def decoded(array: FileArray) -> FileArray:
    """Return an array as its attributes define it; one without packing and range as it is.

    Integers with fill values only stay integers, and rows with fill values are left out.
    """
    attributes = array.attrs
    if not is_packed(array) and not any(name in attributes for name in _RANGE):
        return array
    hidden = {*_PACKING, *_RANGE, *_MISSING, "_Unsigned"}
    return Decoded(
        files=array.files,
        shape=array.shape,
        dtype=_dtype(array),
        chunks=array.chunks,
        dims=array.dims,
        attrs={name: value for name, value in attributes.items() if name not in hidden},
        edges=array.edges,
        stored=array,
    )


def _dtype(array: FileArray) -> np.dtype[Any]:
    """Return the dtype to which xarray decodes, or floats that hold the values and NaN."""
    import xarray as xr  # takes half a second; only for packed arrays

    names = (*_PACKING, "_Unsigned")
    attributes = {name: array.attrs[name] for name in names if name in array.attrs}
    empty = np.empty((0,), array.dtype)
    made = xr.decode_cf(xr.Dataset({"x": ("x_", empty, attributes)}), decode_times=False)["x"].dtype
    return made if made.kind == "f" else np.result_type(made, np.float32)


def _bounds(attributes: Any, stored: FileArray) -> tuple[tuple[Any, Any], bool]:
    """Return the least and the largest valid value, and whether they are stored values."""
    low, high = attributes.get("valid_min"), attributes.get("valid_max")
    both = attributes.get("valid_range")
    if isinstance(both, (list, tuple)) and len(both) == 2:
        low, high = both
    given = [np.asarray(value) for value in (low, high) if value is not None]
    if not all(value.dtype.kind in "biuf" for value in given):
        return (None, None), True
    packed = stored.dtype.kind in "iu" and any(value.dtype.kind == "f" for value in given)
    if packed:
        return (low, high), False
    unsigned = meant_dtype(stored) != stored.dtype
    kept = [
        np.asarray(value).astype(stored.dtype).view(meant_dtype(stored))[()]
        if unsigned and value is not None
        else value
        for value in (low, high)
    ]
    return (kept[0], kept[1]), True


def _within(values: AnyArray, bounds: tuple[Any, Any]) -> AnyArray:
    low, high = bounds
    valid = np.ones(values.shape, bool)
    if values.dtype.kind == "f":  # a bound is rounded like the values
        low, high = (None if b is None else values.dtype.type(b) for b in bounds)
    if low is not None:
        valid &= ~(values < low)
    if high is not None:
        valid &= ~(values > high)
    return valid
