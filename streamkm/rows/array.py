"""The public function that opens an array by path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamkm.rows.formats.registry import located, noticed
from streamkm.rows.formats.tables import open_table
from streamkm.rows.group import open_variables
from streamkm.rows.sources import PathLike, open_source


def open_array(path: PathLike, variable: str | Sequence[str] | None = None) -> Any:
    """Open the array at a path or URL in place, for `KMeans.fit` and all other functions.

    `KMeans.fit` takes the path itself where there is only one array. Values are read when they are
    sliced.

    Parameters
    ----------
    path : str or path-like
        A Zarr store (a folder, a URL or a .zip file), or a netCDF, HDF5, GRIB, npy, Parquet, Arrow
        or GeoTIFF file, a folder of such files, or a pattern of their names, a data set of Lance
        or Hugging Face, or a file that an installed engine of xarray opens.
        docs/interoperability.md describes them.
    variable : str, sequence of str, or None
        Name of the array in a group or file, 'a/b' in a nested group. Several arrays, or columns
        of a table, are the features of the rows.

    Returns
    -------
    array
        With `shape`, `dtype` and `chunks`; it can be sliced, and sent to other processes.

    Raises
    ------
    DataError
        If there is no such array; the message lists the arrays. If a package is missing; the
        message names it.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, streamkm
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/x.npy", np.eye(4))
    ...     streamkm.open_array(f"{folder}/x.npy").shape
    (4, 4)
    """
    return open_at(path, variable)


def open_at(
    path: PathLike, variable: str | Sequence[str] | None, by_attributes: bool = True
) -> Any:
    """Open the array at a path; `by_attributes` is as for `open_variables`."""
    if variable is None or isinstance(variable, str):
        return open_source(path, variable)
    files = located(path)
    if files is not None and files.format.table is not None:
        return noticed(open_table(files.format.table, files.files, variable))
    return open_variables(path, variable, by_attributes)
