"""Decoding of stored numbers as their attributes define them: CF's packing and valid ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.rows.missing import Missing
from streamkm.rows.nodata import as_meant, is_packed, marked, meant_dtype
from streamkm.rows.packing import PACKING, decoded_dtype, factor, part

RANGE = ("valid_range", "valid_min", "valid_max")
_OF_VALUES = (*PACKING, *PACKING.values(), *RANGE)
_MISSING = ("_FillValue", "missing_value", "nodata", "_Unsigned")


@dataclass(frozen=True, eq=False)
class Meaning:
    """How stored numbers become values: times a scale plus an offset, with NaN where missing.

    Missing are the values of `missing`, and those outside of a valid range, which xarray does not
    use. The dtype is that of xarray or, where this is enough, float32. A range is in units of the
    stored values if both are integers or both are floats, as netCDF's conventions say.

    Parameters
    ----------
    stored : dtype of the stored numbers, with the sign that they mean
    dtype : dtype of the values, of floats
    scale, offset : None, a number, or an array that is broadcast to the stored numbers
    missing : Missing stored numbers, or None
    bounds : least and largest valid value, or None for no limit
    of_stored : whether the bounds are stored numbers
    """

    stored: np.dtype[Any]
    dtype: np.dtype[Any]
    scale: Any
    offset: Any
    missing: Missing | None
    bounds: tuple[Any, Any]
    of_stored: bool

    @classmethod
    def of(cls, array: Any) -> Self | None:
        """Return the meaning of a zarr.Array or FileArray; None if it is that of plain numbers.

        Integers with fill values only stay integers, and rows with fill values are left out.

        Raises
        ------
        DataError
            If a scale or an offset is not a number, or does not match the dimensions.

        Warns
        -----
        PackedDataWarning
            If scales or offsets of bands are not applied, because the array has no bands.
        """
        has_range = any(name in array.attrs for name in RANGE)
        if not is_packed(array) and not has_range:
            return None
        scale, offset = (factor(array, name) for name in PACKING)
        if scale is None and offset is None and not has_range:
            return None
        return cls(
            meant_dtype(array),
            decoded_dtype(array, scale, offset),
            scale,
            offset,
            Missing.from_values(marked(array)),
            *_bounds(array),
        )

    def also_missing(self, values: Sequence[float | int]) -> Self:
        """Return the meaning with further stored numbers that are missing."""
        known = () if self.missing is None else self.missing.values
        return replace(self, missing=Missing.from_values((*known, *values)))

    def values(self, stored: AnyArray, region: tuple[slice, ...]) -> AnyArray:
        """Return the values of the stored numbers of a region of the array."""
        numbers = as_meant(stored, self.stored)
        valid = np.ones(numbers.shape, bool)
        if self.missing is not None:
            valid = self.missing.valid(numbers)
        if self.of_stored:
            valid &= _within(numbers, self.bounds)
        made = numbers.astype(self.dtype)
        if self.scale is not None:
            made *= part(self.scale, region)
        if self.offset is not None:
            made += part(self.offset, region)
        if not self.of_stored:
            valid &= _within(made, self.bounds)
        made[~valid] = np.nan
        return np.asarray(made)

    @property
    def facts(self) -> str:
        """All properties, with all digits."""
        each = (self.scale, self.offset, *self.bounds)
        plain = [None if value is None else np.asarray(value).tolist() for value in each]
        missing = () if self.missing is None else tuple(map(str, self.missing.values))
        return repr((str(self.stored), str(self.dtype), *plain, missing, self.of_stored))

    def __str__(self) -> str:
        return "; ".join(f"{name} {value}" for name, value in self.summary.items())

    @property
    def summary(self) -> dict[str, str]:
        """The scale, the offset and the limits as texts."""
        named = {"scale": self.scale, "offset": self.offset}
        named |= dict(zip(("least", "largest"), self.bounds, strict=True))
        return {name: _text(value) for name, value in named.items() if value is not None}


def plain_attributes(attributes: Any) -> dict[str, Any]:
    """Return the attributes that still apply to decoded values."""
    hidden = {*_OF_VALUES, *_MISSING}
    return {name: value for name, value in attributes.items() if name not in hidden}


def _text(value: Any) -> str:
    numbers = [f"{number:g}" for number in np.ravel(value).tolist()]
    return ", ".join(numbers if len(numbers) <= 8 else [*numbers[:6], "...", numbers[-1]])


def _bounds(array: Any) -> tuple[tuple[Any, Any], bool]:
    """Return the least and the largest valid value, and whether they are stored values."""
    low, high = (array.attrs.get(name) for name in RANGE[1:])
    both = array.attrs.get(RANGE[0])
    if isinstance(both, (list, tuple)) and len(both) == 2:
        low, high = both
    given = [np.asarray(value) for value in (low, high) if value is not None]
    if not all(value.dtype.kind in "biuf" for value in given):
        return (None, None), True
    if array.dtype.kind in "iu" and any(value.dtype.kind == "f" for value in given):
        return (low, high), False
    meant = meant_dtype(array)
    kept = [
        np.asarray(value).astype(array.dtype).view(meant)[()]
        if meant != array.dtype and value is not None
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
