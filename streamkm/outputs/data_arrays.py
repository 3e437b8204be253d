"""Conversion of labelled data to rows, and of per-row results to labelled data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.passes import no_label
from streamkm.rows.exact import cast, refuse_changed
from streamkm.rows.layout import feature_axes
from streamkm.rows.missing import Missing
from streamkm.rows.nodata import announced, as_meant, meant_dtype, warn_packed
from streamkm.rows.units import UNITS

if TYPE_CHECKING:
    import xarray as xr

FEATURE = "variable"  # dimension of the variables of a Dataset
# Attributes of the values of the data, which do not apply to labels.
_OF_VALUES = (
    *("_FillValue", "missing_value", "nodata", "scale_factor", "add_offset", "units"),
    *("_Unsigned", "scales", "offsets"),
    *("standard_name", "long_name", "valid_min", "valid_max", "valid_range", "cell_methods"),
    *("flag_values", "flag_meanings", "flag_masks", "STATISTICS_MINIMUM", "STATISTICS_MAXIMUM"),
    *("STATISTICS_MEAN", "STATISTICS_STDDEV"),
)
_FLAGS = 256  # a message with more names is not readable


def stacked(data: xr.Dataset) -> xr.DataArray:
    """Return the variables of a Dataset as features of an array, lazy if they are lazy.

    Parameters
    ----------
    data : Dataset, of which variables without dimensions are left out

    Raises
    ------
    DataError
        If no variable is left, or one is not numeric or has additional dimensions.
    """
    wanted = _numeric_variables(data)
    warn_packed({name: data[name] for name in wanted})
    fills = [_fills(data[name]) for name in wanted]
    data = data.assign({name: _as_meant(data[name]) for name in wanted})
    apart = len(set(fills)) > 1
    if apart or np.result_type(*(data[name].dtype for name in wanted)).kind == "f":
        exact = {name: _exact(data[name], fill) for name, fill in zip(wanted, fills, strict=True)}
        data = data.assign(exact)
    if apart:  # the fill values differ, and only NaN can replace all of them
        for name, fill in zip(wanted, fills, strict=True):
            if fill is not None:
                data = data.assign({name: _without(data[name], fill)})
    array = data[wanted].to_dataarray(FEATURE)
    units = [str(data[name].attrs.get(UNITS, "")) for name in wanted]
    if any(units) and UNITS not in array.coords:
        array = array.assign_coords({UNITS: (FEATURE, units)})
    if len(set(fills)) == 1 and fills[0] is not None:
        array.attrs["missing_value"] = list(fills[0].values)
    grids = {_grid_mapping(data[name]) for name in wanted} - {None}
    if len(grids) == 1:
        array.attrs["grid_mapping"] = grids.pop()
    return array


def _numeric_variables(data: xr.Dataset) -> list[str]:
    """Return the names of the variables with dimensions; raise an error if one has no distances."""
    wanted = [str(n) for n in data.data_vars if data[n].dims]
    if not wanted:
        raise DataError(
            f"none of the variables {[str(n) for n in data.data_vars]} of the Dataset has "
            "dimensions; at least one must."
        )
    widest = max((data[name] for name in wanted), key=lambda variable: variable.ndim)
    for name in wanted:
        if not set(data[name].dims) <= set(widest.dims):
            raise DataError(
                f"{name!r} has dimensions {data[name].dims}, but {widest.name!r} has "
                f"{widest.dims}; leave it out, with data.drop_vars or data[[...]]."
            )
        if data[name].dtype.kind not in "biuf":
            raise DataError(
                f"the variable {name!r} has dtype {data[name].dtype}, which has no distances: "
                f"leave it out, with data.drop_vars({name!r}), or convert it to numbers."
            )
    return wanted


def _fills(data: xr.DataArray) -> Missing | None:
    """The fill values of a variable that was not decoded, in ascending order."""
    return Missing.from_values(sorted(value for value in announced(data) if value == value))


def _as_meant(data: xr.DataArray) -> xr.DataArray:
    """The variable with the signedness that its attribute `_Unsigned` declares."""
    dtype = meant_dtype(data)
    return data if dtype == data.dtype else data.copy(data=as_meant(data.data, dtype))


def _exact(data: xr.DataArray, missing: Missing | None) -> xr.DataArray:
    """Return a variable of 64-bit integers as float64; refuse integers that this would round."""
    if data.dtype.kind not in "iu" or data.dtype.itemsize < 8:
        return data
    where = f"the variable {str(data.name)!r}"
    if data.chunks:
        return data.copy(data=data.data.map_blocks(_floats, where, missing, dtype=np.float64))
    return data.copy(data=_floats(data.to_numpy(), where, missing))


def _floats(values: AnyArray, where: str, missing: Missing | None) -> AnyArray:
    made, lost = cast(values, np.dtype(np.float64))
    if missing is not None:
        lost &= missing.valid(values)
    refuse_changed(values, lost, made.dtype, where)
    return made


def _without(data: xr.DataArray, missing: Missing) -> xr.DataArray:
    """The variable with NaN instead of missing values."""
    import xarray as xr  # already imported by the caller

    there = xr.apply_ufunc(missing.valid, data, dask="parallelized", output_dtypes=[np.dtype(bool)])
    return data.where(there)


def _grid_mapping(data: xr.DataArray) -> Any:
    return data.encoding.get("grid_mapping", data.attrs.get("grid_mapping"))


def results_like(
    data: xr.DataArray,
    feature_dim: Any,
    answers: Any,
    names: Sequence[str] | None = None,
    spare: bool = False,
) -> xr.DataArray:
    """Return per-row results with the row dimensions of `data` and the coordinates along them.

    Labels get the attributes of a CF flag variable, and a fill value if rows may be left out.
    Attributes that do not describe values, such as `grid_mapping` and its coordinate, are kept.

    Parameters
    ----------
    data : DataArray
    feature_dim : as for `streamkm.KMeans`
    answers : array of the row shape, with a further axis if there is one value per cluster
    names : names of the clusters, for labels
    spare : whether rows may have been left out
    """
    import xarray as xr  # already imported by the caller

    dimensions = tuple(str(d) for d in data.dims)
    features = feature_axes(data.shape, dimensions, feature_dim)
    dims = [d for axis, d in enumerate(data.dims) if axis not in features]
    coords = {n: c for n, c in data.coords.items() if set(c.dims) <= set(dims)}
    attrs = {n: v for n, v in data.attrs.items() if n not in _OF_VALUES}
    if answers.ndim == len(dims):
        found = xr.DataArray(answers, coords, dims, name="labels", attrs=attrs)
        found.attrs |= flags(answers.dtype, names, spare)
    else:
        found = xr.DataArray(answers, coords, [*dims, "cluster"], name="distances", attrs=attrs)
    if "grid_mapping" in data.encoding:
        found.encoding["grid_mapping"] = data.encoding["grid_mapping"]
    return found


def flag_names(names: Sequence[str | None] | None, n_clusters: int) -> list[str]:
    """Return the names of the clusters for `flags`; clusters without a name are numbered.

    Examples
    --------
    >>> flag_names(["water", None], 2)
    ['water', 'cluster_1']
    """
    known = names or [None] * n_clusters
    return [f"cluster_{i}" if name is None else str(name) for i, name in enumerate(known)]


def flags(dtype: np.dtype[Any], names: Sequence[str] | None, spare: bool) -> dict[str, Any]:
    """Return the attributes of a label array: CF flags (section 3.5) and its fill value.

    Examples
    --------
    >>> flags(np.dtype("u1"), ["water", "wet sand"], spare=True)
    {'_FillValue': 255, 'flag_values': [0, 1], 'flag_meanings': 'water wet_sand'}
    """
    about: dict[str, Any] = {"_FillValue": no_label(dtype)} if spare else {}
    if names is not None and len(names) <= _FLAGS:
        about["flag_values"] = list(range(len(names)))
        about["flag_meanings"] = " ".join("_".join(str(name).split()) for name in names)
    return about
