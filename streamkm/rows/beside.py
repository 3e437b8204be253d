"""Weights and masks: a value for each row, matched with the data by dimension and coordinate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamkm.errors import DataError
from streamkm.rows.coordinates import coordinate, same
from streamkm.rows.kinds import is_a
from streamkm.rows.layout import beside_error, check_beside
from streamkm.rows.nodata import is_masked

_OPTION = {"sample_weight": "weights", "mask": "mask"}
_SMALL_NBYTES = 64 * 2**20  # weights or a mask on disk that are read to be rearranged


def matched(
    name: str,
    given: tuple[Any, Any, tuple[str | None, ...] | None],
    data: Any,
    row_dims: Sequence[str | None] | None,
    row_shape: tuple[int, ...],
) -> Any:
    """Return weights or a mask in the order of the rows, of length one along repeated dimensions.

    Dimensions are matched by name, in any order, where both sides name all of them; their
    coordinates must then be those of the data. Along dimensions that the argument lacks, such as
    the longitude for weights by latitude, its values are repeated, as in xarray.

    Parameters
    ----------
    name : for messages
    given : the argument, the array in it, and the names of its dimensions
    data : DataArray or Zarr array of the rows, or other data
    row_dims, row_shape : names and extents of the row dimensions of the data

    Raises
    ------
    DataError
        If dimensions, coordinates, shape or dtype do not match the rows.
    """
    source, array, dims = given
    if is_masked(array):
        raise beside_error(
            name, "is a masked array; fill it,", "and leave rows out with mask= or a weight of 0."
        )
    if dims and row_dims and all(dims) and all(row_dims):
        if len(set(dims)) != len(dims) or not set(dims) <= set(row_dims):
            raise beside_error(
                name,
                f"has dimensions {list(dims)}; give one value for each row, or for each "
                f"place along some of the dimensions of the rows, {list(row_dims)}.",
            )
        places = tuple(dims.index(dim) for dim in row_dims if dim in dims)
        if places != tuple(range(len(places))):
            array = arranged(array).transpose(places)
        for dim in dims:
            _check_coordinate(name, source, data, dim)
        if len(dims) < len(row_dims):
            present = [dim in dims for dim in row_dims]
            own = tuple(n for n, there in zip(row_shape, present, strict=True) if there)
            check_beside(array, own, f"{name} along {list(dims)}")
            return _with_all_axes(arranged(array), present, row_shape)
    check_beside(array, row_shape, name)
    return array


def _with_all_axes(array: Any, present: list[bool], shape: tuple[int, ...]) -> Any:
    """Return an array with axes of length one where dimensions are missing."""
    if any(np.isnan(n) for n in shape):
        raise DataError("the number of rows is unknown; give one value for each row.")
    array = array if is_a(array, "dask.array.Array") else np.asarray(array)
    return array[tuple(slice(None) if there else None for there in present)]


def arranged(array: Any) -> Any:
    """Return an array that can be rearranged: a small array on disk is read, a large one is lazy.

    With lazy weights, the data are lazy, too, and have no fingerprint.
    """
    if hasattr(array, "transpose"):
        return array
    if array.size * array.dtype.itemsize <= _SMALL_NBYTES:
        return np.asarray(array[...])
    import dask.array as da  # takes half a second

    return da.from_zarr(array) if is_a(array, "zarr.Array") else da.from_array(array)


def _check_coordinate(name: str, given: Any, data: Any, dim: str | None) -> None:
    own, theirs = coordinate(given, dim), coordinate(data, dim)
    if own is None or theirs is None or same(own, theirs):
        return
    if same(own, theirs, turned=True):
        text = f"along {dim!r} are in the reverse order of those of the data. Reverse"
        raise DataError(
            python=f"the coordinates of {name} {text} {name}, in xarray with "
            f"isel({dim}=slice(None, None, -1)).",
            command=f"the coordinates of --{_OPTION[name]} {text} them.",
        )
    text = (
        f"along {dim!r} differ from those of the data: they begin with "
        f"{own.values(0, 3).tolist()}, those of the data with {theirs.values(0, 3).tolist()}. "
        "Align them first"
    )
    raise DataError(
        python=f"the coordinates of {name} {text}, for example with xarray.align or reindex_like.",
        command=f"the coordinates of --{_OPTION[name]} {text}.",
    )
