"""Records of the part of a store that a stream has read, by the sizes and times of its chunks."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray
from streamkm.errors import ReadError
from streamkm.rows.dask_rows import DaskRows
from streamkm.rows.fingerprint import digest, entries, stored_keys
from streamkm.rows.formats.decoded import stored_in
from streamkm.rows.kinds import is_a
from streamkm.rows.seen_store import Changes, Piece, Span
from streamkm.rows.stored import StoredRows
from streamkm.rows.variables import Variables

_PLACE = re.compile(r"[/.]")  # between the numbers in the key of a chunk


@dataclass(frozen=True)
class Seen:
    """The part of a store that was read: its extent along the first row axis, and its chunks.

    A *slab* is all chunks of all arrays that have the same place along the first row axis.

    Parameters
    ----------
    place : address of the store
    described : digest of dtypes, codecs, chunks, all extents but the first, and whether the rows
        have weights or a mask
    length : extent of the first row axis
    unit : extent of a slab along the first row axis
    marks : ndarray of shape (slabs,), uint64
        Digest of the sizes and times or ETags of the chunks of each slab.
    chunks : ndarray of shape (slabs,), int64
        Number of stored chunks of each slab. Both arrays are empty if the store cannot be listed.
    pieces : tuple of (int, int, int)
        The reads of the store: the position of the first row in the stream, and the extent along
        the first row axis; empty if the positions are unknown.
    """

    place: str
    described: str
    length: int
    unit: int
    marks: npt.NDArray[np.uint64]
    chunks: npt.NDArray[np.int64]
    pieces: tuple[Piece, ...] = ()

    @property
    def last_full(self) -> int:
        """Extent of the slabs that are full; the rows after it are in chunks that may be filled."""
        return self.length // self.unit * self.unit

    def after(self, before: Seen | None, position: int, each: int = 1) -> Seen:
        """Return the store after a read of the rows that are new since `before`.

        Parameters
        ----------
        before : Seen or None
        position : position of the first new row in the stream
        each : number of rows at each place of the first row axis
        """
        start = 0 if before is None else before.length
        pieces = () if before is None else before.pieces
        new = ((position, start, self.length),) if self.length > start else ()
        return replace(self, pieces=pieces + new)

    @property
    def without_pieces(self) -> Seen:
        """The store without the positions of its rows in the stream."""
        return replace(self, pieces=())

    @property
    def is_listed(self) -> bool:
        """Whether changes of the chunks can be detected."""
        return len(self.marks) > 0

    def joined_to(self, others: Seen) -> Seen:
        """Return this record, which has all that an earlier one of the same store has."""
        return self

    def named(self, spans: Sequence[Span]) -> list[str]:
        """Return no names, because a store has no files of its own."""
        return []

    def changes_since(self, before: Seen | None) -> Changes:
        """Return the changes of the store since `before`; None if it was never read.

        The last slab, if it was not full, is written again by every append and is not compared;
        some of its rows are (`rewritten`).
        """
        if before is None:
            return Changes(appended=((0, self.length),) if self.length else ())
        appended = ((before.length, self.length),) if self.length > before.length else ()
        removed = ((self.length, before.length),) if self.length < before.length else ()
        if before.described != self.described:
            return Changes(appended, ((0, min(before.length, self.length)),), removed)
        n = _shared(before, self) if before.is_listed and self.is_listed else 0
        other = before.marks[:n] != self.marks[:n]
        fewer = before.chunks[:n] > self.chunks[:n]
        spans = [
            _spans(np.flatnonzero(which), before.unit, self.length)
            for which in (other & ~fewer, other & fewer)
        ]
        return Changes(appended, spans[0], spans[1] + removed)

    def rewritten(self, now: Seen, each: int) -> tuple[Piece, ...]:
        """Return the rows that were read and are in chunks that an append writes again.

        Parameters
        ----------
        now : Seen, the longer store
        each : number of rows at each place of the first row axis
        """
        if now.length <= self.length:
            return ()
        low = self.last_full
        found = (
            (position + max(0, low - start) * each, max(start, low), stop)
            for position, start, stop in self.pieces
        )
        return tuple(piece for piece in found if piece[1] < piece[2])

    def with_differing(self, changes: Changes, now: Seen, piece: Piece) -> Changes:
        """Return the changes if rewritten rows of a piece have other values."""
        last = self.last_full, self.length
        return (
            changes
            if last in changes.changed
            else replace(changes, changed=(*changes.changed, last))
        )

    def is_at(self, other: object) -> bool:
        """Return whether this is an earlier part of another store, which may have moved."""
        if not isinstance(other, Seen):
            return False
        if self.place == other.place:
            return True
        known = self.is_listed and other.is_listed and self.described == other.described
        n = _shared(self, other)
        # Slabs without chunks, which have the fill value only, are alike in all stores.
        return (
            known
            and bool(self.chunks[:n].any())
            and np.array_equal(self.marks[:n], other.marks[:n])
        )


def seen_of(rows: StoredRows | DaskRows, place: str) -> Seen | None:
    """Return what a read of all rows sees, without reading them; None if they are not in Zarr.

    Raises
    ------
    ReadError
        If a folder of chunks on a disk cannot be listed.
    """
    arrays = [a for a in map(stored_in, rows.sources) if is_a(a, "zarr.Array")]
    stored = rows.array.arrays[0] if isinstance(rows.array, Variables) else rows.array
    if not is_a(stored_in(stored), "zarr.Array"):
        return None
    length = rows.layout.row_shape[0]
    first = list(zip(arrays, _first_axes(rows), strict=True))
    unit = math.lcm(*(_stored(a)[axis] for a, axis in first if axis is not None))
    n = -(-length // unit)
    marks, chunks = np.zeros(n, np.uint64), np.zeros(n, np.int64)
    try:
        for number, (array, axis) in enumerate(first):
            for at, mark in _chunks(array):
                row = 0 if axis is None else at[axis] * _stored(array)[axis]
                if row < length:
                    own = digest(f"{number} {at} {mark}")[:16]
                    marks[row // unit] ^= np.uint64(int(own, 16))
                    chunks[row // unit] += 1
    except ReadError:
        raise
    except Exception:  # the store cannot be listed; object stores have errors of their own
        marks, chunks = marks[:0], chunks[:0]
    described = [rows.layout.row_shape[1:], rows.layout.n_features, *map(_metadata, arrays)]
    described += [name for name in ("weights", "mask") if getattr(rows, name) is not None]
    text = json.dumps(described, sort_keys=True, default=str)
    return Seen(place, digest(text), length, unit, marks, chunks)


def _first_axes(rows: StoredRows | DaskRows) -> list[int | None]:
    """Return the axis of each Zarr array that is the first row axis, or None if it lacks this."""
    found: list[int | None] = [rows.layout.row_axes[0]]
    if isinstance(rows.array, Variables):
        found = [axes.index(0) if 0 in axes else None for axes in rows.array.axes]
    return found + [0 for array in rows.beside if is_a(stored_in(array), "zarr.Array")]


def _stored(array: Any) -> tuple[int, ...]:
    extents: tuple[int, ...] = array.shards or array.chunks
    return extents


def _metadata(array: Any) -> dict[str, Any]:
    known = array.metadata.to_dict().items()
    return {name: value for name, value in known if name not in ("attributes", "shape")}


def _chunks(array: Any) -> Iterator[tuple[tuple[int, ...], str]]:
    """Yield the place of each stored chunk or shard in their grid, and its size and time.

    Raises
    ------
    OSError
        If the store cannot be listed.
    """
    if stored_keys(array) is None:
        raise OSError(f"{array.store} has no list of keys")
    for key, nbytes, mark in entries(array.store, array.path):
        at = _PLACE.split(key)[-array.ndim :]
        if len(at) == array.ndim and all(map(str.isdecimal, at)):
            yield tuple(map(int, at)), f"{nbytes} {mark}"


def _shared(before: Seen, now: Seen) -> int:
    """Return the number of slabs of both that no append writes."""
    if before.length == now.length:
        return len(before.marks)
    return min(before.length, now.length) // before.unit


def _spans(slabs: AnyArray, unit: int, length: int) -> tuple[Span, ...]:
    """Return the extents of slabs; adjacent ones are joined."""
    runs = np.split(slabs, np.flatnonzero(np.diff(slabs) > 1) + 1)
    found = ((int(run[0]) * unit, min(int(run[-1] + 1) * unit, length)) for run in runs if len(run))
    return tuple(found)
