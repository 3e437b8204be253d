"""Weights and masks that are given by the name of a coordinate or a variable of the data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.errors import DataError
from streamkm.files.near import did_you_mean, similar_name
from streamkm.rows.beside import arranged
from streamkm.rows.coordinates import array_beside, arrays_beside
from streamkm.rows.dimensions import dimension_names
from streamkm.rows.formats.base import FileArray
from streamkm.rows.kinds import is_a
from streamkm.rows.layout import beside_error
from streamkm.rows.paths import arrays_of_group

_COSINE = re.compile(r"\s*cos\s*\(\s*([^()]+?)\s*\)\s*")
_POLE = 1e-6  # cosine below zero that rounding of a latitude of 90 degrees can cause
_DEGREES, _RADIANS = ("degree", "deg", "°"), ("radian", "rad")


def name_in(text: str) -> str:
    """Return the name in a name or in ``cos(name)``.

    Examples
    --------
    >>> name_in("area"), name_in("cos( lat )")
    ('area', 'lat')
    """
    cosine = _COSINE.fullmatch(text)
    return text if cosine is None else cosine[1]


def is_cosine(text: Any) -> bool:
    """Return whether weights are given as ``cos(name)``."""
    return isinstance(text, str) and _COSINE.fullmatch(text) is not None


def of_name(option: str, text: str, data: Any) -> Any:
    """Return the coordinate or variable of the data that a text names; None for a path.

    Parameters
    ----------
    option : 'sample_weight' or 'mask'
    text : ``name`` or, for weights, ``cos(name)``, or a path or URL
    data : DataArray, zarr.Array or FileArray of the rows, or other data

    Returns
    -------
    DataArray, zarr.Array or FileArray, without the cosine

    Raises
    ------
    DataError
        If the data have nothing of this name; the message lists the coordinates.
    """
    found = _named(data, name_in(text))
    if found is None and not is_cosine(text) and ("://" in text or Path(text).exists()):
        return None
    if found is None:
        raise _unknown(option, text, data)
    if is_cosine(text) and option != "sample_weight":
        raise beside_error(option, f"{text!r} is not true or false; give the name of an array.")
    return found


def cosine_of(angles: Any, text: str) -> tuple[Any, tuple[str | None, ...] | None]:
    """Return the cosines of a coordinate, lazy if it is lazy, and the names of its dimensions.

    Parameters
    ----------
    angles : DataArray, zarr.Array or FileArray, in degrees unless its `units` are radians
        Packed numbers of a DataArray are decoded, by xarray; others have been, as all rows are.
    text : for messages

    Raises
    ------
    DataError
        If the units are others, or a cosine is negative, as of a latitude beyond a pole.
    """
    units = str(angles.attrs.get("units", "")).lower()
    if units and not units.startswith((*_DEGREES, *_RADIANS)):
        raise beside_error(
            "sample_weight",
            f"{text!r}: the units of this coordinate are {units!r}; the cosine needs degrees or "
            "radians.",
        )
    labelled = is_a(angles, "xarray.DataArray")
    values = _unpacked(angles).data if labelled else arranged(angles)
    dims = tuple(angles.dims) if labelled else dimension_names(angles)
    values = values if values.dtype.kind == "f" else values.astype(np.float64)
    cosines = np.cos(values if units.startswith(_RADIANS) else np.deg2rad(values))
    lazy = is_a(cosines, "dask.array.Array")
    if not lazy and cosines.size and float(cosines.min()) < -_POLE:
        raise beside_error(
            "sample_weight",
            f"{text!r} is negative for some values of this coordinate, which range from "
            f"{values.min():g} to {values.max():g}; latitudes are from -90 to 90 degrees.",
        )
    return np.where((cosines < 0) & (cosines >= -_POLE), 0, cosines), dims


def _unpacked(angles: Any) -> Any:
    """Return a coordinate of xarray with the numbers that its attributes define, lazy if it is."""
    import xarray as xr  # already imported by the caller

    variable = angles.variable.to_base_variable()
    return xr.decode_cf(xr.Dataset({"x": variable}), decode_times=False)["x"]


def _named(data: Any, name: str) -> Any:
    """Return the coordinate or array of a name, or None."""
    if not is_a(data, "xarray.DataArray"):
        return array_beside(data, name)
    return next((own for known, own in data.coords.items() if known == name), None)


def _unknown(option: str, text: str, data: Any) -> DataError:
    """The error for a name that the data do not have."""
    known, name = _names(data), name_in(text)
    have = f"which have {', '.join(known)}" if known else "which have no coordinates"
    path = "" if is_cosine(text) else "path, "
    meant = similar_name(name, known) or did_you_mean(text)
    forms = "an array or the name of one"
    forms = f"{forms}, or cos(NAME)" if option == "sample_weight" else forms
    return beside_error(
        option,
        f"{text!r}: {name!r} is no {path}coordinate or array of the data, {have}.{meant} Give "
        f"{forms}; other expressions are not evaluated.",
    )


def _names(data: Any) -> Sequence[str]:
    """The names of the coordinates of data."""
    if is_a(data, "xarray.DataArray"):
        return [str(name) for name in data.coords]
    if is_a(data, "zarr.Array"):
        return arrays_of_group(data)
    dims = data.dims if isinstance(data, FileArray) else None
    return sorted(arrays_beside(data, dims, data.shape)) if dims else []
