"""Records of the files that a stream has read, by their names, sizes and times."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from streamkm.files.find import File
from streamkm.rows.dask_rows import DaskRows
from streamkm.rows.fingerprint import digest
from streamkm.rows.formats.base import FileArray
from streamkm.rows.seen_store import Changes, Piece, Span
from streamkm.rows.stored import StoredRows
from streamkm.rows.variables import Variables


@dataclass(frozen=True)
class SeenFile:
    """A file that was read.

    Parameters
    ----------
    name : its address, and the name of the array in it
    length : its extent along the first row axis
    mark : digest of its name in its folder, its size, and its time or ETag
    pieces : the reads of the file, as for `Seen`, with extents in the file
    """

    name: str
    length: int
    mark: str
    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True)
class SeenFiles:
    """Files that follow each other along the first row axis, such as those of a folder.

    New files may be anywhere in their order, and a file may be written again with more rows.

    Parameters
    ----------
    place : address of the file or the folder, or a pattern
    described : digest of the features, all extents but the first, and whether the rows have
        weights or a mask
    files : tuple of SeenFile, in the order of the rows
    """

    place: str
    described: str
    files: tuple[SeenFile, ...]

    @property
    def is_listed(self) -> bool:
        """Whether changes of the files can be detected."""
        return True

    @property
    def length(self) -> int:
        """Extent of the first row axis."""
        return sum(file.length for file in self.files)

    @property
    def without_pieces(self) -> SeenFiles:
        """The files without the positions of their rows in the stream."""
        return replace(self, files=tuple(replace(file, pieces=()) for file in self.files))

    def is_at(self, other: object) -> bool:
        """Return whether other files are some of these, at their place or moved with their times.

        The files of one folder may be named one by one and as a whole.
        """
        if not isinstance(other, SeenFiles):
            return False
        shared = self._by_name.keys() & other._by_name
        if self.place == other.place or shared:
            return True
        marks = [{file.mark for file in each.files} for each in (self, other)]
        return self.described == other.described and bool(marks[0]) and marks[0] <= marks[1]

    def joined_to(self, others: SeenFiles) -> SeenFiles:
        """Return the files of two records, at the place of these."""
        return replace(self, files=(*others.files, *self.files))

    def changes_since(self, before: SeenFiles | None) -> Changes:
        """Return the changes since `before`; None if no file was read.

        Extents that are gone are those of the files as they were read. A file that was written
        again with more rows counts as appended to; some of its rows are compared (`rewritten`).
        """
        before = replace(self, files=()) if before is None else before.moved_to(self)
        known, now = before._by_name, self._by_name
        other = before.described != self.described
        appended, changed, removed = [], [], []
        for start, file in self._starts():
            old = known.get(file.name)
            read = 0 if old is None else min(old.length, file.length)
            appended.append((start + read, start + file.length))
            if old is not None and (other or (old.mark != file.mark and file.length <= old.length)):
                changed.append((start, start + read))
        for start, old in before._starts():
            left = now.get(old.name)
            if left is not None or before.place == self.place:
                removed.append((start + (0 if left is None else left.length), start + old.length))
        return Changes(_joined(appended), _joined(changed), _joined(removed))

    def rewritten(self, now: SeenFiles, each: int) -> tuple[Piece, ...]:
        """Return the rows that were read of files that were written again with more rows.

        Parameters
        ----------
        now : SeenFiles, in which their extents are
        each : number of rows at each place of the first row axis
        """
        known = self.moved_to(now)._by_name
        found: list[Piece] = []
        for start, file in now._starts():
            old = known.get(file.name)
            if old is not None and old.mark != file.mark and old.length < file.length:
                found += [(at, start + a, start + b) for at, a, b in old.pieces]
        return tuple(found)

    def with_differing(self, changes: Changes, now: SeenFiles, piece: Piece) -> Changes:
        """Return the changes if rewritten rows of a piece have other values."""
        known = self.moved_to(now)._by_name
        spans = [
            (start, start + known[file.name].length)
            for start, file in now._starts()
            if start <= piece[1] < start + file.length
        ]
        return replace(changes, changed=_joined(sorted({*changes.changed, *spans})))

    def after(self, before: SeenFiles | None, position: int, each: int = 1) -> SeenFiles:
        """Return the files after a read of the rows that are new since `before`.

        Parameters
        ----------
        before : SeenFiles or None
        position : position of the first new row in the stream
        each : number of rows at each place of the first row axis
        """
        before = replace(self, files=()) if before is None else before.moved_to(self)
        known, files = before._by_name, []
        for file in self.files:
            old = known.pop(file.name, None)
            read, pieces = (0, ()) if old is None else (old.length, old.pieces)
            if file.length > read:
                pieces = (*pieces, (position, read, file.length))
                position += (file.length - read) * each
            files.append(replace(file, pieces=pieces))
        if before.place == self.place or not known:
            return replace(self, files=tuple(files))
        return replace(before, files=(*files, *known.values()))  # these are a part of the others

    def moved_to(self, now: SeenFiles) -> SeenFiles:
        """Return these files with their present names, by which they are known in `now`."""
        if not self._by_name.keys().isdisjoint(now._by_name):
            return self
        names = {file.mark: file.name for file in now.files}
        files = (replace(file, name=names.get(file.mark, file.name)) for file in self.files)
        return replace(self, files=tuple(files))

    def named(self, spans: Sequence[Span]) -> list[str]:
        """Return the names of the files that have rows in these extents."""
        return [
            file.name
            for start, file in self._starts()
            if any(a < start + file.length and start < b for a, b in spans)
        ]

    @property
    def _by_name(self) -> dict[str, SeenFile]:
        return {file.name: file for file in self.files}

    def _starts(self) -> Iterator[tuple[int, SeenFile]]:
        starts = itertools.accumulate((file.length for file in self.files), initial=0)
        return zip(starts, self.files, strict=False)


def seen_files_of(rows: StoredRows | DaskRows, place: str) -> SeenFiles | None:
    """Return what a read of all rows sees, without reading them.

    None if the rows are not in files, or the files do not follow each other along the first row
    axis.
    """
    first = _first_axes(rows)
    if not first:
        return None
    array, axis = first[0]
    lengths = array.lengths(axis)
    if lengths is None or any(
        [f.path for f in other.files] != [f.path for f in array.files]
        or other.lengths(at) != lengths
        for other, at in first[1:]
    ):
        return None
    label = " ".join(other.label or "" for other, _ in first).strip()
    described = [rows.layout.row_shape[1:], rows.layout.n_features, rows.layout.names]
    described += [name for name in ("weights", "mask") if getattr(rows, name) is not None]
    files = (
        SeenFile(_address(file, label), length, _mark(file))
        for file, length in zip(array.files, lengths, strict=True)
    )
    return SeenFiles(place, digest(repr(described)), tuple(files))


def _mark(file: File) -> str:
    return digest(f"{file.name} {file.size} {file.stamp}")[:16]


def _first_axes(rows: StoredRows | DaskRows) -> list[tuple[FileArray, int]]:
    """Return the arrays in files that have the first row axis, and its number in each."""
    array = rows.array
    if isinstance(array, FileArray):
        return [(array, rows.layout.row_axes[0])]
    if not isinstance(array, Variables):
        return []
    pairs = [(own, axes) for own, axes in zip(array.arrays, array.axes, strict=True) if 0 in axes]
    if not all(isinstance(own, FileArray) for own, _ in pairs):
        return []
    return [(own, axes.index(0)) for own, axes in pairs]


def _address(file: File, label: str) -> str:
    protocol: Any = file.fs.protocol
    protocol = protocol if isinstance(protocol, str) else protocol[0]
    where = file.path if file.local else f"{protocol}://{file.path}"
    return f"{where} {label}" if label else where


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return extents in order of their starts, without empty ones; those that meet are joined."""
    found: list[Span] = []
    for start, stop in spans:
        if start >= stop:
            continue
        if found and start <= found[-1][1]:
            first, last = found.pop()
            start, stop = first, max(last, stop)
        found.append((start, stop))
    return tuple(found)
