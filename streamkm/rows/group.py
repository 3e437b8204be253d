"""Opening of several arrays of a Zarr group or a file, by the rule of an xarray.Dataset."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from streamkm.errors import DataError
from streamkm.rows.coordinates import coordinate, same
from streamkm.rows.dimensions import dimension_names
from streamkm.rows.formats.decoded import stored_in
from streamkm.rows.lost import refuse_lost
from streamkm.rows.missing import Missing
from streamkm.rows.nodata import announced, meant_dtype
from streamkm.rows.sources import open_source
from streamkm.rows.variables import Variables


def open_variables(
    path: str | os.PathLike[str], names: Sequence[str], by_attributes: bool = True
) -> Variables:
    """Open several arrays of the Zarr group or file at a path or URL.

    The rule is that of an xarray.Dataset: NaN, and the fill values that all variables share, are
    missing. If the fill values of the variables differ, each is replaced by NaN.

    Parameters
    ----------
    path : path or URL of the group or file
    names : names of the arrays
    by_attributes : whether the attributes of the arrays determine which values are missing

    Raises
    ------
    DataError
        If the arrays differ in dimensions or coordinates; the message names the first that does.
    """
    arrays = tuple(open_source(path, name) for name in names)
    for name, array in zip(names, arrays, strict=True):
        refuse_lost(stored_in(array))
        if array.dtype.kind not in "biuf":
            raise DataError(
                f"the variable {name!r} has dtype {array.dtype}, which has no distances: leave it "
                "out, or convert it to numbers."
            )
    dims, shape, axes = _matched(names, arrays)
    dtypes = [meant_dtype(array) for array in arrays]
    fills = [_fill(array) if by_attributes else None for array in arrays]
    apart = len(set(fills)) > 1
    if apart:
        dtypes = [
            d if f is None else np.result_type(d, "f4") for d, f in zip(dtypes, fills, strict=True)
        ]
    dtype = np.result_type(*dtypes)
    shared = () if apart or fills[0] is None else fills[0].values
    missing = [np.nan, *shared] if dtype.kind == "f" else shared
    return Variables(
        arrays,
        tuple(names),
        axes,
        dims,
        (*shape, len(arrays)),
        dtype,
        tuple(fills) if apart else (None,) * len(arrays),
        Missing.from_values(missing) if by_attributes else None,
    )


def _fill(array: Any) -> Missing | None:
    """The fill values in the attributes of an array, in ascending order, without NaN."""
    return Missing.from_values(sorted(value for value in announced(array) if value == value))


def _matched(
    names: Sequence[str], arrays: Sequence[Any]
) -> tuple[tuple[str | None, ...], tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """The names and extents of the row dimensions, and for each array the axes of its dimensions.

    Raises
    ------
    DataError
        If an array has other dimensions, lengths or coordinates than the first with the most.
    """
    first = max(arrays, key=lambda array: int(array.ndim))
    whose = names[next(n for n, array in enumerate(arrays) if array is first)]
    dims = dimension_names(first) or (None,) * first.ndim
    axes = []
    for name, array in zip(names, arrays, strict=True):
        own = dimension_names(array) or (None,) * array.ndim
        if own == dims:  # also if none has a name
            axes.append(tuple(range(len(dims))))
        elif all(own) and len(set(own)) == len(own) and set(own) <= set(dims):
            axes.append(tuple(dims.index(dim) for dim in own))
        else:
            raise _differ(name, _words(own), whose, _words(dims), "dimensions")
        extents = tuple(first.shape[axis] for axis in axes[-1])
        if array.shape != extents:
            said = [
                dict(zip(own, n, strict=True)) if all(own) else n for n in (array.shape, extents)
            ]
            raise _differ(name, said[0], whose, said[1], "shape")
        for dim in own:
            mine, theirs = coordinate(array, dim), coordinate(first, dim)
            if mine is not None and theirs is not None and not same(mine, theirs):
                begins = [each.values(0, 3).tolist() for each in (mine, theirs)]
                raise _differ(name, begins[0], whose, begins[1], f"coordinates along {dim!r}")
    return dims, tuple(first.shape), tuple(axes)


def _words(dims: Sequence[str | None]) -> Any:
    return list(dims) if any(dims) else f"{len(dims)} without names"


def _differ(name: str, own: Any, whose: str, theirs: Any, what: str) -> DataError:
    begin = " that begin with" if what.startswith("coordinates") else ""
    return DataError(
        f"the variable {name!r} has the {what}{begin} {own}, but {whose!r} has {theirs}. Variables "
        "that are features of the same rows need the same dimensions and coordinates, or some of "
        f"them; leave out {name!r}, or bring it on the grid of {whose!r}."
    )
