"""Labels of all rows into a Zarr array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import zarr

from streamkm.engine import write_rows
from streamkm.errors import DataError
from streamkm.estimators.coordinates import storable
from streamkm.estimators.data import Given
from streamkm.outputs import LABELS, alone, check_store, create_labels, refuse_overlap, whole
from streamkm.passes import PerRow
from streamkm.rows import Rows, is_a, may_lack


def write_labels(
    question: Callable[[np.dtype[Any]], PerRow[Any]],
    names: Sequence[str],
    given: Given,
    rows: Rows,
    out: Any,
    overwrite: bool,
    mask: Any = None,
) -> Any:
    """The labels that `question` asks for, into `out`: an array that is there, or the path of none.

    Raises
    ------
    DataError
        Before any read, when `out` cannot take them.
    OutputExistsError
        Before any read, when `out` is one of the inputs; `mask` is the mask as the user gave it.
    """
    inputs = [given.array, rows.array, rows.weights, rows.mask, mask]
    if isinstance(out, zarr.Array):
        for each in inputs:
            refuse_overlap(out, each)
        _check_room(out, rows, len(names))
        write_rows(question(np.dtype(out.dtype)), rows, out)
        return out
    target = check_store(out, LABELS, overwrite, inputs)
    asked = question(given.label_dtype(len(names), rows))
    marks: dict[str, Any] = {"kind": LABELS}
    fill = {"_FillValue": asked.fill} if may_lack(rows) else {}
    if not is_a(given.array, "xarray.DataArray"):
        with alone(target), whole(target, LABELS, overwrite) as partial:
            array = create_labels(partial, rows.plan, asked.dtype, None, marks | fill, asked.fill)
            write_rows(asked, rows, array)
        return zarr.open_array(target, mode="r")
    import xarray as xr  # loaded by whoever gave the data

    like = _described(given, rows, asked.dtype, names)
    with alone(target), whole(target, LABELS, overwrite) as partial:
        # All but the labels, which are written where they are made.
        beside = like.coords.to_dataset().drop_encoding().assign_attrs(marks)
        beside.to_zarr(partial, zarr_format=3, consolidated=False)
        place = partial / "labels"
        array = create_labels(place, rows.plan, asked.dtype, like.dims, like.attrs, asked.fill)
        write_rows(asked, rows, array)
    opened = xr.open_zarr(target, consolidated=False, mask_and_scale=False)
    return opened["labels"]


def _described(given: Given, rows: Rows, dtype: np.dtype[Any], names: Sequence[str]) -> Any:
    """What labels would be, without their values: dimensions, coordinates, attributes."""
    import dask.array as da

    like = given.like(da.empty(rows.plan.row_shape, dtype=dtype, chunks=-1), rows, names)
    many = [
        name for name, index in like.xindexes.items() if len(like.xindexes.get_all_coords(name)) > 1
    ]
    if many:
        raise DataError(f"the index of {many} has several levels: reset_index({many!r}) first.")
    grid = like.encoding.get("grid_mapping")
    like = storable(like)
    beside = [str(n) for n, c in like.coords.items() if n not in like.dims and n != grid]
    like.attrs |= {"grid_mapping": grid} if grid else {}
    like.attrs |= {"coordinates": " ".join(beside)} if beside else {}
    return like


def _check_room(out: Any, rows: Rows, n_clusters: int) -> None:
    if tuple(out.shape) != rows.plan.row_shape:
        raise DataError(f"out has shape {out.shape}; the rows have {rows.plan.row_shape}.")
    most = n_clusters - 1 + may_lack(rows)
    if out.dtype.kind not in "iu" or np.iinfo(out.dtype).max < most:
        raise DataError(f"out has dtype {out.dtype}, which does not hold labels up to {most}.")
