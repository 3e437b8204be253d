"""Arrays of several files, joined along an axis."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.rows.coordinates import Coordinate
from streamkm.rows.formats.base import FileArray, Region
from streamkm.rows.formats.held import HeldArray

_UNITS = ("units", "calendar", "scale_factor", "add_offset")  # by which a coordinate is decoded


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Joined(FileArray):
    """Arrays that follow each other along an axis, as one array.

    Parameters
    ----------
    parts : tuple of FileArray, which agree in dtype and in the other axes
    axis : int
    """

    parts: tuple[FileArray, ...]
    axis: int

    @property
    def nan_is_missing(self) -> bool:  # type: ignore[override]
        return self.parts[0].nan_is_missing

    @property
    def label(self) -> str | None:
        return self.parts[0].label

    def lengths(self, axis: int) -> tuple[int, ...] | None:
        return tuple(part.shape[axis] for part in self.parts) if axis == self.axis else None

    @property
    def n_chunks(self) -> int:
        return sum(part.n_chunks for part in self.parts)

    @cached_property
    def _ends(self) -> list[int]:
        return list(itertools.accumulate(part.shape[self.axis] for part in self.parts))

    @property
    def stamp(self) -> dict[str, Any]:
        own = {name: value for name, value in self.parts[0].stamp.items() if name == "name"}
        return {**super().stamp, **own, "axis": self.axis}

    def read(self, region: Region) -> AnyArray:
        values = np.empty(tuple(s.stop - s.start for s in region), self.dtype)
        start = region[self.axis].start
        for part, own, first in self._within(region):
            at: list[slice] = [slice(None)] * self.ndim
            count = own[self.axis].stop - own[self.axis].start
            at[self.axis] = slice(first - start, first - start + count)
            values[tuple(at)] = part[own]
        return values

    def _within(self, region: Region) -> Iterator[tuple[FileArray, Region, int]]:
        """Yield each part in a region, its own region, and its first position in the whole."""
        start, stop = region[self.axis].start, region[self.axis].stop
        number = bisect.bisect_right(self._ends, start)
        while start < stop and number < len(self.parts):
            begin = self._ends[number] - self.parts[number].shape[self.axis]
            end = min(stop, self._ends[number])
            own = list(region)
            own[self.axis] = slice(start - begin, end - begin)
            if start < end:
                yield self.parts[number], tuple(own), start
            start, number = end, number + 1

    def beside(self, name: str) -> FileArray | None:
        """Return a coordinate; one along the axis of the files is joined, too."""
        first = self.parts[0].beside(name)
        dim = None if self.dims is None else self.dims[self.axis]
        if first is None or dim is None or dim not in (first.dims or ()):
            return first
        others = [part.beside(name) for part in self.parts]
        found = [array for array in others if array is not None]
        if len(found) < len(self.parts):
            return None
        assert first.dims is not None
        axis = first.dims.index(dim)
        if first.ndim == 1 and any(_unit(array) != _unit(first) for array in found):
            values = np.concatenate([Coordinate(array, dim).values() for array in found])
            plain = {name: text for name, text in first.attrs.items() if name not in _UNITS}
            return HeldArray.of(self.files, (dim,), values, plain)
        return joined(found, axis)


def _unit(array: FileArray) -> list[str]:
    return [str(array.attrs.get(name)) for name in _UNITS]


def joined(parts: Sequence[FileArray], axis: int) -> FileArray:
    """Join arrays that agree in dtype and in the other axes; a single one is returned as it is."""
    first = parts[0]
    if len(parts) == 1:
        return first
    n = sum(part.shape[axis] for part in parts)
    return Joined(
        files=tuple(file for part in parts for file in part.files),
        shape=(*first.shape[:axis], n, *first.shape[axis + 1 :]),
        dtype=first.dtype,
        chunks=first.chunks,
        dims=first.dims,
        attrs=first.attrs,
        names=first.names,
        edges=_edges(parts) if axis == 0 and first.chunks else None,
        parts=tuple(parts),
        axis=axis,
    )


def _edges(parts: Sequence[FileArray]) -> tuple[int, ...]:
    """The starts of all chunks along the first axis, and its end."""
    edges, begin = [0], 0
    for part in parts:
        n = part.shape[0]
        step = (part.chunks or (n,))[0] or 1
        own = part.edges or (*range(0, n, step), n)
        edges += [begin + edge for edge in own if edge]
        begin += n
    return tuple(edges)
