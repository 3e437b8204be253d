"""Coordinates and attributes of labelled data that a Zarr store can hold."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from streamkm.errors import DataError, OutputWarning
from streamkm.outputs.attributes import plain
from streamkm.warn import warn

if TYPE_CHECKING:
    import xarray as xr

_PLAIN = "biufcmMSU"  # kinds of dtype that are written unchanged
_TAKEN = ("labels", "zarr.json")


def storable(like: xr.DataArray) -> xr.DataArray:
    """A copy of an array without the coordinates, attributes and indexes that cannot be stored.

    The levels of an index become coordinates.

    Raises
    ------
    DataError
        If Zarr does not accept the name of a dimension.

    Warns
    -----
    OutputWarning
        If something is left out; the message names it.
    """
    for dimension in like.dims:
        if not isinstance(dimension, str) or not dimension:
            raise DataError(f"the name of the dimension {dimension!r} is not a string: rename it.")
    like, lost = _without_levels(like)
    wrong = {name: why for name, coord in like.coords.items() if (why := _wrong(name, coord))}
    lost |= wrong
    copy = like.drop_vars(list(wrong)).copy(deep=False)  # has its own attributes
    copy.attrs = json_attributes(like.attrs, lost)
    for name in list(copy.coords):
        kind, chunks = copy.coords[name].dtype.kind, copy.coords[name].chunks
        if kind == "U":  # Zarr v3 has no dtype for text of fixed length
            copy.coords[name] = copy.coords[name].astype(object)
        if kind in "UO" and chunks:  # xarray would load it with a warning
            copy.coords[name] = copy.coords[name].compute()
        coord = copy.coords[name]
        coord.attrs = json_attributes(coord.attrs, lost, f" of {name}")
    if lost:
        what = "; ".join(f"{name} ({why})" for name, why in lost.items())
        warn(f"the labels are stored without {what}", OutputWarning)
    return copy


def _without_levels(like: xr.DataArray) -> tuple[xr.DataArray, dict[Any, str]]:
    """Return the array without indexes of several coordinates, and what is lost."""
    indexes, lost = like.xindexes, dict[Any, str]()
    several = [name for name in indexes if len(indexes.get_all_coords(name)) > 1]
    for dim in dict.fromkeys(like.coords[name].dims for name in several):
        levels = [name for name in several if like.coords[name].dims == dim and (name,) != dim]
        where = " and ".join(map(str, dim))
        lost[f"the index of {where}"] = f"its levels {levels} are coordinates"
    return (like.reset_index(several) if several else like), lost


def json_attributes(
    attributes: Mapping[Any, Any], lost: dict[Any, str], owner: str = ""
) -> dict[str, Any]:
    """Return attributes as strict JSON; those that JSON cannot hold are added to `lost`.

    Parameters
    ----------
    attributes : attributes of the array or of a coordinate
    lost : dict that receives the reason for each attribute that is left out
    owner : name of the coordinate in `lost`; empty for the array
    """
    found: dict[str, Any] = {}
    for name, value in attributes.items():
        if name == "_FillValue" and owner:  # xarray encodes the attributes of coordinates
            found[name] = value
            continue
        whole = np.asarray(value).tolist() if hasattr(value, "dtype") else value
        if hasattr(value, "to_gdal"):  # the affine transform of a raster
            whole = list(value)[:6]
        made = plain({name: whole})
        try:
            json.dumps(made, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            lost[f"the attribute {name}{owner}"] = f"a {type(value).__name__}"
        else:
            found |= made
    return found


def _wrong(name: Any, coord: xr.DataArray) -> str | None:
    """Return the reason why a coordinate cannot be stored, or None."""
    if not isinstance(name, str):
        return "its name is not a string"
    if not name.strip(".") or "/" in name or name.startswith("__") or name in _TAKEN:
        return "Zarr does not accept its name"
    if coord.dtype.kind in _PLAIN:
        return None
    import xarray as xr  # already imported by the caller
    from zarr.storage import MemoryStore

    bare = xr.Dataset({"x": coord.variable}).drop_encoding()
    bare["x"].attrs = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            bare.to_zarr(MemoryStore(), zarr_format=3, consolidated=False)
    except Exception:  # xarray and Zarr refuse objects with many kinds of errors
        return f"it holds {_types(coord)}"
    return None


def _types(coord: xr.DataArray) -> str:
    kinds = {type(value).__name__ for value in np.asarray(coord.values, object).ravel()[:1000]}
    return f"objects of {', '.join(sorted(kinds))}"
