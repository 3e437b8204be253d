"""Arrays whose stored numbers are decoded when they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.rows.chunks import fastest, read
from streamkm.rows.coordinates import array_beside
from streamkm.rows.dimensions import dimension_names
from streamkm.rows.formats.base import FileArray, Region
from streamkm.rows.formats.joined import Joined
from streamkm.rows.kinds import is_a
from streamkm.rows.meaning import Meaning, plain_attributes


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Decoded(FileArray):
    """The values that the attributes of an array define.

    Parameters
    ----------
    stored : zarr.Array or FileArray of the stored numbers
    meaning : Meaning
    """

    stored: Any
    meaning: Meaning

    @property
    def shards(self) -> Any:  # type: ignore[override]
        return self.stored.shards

    @property
    def stamp(self) -> dict[str, Any]:
        return dict(self.stored.stamp)

    @property
    def label(self) -> str | None:
        return self.stored.label if isinstance(self.stored, FileArray) else self.stored.path

    @property
    def origin(self) -> dict[str, str]:
        in_files = isinstance(self.stored, FileArray)
        path = self.stored.origin if in_files else {"path": str(self.stored.store_path)}
        return {**path, "stored": f"{self.stored.dtype}, {self.meaning}"}

    def lengths(self, axis: int) -> tuple[int, ...] | None:
        return self.stored.lengths(axis) if isinstance(self.stored, FileArray) else None

    def beside(self, name: str) -> Any:
        return array_beside(self.stored, name)

    def read(self, region: Region) -> AnyArray:
        return self.meaning.values(read(self.stored, region), region)

    def __repr__(self) -> str:
        return f"<Decoded: {self.stored!r}, {self.dtype}>"


def decoded(array: Any) -> Any:
    """Return a zarr.Array or FileArray with the values that its attributes define.

    An array without packing and valid range, and data of other kinds, are returned as they are.
    """
    known = isinstance(array, FileArray) or is_a(array, "zarr.Array")
    if not known or isinstance(array, Decoded) or array.dtype.kind not in "iuf":
        return array
    if isinstance(array, Joined):
        return _of_each_file(array)
    meaning = Meaning.of(array)
    if meaning is None:
        return array
    in_files = isinstance(array, FileArray)
    return Decoded(
        files=array.files if in_files else (),
        shape=tuple(array.shape),
        dtype=meaning.dtype,
        chunks=array.chunks,
        dims=dimension_names(array),
        attrs=plain_attributes(dict(array.attrs)),
        edges=array.edges if in_files else None,
        stored=array,
        meaning=meaning,
    )


def _of_each_file(array: Joined) -> Joined:
    """Return the array with the values of each file, whose scale and offset are its own."""
    parts = tuple(map(decoded, array.parts))
    if parts == array.parts:
        return array
    dtype = np.result_type(*(part.dtype for part in parts))
    return replace(array, parts=parts, dtype=dtype, attrs=parts[0].attrs)


def decoded_file(array: FileArray) -> FileArray:
    """Return an array in a file as `decoded` does."""
    found: FileArray = decoded(array)
    return found


def stored_in(array: Any) -> Any:
    """Return the stored array of a decoded one; others as they are."""
    return array.stored if isinstance(array, Decoded) else array


def read_fastest(array: Any) -> Any:
    """Return the array with the fastest decoder of its chunks."""
    if isinstance(array, Decoded):
        return replace(array, stored=fastest(array.stored))
    return fastest(array)


def is_decoded(array: Any) -> bool:
    """Return whether missing stored numbers are NaN in an array."""
    several = isinstance(array, Joined) and any(map(is_decoded, array.parts))
    return isinstance(array, Decoded) or several


def also_missing(array: Any, values: Sequence[float | int]) -> Any:
    """Return a decoded array with further stored numbers that are missing."""
    if isinstance(array, Joined):
        return replace(array, parts=tuple(also_missing(part, values) for part in array.parts))
    if isinstance(array, Decoded):
        return replace(array, meaning=array.meaning.also_missing(values))
    return array
