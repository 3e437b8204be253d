"""Arrays that are given by a path or URL: of Zarr stores, or of files that are read in place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from streamkm.rows.formats.decoded import decoded
from streamkm.rows.formats.registry import located
from streamkm.rows.paths import find_zarr, open_zarr

PathLike = str | os.PathLike[str]


def open_source(path: PathLike, variable: str | None) -> Any:
    """Open an array by path or URL, or the `variable` or only array of a group or file.

    Parameters
    ----------
    path : Zarr store, file of another format, folder or pattern of such files
    variable : name of the array, 'a/b' in a nested group

    Returns
    -------
    zarr.Array or FileArray

    Raises
    ------
    DataError
        If there is no such store, file or array; the message lists the arrays.
    """
    files = located(path)
    return decoded(open_zarr(path, variable)) if files is None else files.open(variable)


def open_beside(path: PathLike, name: str) -> Any:
    """Open the array of a name in the group or file at a path; None if there is none.

    Raises
    ------
    DataError
        If there is nothing at the path.
    """
    files = located(path)
    return decoded(find_zarr(path, name)) if files is None else files.find(name)


def has_arrays(path: PathLike, names: Sequence[str]) -> bool:
    """Return whether the store or file at a path has arrays of these names.

    Raises
    ------
    DataError
        If there is nothing at the path.
    """
    files = located(path)
    if files is not None:
        return files.has(names)
    return all(find_zarr(path, name) is not None for name in names)
