"""Units of features, from the attributes of xarray and Zarr data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

from streamkm.errors import DataError
from streamkm.rows.formats.base import FileArray
from streamkm.rows.kinds import is_a
from streamkm.rows.names import MOST_NAMES
from streamkm.rows.variables import Variables

Units: TypeAlias = tuple[str, ...]

UNITS = "units"  # attribute, and coordinate along the features if their units differ
_PACKED = ("scale_factor", "add_offset")  # stored numbers are not in these units
_MIDNIGHT = "T00:00:00"
_NONE = ("", "1")  # units of numbers


def feature_units(
    data: Any, shape: Sequence[int], dims: Sequence[str | None] | None, axes: Sequence[int]
) -> Units | None:
    """Return the unit of each feature, empty if it has none; None if no feature has a unit.

    A DataArray may have a coordinate `units` along its feature dimension, as that of the variables
    of a Dataset has. Otherwise the attribute `units` of a DataArray or a Zarr array applies to all
    features, except where its values are packed. Each of several variables has its own.

    Parameters
    ----------
    data, shape, dims, axes : as for `feature_names`
    """
    if isinstance(data, Variables):
        units = tuple(_unit(array) for array in data.arrays)
        return units if any(units) else None
    lengths = [shape[axis] for axis in axes]
    if not isinstance(data, FileArray) and not is_a(data, "xarray.DataArray", "zarr.Array"):
        return None
    if any(math.isnan(n) for n in lengths) or math.prod(lengths) > MOST_NAMES:
        return None
    if is_a(data, "xarray.DataArray") and dims is not None and UNITS in data.coords:
        found = data.coords[UNITS]
        if len(axes) == 1 and found.dims == (dims[axes[0]],):
            return tuple(map(str, found.values.tolist()))
    unit = _unit(data)
    return (unit,) * math.prod(lengths) if unit else None


def _unit(array: Any) -> str:
    """The unit of the stored values of an array, or nothing if they are packed."""
    attributes = dict(array.attrs)
    unit = attributes.get(UNITS)
    packed = any(name in attributes for name in _PACKED)
    return unit if isinstance(unit, str) and not packed else ""


def refuse_other_units(
    own: Sequence[str] | None,
    first: Sequence[str] | None,
    names: Sequence[str] | None,
    whose: str,
) -> None:
    """Refuse rows of a stream whose features have other units than those of its first rows.

    Features without a unit are not compared.

    Raises
    ------
    DataError
        With the first feature whose units differ.
    """
    if own is None or first is None:
        return
    for at, (unit, wanted) in enumerate(zip(own, first, strict=False)):
        if unit != wanted and not {unit, wanted} & set(_NONE):
            name = f"{names[at]!r}" if names else f"feature {at}"
            raise DataError(
                f"{whose} {name} in {unit}, but the stream began with {wanted}: convert the rows "
                f"to {wanted}, or correct their attribute `units`."
            )


def without_midnight(names: Sequence[Any]) -> list[Any]:
    """Return names of features for display; days do not have the time 00:00:00.

    Examples
    --------
    >>> without_midnight(["2000-01-01T00:00:00", "2000-02-01T00:00:00"])
    ['2000-01-01', '2000-02-01']
    """
    days = all(isinstance(name, str) and name.endswith(_MIDNIGHT) for name in names)
    return [name.removesuffix(_MIDNIGHT) for name in names] if days else list(names)


def with_units(names: Sequence[Any], units: Sequence[str] | None) -> list[Any]:
    """Return names of features with their units, for tables.

    Examples
    --------
    >>> with_units(["t2m", "cover"], ["K", "1"])
    ['t2m [K]', 'cover']
    """
    if units is None or len(units) == 0:
        return list(names)
    pairs = zip(names, units, strict=False)
    return [name if unit in _NONE else f"{name} [{unit}]" for name, unit in pairs]
