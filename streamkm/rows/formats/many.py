"""A variable of several files as one array along the dimension in which the files differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from streamkm.errors import DataError
from streamkm.files.find import File
from streamkm.rows.coordinates import Coordinate, coordinate, same
from streamkm.rows.formats.base import FileArray
from streamkm.rows.formats.joined import joined
from streamkm.rows.nodata import announced


def open_many(
    files: Sequence[File], name: str | None, open_one: Callable[[File, str | None], FileArray]
) -> FileArray:
    """Open a variable of several files, joined along one dimension in the order of the files.

    The files differ in the coordinate or the length of this dimension only. If they differ in none,
    it is the first dimension without a coordinate; a variable without one, such as the area of
    cells, is that of the first file.

    Parameters
    ----------
    files : files of one format
    name : name of the variable, by default the only one of the first file
    open_one : opens the variable of a file

    Raises
    ------
    DataError
        If a file has no such variable, differs in more than one dimension, or in none but has
        other values.
    """
    first = open_one(files[0], name)
    if len(files) == 1:
        return first
    parts = [first, *(open_one(file, first.label) for file in files[1:])]
    for part in parts[1:]:
        _refuse_unlike(part, first)
    unlike = {
        axis for part in parts[1:] for axis in range(first.ndim) if _differ(part, first, axis)
    }
    if not unlike:
        bare = [axis for axis in range(first.ndim) if _coordinate(first, axis) is None]
        unlike = set(bare[:1])
    if not unlike:
        _refuse_other_values(parts)
        return first
    if len(unlike) > 1:
        names = [_dim(first, axis) for axis in sorted(unlike)]
        raise DataError(
            f"the files differ in several dimensions of {first.label!r}, {names}, so they are not "
            "one array along one dimension: name files that are, by a pattern, or open them with "
            "xarray.open_mfdataset."
        )
    return joined(parts, unlike.pop())


def _refuse_unlike(part: FileArray, first: FileArray) -> None:
    pairs = {
        "dimensions": (part.dims or part.ndim, first.dims or first.ndim),
        "dtype": (part.dtype, first.dtype),
        "missing values": tuple([str(v) for v in announced(each)] for each in (part, first)),
    }
    for what, (own, other) in pairs.items():
        if own != other:
            raise DataError(
                f"{part.files[0].path}: {first.label!r} has the {what} {own}, but in "
                f"{first.files[0].path} {other}; the files cannot be read as one array."
            )


def _refuse_other_values(parts: Sequence[FileArray]) -> None:
    """Refuse files of the same coordinates, such as the runs of an ensemble, by their first row."""
    first = parts[0]
    some = (slice(1),) * min(1, first.ndim)
    want = first[some]
    for part in parts[1:]:
        if not np.array_equal(part[some], want, equal_nan=True):
            raise DataError(
                f"{part.files[0].path}: {first.label!r} has the coordinates of that in "
                f"{first.files[0].path}, but other values, so they are not one array along one "
                "dimension: name one file, or open them with xarray.open_mfdataset."
            )


def _differ(part: FileArray, first: FileArray, axis: int) -> bool:
    """Return whether the lengths or the coordinates of an axis differ."""
    if part.shape[axis] != first.shape[axis]:
        return True
    own, other = _coordinate(part, axis), _coordinate(first, axis)
    return own is not None and other is not None and not same(own, other)


def _coordinate(array: FileArray, axis: int) -> Coordinate | None:
    return coordinate(array, None if array.dims is None else array.dims[axis])


def _dim(array: FileArray, axis: int) -> str | int:
    name = None if array.dims is None else array.dims[axis]
    return axis if name is None else name
