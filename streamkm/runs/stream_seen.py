"""What a stream has read of its stores and files."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from streamkm.errors import DataError, StreamkmWarning
from streamkm.models.model import Model
from streamkm.outputs import place_of, relation
from streamkm.rows import FileArray, Rows, SeenStore, seen_files_of, seen_of
from streamkm.rows.formats.decoded import stored_in
from streamkm.warn import warn


@dataclass(frozen=True)
class SeenData:
    """What a stream has read.

    Parameters
    ----------
    stores : records of the stores and files that were read
    unrecorded : addresses of data of which no record exists
    """

    stores: tuple[SeenStore, ...] = ()
    unrecorded: tuple[str, ...] = ()

    @classmethod
    def of_model(cls, model: Model) -> SeenData:
        """Return what the model of a stream has read."""
        return cls(model.seen, model.unrecorded)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a `Model`."""
        return {"seen": self.stores, "unrecorded": self.unrecorded}

    @property
    def without_positions(self) -> SeenData:
        """The records without the positions of rows in the stream."""
        return replace(self, stores=tuple(each.without_pieces for each in self.stores))

    def before(self, now: SeenStore) -> SeenStore | None:
        """Return the record of a store as it was read; None if it was not.

        The files of a folder may have been read one by one.
        """
        found = [each for each in self.stores if each.is_at(now)]
        return reduce(lambda one, other: other.joined_to(one), found) if found else None

    def with_store(self, now: SeenStore) -> SeenData:
        """Return the records with a store as it is now in the place of earlier ones of it."""
        others = (each for each in self.stores if not each.is_at(now))
        return replace(self, stores=(*others, now))

    def with_read(self, rows: Rows, data: Any, position: int) -> SeenData:
        """Return the records after all rows of some data were read.

        Parameters
        ----------
        rows : Rows
        data : what they were opened from
        position : position of the first row in the stream
        """
        now = present_record(rows, data)
        if now is not None:
            return self.with_store(now.after(self.before(now), position, rows_each(rows)))
        where = address_of(rows, data)
        return self if where is None else replace(self, unrecorded=(*self.unrecorded, where))

    def lacks_record_of(self, rows: Rows, data: Any) -> bool:
        """Return whether data of which no record exists have rows in common with these."""
        where = address_of(rows, data)
        return where is not None and any(_overlap(where, other) for other in self.unrecorded)


def merged_seen(seen: Iterable[SeenData]) -> SeenData:
    """Return what several streams have read.

    Warns
    -----
    StreamkmWarning
        If two of them have read the same store.
    """
    stores: list[SeenStore] = []
    unrecorded: list[str] = []
    for each in seen:
        for own in each.stores:
            if any(other.is_at(own) for other in stores):
                warn(
                    f"{own.place} was read for two of the merged streams: its rows count twice, "
                    "unless each read other rows of it, such as by a mask",
                    StreamkmWarning,
                )
        stores += each.stores
        unrecorded += each.unrecorded
    return SeenData(tuple(stores), tuple(unrecorded)).without_positions


def present_record(rows: Rows, data: Any) -> SeenStore | None:
    """Return the record of all rows of some data, which are not read for it.

    None if new rows of the data could not be distinguished from those that were read.

    Parameters
    ----------
    rows : Rows
    data : what they were opened from
    """
    if isinstance(data, (str, os.PathLike)):
        found = seen_files_of(rows, str(place_of(data, pattern=True)))
        if found is not None:
            return found
    stored = (stored_in(array) for array in rows.sources if not hasattr(array, "strides"))
    places = [place_of(a.files[0].path if isinstance(a, FileArray) else a) for a in stored]
    if not places or any(place is None or place.in_memory for place in places):
        return None
    return seen_of(rows, " ".join(map(str, places)))


def refuse_repeated_files(names: Iterable[str], data: Iterable[Rows]) -> None:
    """Refuse data of one run that have a file in common.

    Raises
    ------
    DataError
        Before the data are read; the message names a file.
    """
    known: dict[str, str] = {}
    for name, rows in zip(names, data, strict=True):
        found = seen_files_of(rows, name)
        for file in () if found is None else found.files:
            if file.name in known:
                raise DataError(
                    f"{known[file.name]} and {name} both have {file.name}, so its rows would "
                    "count twice: name every file once."
                )
            known[file.name] = name


def rows_each(rows: Rows) -> int:
    """Return the number of rows at each place of the first row axis."""
    return math.prod(rows.layout.row_shape[1:])


def address_of(rows: Rows, data: Any) -> str | None:
    """Return the address of data that were read; None for data in memory."""
    path = getattr(rows.array, "path", None)  # of a memory map, or of an open HDF5 file
    array = stored_in(rows.array)
    if isinstance(path, str) and os.path.isabs(path):
        place = place_of(path)
    elif isinstance(data, (str, os.PathLike)):
        place = place_of(data, pattern=True)
    elif isinstance(array, FileArray):
        place = place_of(array.files[0].path)
    else:
        place = place_of(data) if hasattr(data, "store") or hasattr(data, "encoding") else None
    return None if place is None or place.in_memory else str(place)


def _overlap(one: str, other: str) -> bool:
    first, second = place_of(one, pattern=True), place_of(other, pattern=True)
    return first is not None and second is not None and relation(first, second) is not None
