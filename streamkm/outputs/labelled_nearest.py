"""The rows nearest to each centroid, with the coordinates of xarray data."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.passes import Nearest
from streamkm.rows.layout import Layout

if TYPE_CHECKING:
    import xarray as xr

_DIMS = ("cluster", "rank")


@dataclass(frozen=True, repr=False)
class LabelledNearest(Nearest):
    """The rows of xarray data that are nearest to each centroid, and where they are.

    Parameters
    ----------
    numbers, distances, values : as of `Nearest`
    dataset : xarray.Dataset
        `numbers`, `distances` (NaN without a row) and `values` of dimensions (cluster, rank), the
        values with the feature dimensions of the data after these; and the coordinates of the
        rows, of dimensions (cluster, rank), which are NaN or NaT without a row.
    indices : dict of str to xarray.DataArray
        Position of each row along each row dimension, of dimensions (cluster, rank), so that
        ``X.isel(found.indices)`` selects the rows. They are -1 where `numbers` are -1.
    """

    dataset: xr.Dataset
    indices: dict[str, xr.DataArray]


def labelled_nearest(found: Nearest, data: xr.DataArray, layout: Layout) -> LabelledNearest:
    """Add the coordinates of the rows, of which only those that were found are looked up.

    Coordinates whose names are those of the dimensions or variables of the result are left out.

    Parameters
    ----------
    found : Nearest
    data : DataArray that was read
    layout : Layout of its rows
    """
    import xarray as xr  # already imported by the caller

    there = found.numbers >= 0
    rows = [data.dims[axis] for axis in layout.row_axes]
    features = [data.dims[axis] for axis in layout.feature_axes]
    at = np.unravel_index(np.where(there, found.numbers, 0), layout.row_shape)
    places = {d: xr.Variable(_DIMS, own) for d, own in zip(rows, at, strict=True)}
    variables: dict[Any, Any] = {
        "distances": (_DIMS, found.distances),
        "values": ((*_DIMS, *features), _values(found, data, layout), data.attrs),
    }
    reserved = (*_DIMS, *variables, "numbers")
    coords = {n: c for n, c in data.coords.items() if n not in reserved}
    of_rows = {
        name: c.variable.isel({d: places[d] for d in c.dims})
        for name, c in coords.items()
        if c.dims and set(c.dims) <= set(rows)
    }
    dataset = xr.Dataset(variables | of_rows).load()
    if not there.all():
        dataset = dataset.where(xr.DataArray(there, dims=_DIMS))
    others = {n: c.variable for n, c in coords.items() if set(c.dims) <= set(features)}
    dataset = dataset.set_coords(list(of_rows)).assign_coords(others)
    dataset["numbers"] = (_DIMS, found.numbers)
    indices = {
        str(d): xr.DataArray(np.where(there, own, -1), dims=_DIMS)
        for d, own in zip(rows, at, strict=True)
    }
    own = {field.name: getattr(found, field.name) for field in fields(Nearest)}
    return LabelledNearest(**own, dataset=dataset, indices=indices)


def _values(found: Nearest, data: xr.DataArray, layout: Layout) -> AnyArray:
    """The values (k, n, *features) in the order of the features of the data."""
    order = layout.order
    values = found.values if order is None else found.values[..., np.argsort(order)]
    lengths = (data.shape[axis] for axis in layout.feature_axes)
    return values.reshape(*found.numbers.shape, *lengths)
