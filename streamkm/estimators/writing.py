"""Labels of all rows into a Zarr array."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import zarr

from streamkm.engine import write_rows
from streamkm.errors import DataError
from streamkm.estimators.data import Given
from streamkm.passes import PerRow
from streamkm.rows import Rows, is_a, may_lack
from streamkm.stores import check_output, create_labels, whole


def write_labels(
    question: Callable[[np.dtype[Any]], PerRow[Any]],
    names: Sequence[str],
    given: Given,
    rows: Rows,
    out: Any,
    overwrite: bool,
) -> Any:
    """The labels that `question` asks for, into `out`: an array that is there, or the path of none.

    Raises
    ------
    DataError
        Before any read, when `out` cannot take them.
    """
    if isinstance(out, zarr.Array):
        _check_room(out, rows, len(names))
        write_rows(question(np.dtype(out.dtype)), rows, out)
        return out
    own = [os.fspath(given.array)] if isinstance(given.array, (str, os.PathLike)) else []
    target = check_output(out, overwrite, own)
    asked = question(given.label_dtype(len(names), rows))
    marks: dict[str, Any] = {"kind": "streamkm labels"}
    if is_a(given.array, "xarray.DataArray"):
        import xarray as xr  # loaded by whoever gave the data

        with whole(target, overwrite) as partial:
            lazy = given.like(_nothing(rows, asked.dtype), rows, names).to_dataset()
            lazy.assign_attrs(marks).to_zarr(
                partial, compute=False, zarr_format=3, consolidated=False
            )
            write_rows(asked, rows, zarr.open_group(partial)["labels"])
        return xr.open_zarr(target, consolidated=False, mask_and_scale=False)["labels"]
    if may_lack(rows):
        marks["_FillValue"] = asked.fill
    with whole(target, overwrite) as partial:
        write_rows(asked, rows, create_labels(partial, rows.plan, asked.dtype, None, marks))
    return zarr.open_array(target, mode="r")


def _nothing(rows: Rows, dtype: np.dtype[Any]) -> Any:
    """A lazy array of the row shape, in chunks that lie within the blocks."""
    import dask.array as da

    return da.empty(rows.plan.row_shape, dtype=dtype, chunks=rows.plan.common_chunks)


def _check_room(out: Any, rows: Rows, n_clusters: int) -> None:
    if tuple(out.shape) != rows.plan.row_shape:
        raise DataError(f"out has shape {out.shape}; the rows have {rows.plan.row_shape}.")
    most = n_clusters - 1 + may_lack(rows)
    if out.dtype.kind not in "iu" or np.iinfo(out.dtype).max < most:
        raise DataError(f"out has dtype {out.dtype}, which does not hold labels up to {most}.")
