"""Opening of data of any kind as rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from streamkm.errors import DataError, MemoryLimitError
from streamkm.rows.array import open_at
from streamkm.rows.beside import matched
from streamkm.rows.block import read_only
from streamkm.rows.by_name import cosine_of, is_cosine, of_name
from streamkm.rows.dask_rows import DaskRows, check_blocks, open_dask
from streamkm.rows.dimensions import dimension_names
from streamkm.rows.formats.base import FileArray
from streamkm.rows.formats.decoded import also_missing, decoded, is_decoded, stored_in
from streamkm.rows.kinds import is_a
from streamkm.rows.layout import Layout, feature_axes
from streamkm.rows.lost import refuse_lost
from streamkm.rows.matching import check_unique, reordering
from streamkm.rows.memory import Budget
from streamkm.rows.missing import Missing
from streamkm.rows.names import Named, feature_names
from streamkm.rows.nodata import as_meant, meant_dtype, missing_in, numbers_of, warn_packed
from streamkm.rows.on_disk import Hdf5, Mapped
from streamkm.rows.opened import open_stored, within
from streamkm.rows.plan import BlockPlan
from streamkm.rows.scaling import Scaling
from streamkm.rows.sliced import Sliced
from streamkm.rows.sources import has_arrays
from streamkm.rows.stored import StoredRows
from streamkm.rows.tables import numbers
from streamkm.rows.units import feature_units
from streamkm.rows.variables import Variables
from streamkm.sizes import show_bytes

Rows: TypeAlias = StoredRows | DaskRows
_NAN = Missing((np.nan,))
FeatureDim: TypeAlias = str | int | tuple[str | int, ...] | list[str | int] | None


def open_rows(
    data: Any,
    *,
    feature_dim: FeatureDim = None,
    variable: str | Sequence[str] | None = None,
    sample_weight: Any = None,
    mask: Any = None,
    nodata: Any = None,
    missing: str | None = None,
    scaling: Scaling | None = None,
    budget: Budget | None = None,
    count: bool = True,
    names: Sequence[str] | None = None,
) -> Rows:
    """Open any supported data as rows, and plan the blocks.

    Parameters
    ----------
    data : ndarray, dask array, zarr.Array, xarray.DataArray, table in memory, Named, FileArray, or
        path or URL of a Zarr store or of files of another format
        Of shape (rows, features), or of any shape with `feature_dim` given.
    feature_dim : name or number of the feature dimension, or several
    variable : name of the array in a Zarr group, or of several, which are the features of the rows
    sample_weight : array of the row shape, of any of the kinds above, or None
        A text is the name of a coordinate or of an array beside the data, ``cos(name)``, the
        cosine of a coordinate in degrees or radians, or a path.
    mask : array of the row shape, of any of the kinds above, or None
        Rows where it is False or 0 are left out. A text is a name or a path.
    nodata : values of rows that are left out, as for `missing_in`
    missing : None or 'omit', 'impute' or 'complete'
        'impute' keeps rows with some missing values, as NaN. NaN is then missing, too, as for
        'complete', which leaves these rows out.
    scaling : Scaling of the other rows, or None
    budget : Budget, or None for no limit
    count : whether unknown chunk sizes of a Dask array are counted; only lazy results without a
        mask do not need them
    names : names of the features of a fit, or None
        Data with the same names in another order are reordered when blocks are read, and data with
        other names are refused. If the group at a path has arrays of these names, they are the
        variables. Data without names are matched by position. Duplicate names are
        refused, also if `names` is None.

    Raises
    ------
    DataError
        For data that cannot be clustered; the message gives the cause and the fix.
    MemoryLimitError
        If a single block does not fit in the limit.
    """
    budget = budget or Budget()
    source, absent = _marked(_opened(data, variable or _named(data, names), nodata), nodata)
    array, dims = _array_of(source, budget)
    if isinstance(source, Variables):
        if feature_dim is not None:
            raise DataError(
                f"the features are the variables {list(source.names)}, so no dimension can be the "
                "feature dimension. To cluster along a dimension, give one variable."
            )
        feature_dim = -1
    axes = feature_axes(array.shape, dims, feature_dim)
    described = source.array if isinstance(source, Sliced) else source
    own = feature_names(described, array.shape, dims, axes)
    check_unique(own or (), "the data")
    order = reordering(own, names)
    units = feature_units(described, array.shape, dims, axes)
    if units is not None and order is not None:
        units = tuple(units[at] for at in order)
    named = source if is_a(source, "xarray.DataArray") else array
    dtype = meant_dtype(named)
    stored = isinstance(array, FileArray) or is_a(array, "zarr.Array")
    if not stored:  # blocks of a stored array are converted when read
        array = as_meant(array, dtype)
    layout = Layout(
        array.shape,
        axes,
        dtype,
        _missing(named, absent or missing_in(named, nodata), missing),
        scaling,
        names=own if order is None or names is None else tuple(names),
        order=order,
        units=units,
    )
    budget = budget.of(layout)
    row_dims = None if dims is None else [dims[a] for a in layout.row_axes]

    def beside(name: str, given: Any) -> Any:
        if given is None:
            return None
        rows = source.widest if isinstance(source, Variables) else source
        own = of_name(name, given, rows) if isinstance(given, str) else None
        own = _opened(given if own is None else own, None, None)
        values = cosine_of(own, given) if is_cosine(given) else _array_of(own, budget)
        return matched(name, (own, *values), rows, row_dims, layout.row_shape)

    weights, mask = beside("sample_weight", sample_weight), beside("mask", mask)
    lazy = any(is_a(a, "dask.array.Array") for a in (weights, mask))
    if lazy and not is_a(array, "dask.array.Array"):
        import dask.array as da  # already imported by the caller

        plan = open_stored(array, layout, (None, None), budget).plan
        sizes = iter(plan.chunks)
        chunks = tuple(-1 if a in axes else next(sizes) for a in range(array.ndim))
        array = as_meant(da.from_array(array, chunks=chunks), dtype)
    if is_a(array, "dask.array.Array"):
        return open_dask(array, layout, (weights, mask), budget, count or mask is not None)
    weights, mask = (
        np.broadcast_to(a, layout.row_shape) if isinstance(a, np.ndarray) else a
        for a in (weights, mask)
    )
    return open_stored(array, layout, (weights, mask), budget)


def may_lack(rows: Rows) -> bool:
    """Return whether rows may be left out, so that labels need a value for missing labels."""
    return rows.layout.missing is not None or rows.mask is not None


def may_have_gaps(rows: Rows) -> bool:
    """Return whether rows may have NaN as gaps."""
    return rows.layout.missing is not None and rows.layout.missing.partial


def in_plan(rows: Rows, plan: BlockPlan, budget: Budget) -> Rows:
    """Return the rows in the blocks of an existing plan.

    Raises
    ------
    MemoryLimitError
        If the blocks are too large for the limit.
    """
    return within(rows, budget, plan) if isinstance(rows, StoredRows) else rows


def _named(data: Any, names: Sequence[str] | None) -> Sequence[str] | None:
    """The features of a fit if they are the variables of the group at a path; otherwise None."""
    several = names is not None and len(names) > 1 and isinstance(data, (str, os.PathLike))
    return list(names) if names is not None and several and has_arrays(data, names) else None


def _opened(data: Any, variable: str | Sequence[str] | None, nodata: Any) -> Any:
    if not isinstance(data, (str, os.PathLike)):
        return decoded(data)
    return open_at(data, variable, isinstance(nodata, str) and nodata == "auto")


def _marked(data: Any, nodata: Any) -> tuple[Any, Missing | None]:
    """Return data in which NaN is missing, and this condition; or None where `nodata` decides.

    Values that the user gives are stored numbers, so decoded values are NaN in their place.
    Several variables have fill values of their own.
    """
    if nodata is None or (isinstance(nodata, str) and nodata == "auto"):
        return data, data.missing if nodata and isinstance(data, Variables) else None
    if isinstance(data, Variables) and any(map(is_decoded, data.arrays)):
        values = numbers_of(nodata)
        own = Missing.from_values(values)
        arrays = tuple(also_missing(array, values) for array in data.arrays)
        fills = tuple(None if is_decoded(array) else own for array in arrays)
        return replace(data, arrays=arrays, fills=fills), _NAN
    if is_decoded(data):
        return also_missing(data, numbers_of(nodata)), _NAN
    return data, None


def _missing(data: Any, found: Missing | None, missing: str | None) -> Missing | None:
    """The condition on the rows that are left out, by that on missing values and `missing`."""
    if missing in (None, "omit") or (found is None and meant_dtype(data).kind != "f"):
        return found
    return (found or Missing(())).with_nan(missing == "impute")


def _array_of(data: Any, budget: Budget) -> tuple[Any, tuple[str | None, ...] | None]:
    """Return the array in the data, unread if lazy, and its dimension names."""
    if isinstance(data, Named):
        data = data.array
    if isinstance(data, (Variables, Sliced)):
        return data, (*data.dims, None)
    if is_a(data, "xarray.DataArray"):
        names: tuple[Any, ...] | None = tuple(data.dims)
        warn_packed({str(data.name or "the DataArray"): data})
        if data.chunks:
            check_blocks(data.data)
            return data.data, names
        if not budget.allows(budget.projected(0, 1, data.nbytes)):
            raise MemoryLimitError(
                f"the DataArray has no chunks, so all of its {show_bytes(data.nbytes)} are loaded "
                f"into memory, over {budget.most}. Open it with "
                "chunks={}, or give the path of its store."
            )
        values = read_only(data.to_numpy())
        return Mapped.from_array(values) or values, names
    if isinstance(data, FileArray) or is_a(data, "zarr.Array"):
        refuse_lost(stored_in(data))
        return data, dimension_names(data)
    if is_a(data, "dask.array.Array"):
        check_blocks(data)
        return data, None
    if is_a(data, "zarr.Group", "xarray.Dataset"):
        raise DataError("give one array: group['name'] or dataset['name'].")
    if is_a(data, "h5py.Dataset"):
        return Hdf5.from_dataset(data), None
    values = read_only(numbers(data))
    return Mapped.from_array(values) or values, None
