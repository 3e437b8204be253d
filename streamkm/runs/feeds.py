"""Feeds: rows that arrive in pieces of any size."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataChangedError

_VALUES = 2**21  # of a batch by default


class Arrived(NamedTuple):
    """Rows that arrived: (m, d), their source for messages, and the names of their features."""

    rows: AnyArray
    source: str
    features: tuple[str, ...] = ()
    in_file: bool = False


class FileEnd(NamedTuple):
    """The end of a file, or its withdrawal because it changed while it was read."""

    name: str
    stamp: str
    withdrawn: bool = False


Event = Arrived | FileEnd | None  # None if nothing arrived for a while
Feed = Iterable[Event]


def skipping(feed: Feed, n: int, checksum: int | None) -> Iterator[Event]:
    """Leave out the first n rows of a feed.

    Parameters
    ----------
    feed : Feed
    n : int
    checksum : int or None
        That of the rows, if they must be those of an earlier run.

    Raises
    ------
    DataChangedError
        If the feed has fewer rows, or other ones.
    """
    left, found = n, 0
    for event in feed:
        if left and isinstance(event, Arrived):
            found = checksum_of(found, event.rows[:left])
            n_own = min(left, len(event.rows))
            left -= n_own
            if not left and checksum not in (None, found):
                raise DataChangedError(
                    f"{event.source} does not begin with the {n:,} rows of the checkpoint."
                )
            event = event._replace(rows=event.rows[n_own:])
        yield event
    if left:
        raise DataChangedError(f"the input ended after {n - left:,} rows, but {n:,} are skipped.")


def batch_rows(n_features: int, given: int | None) -> int:
    """Return the number of rows of a batch."""
    return given or max(1, _VALUES // max(1, n_features))


def checksum_of(before: int, rows: AnyArray) -> int:
    """Return the CRC-32 of rows that follow others."""
    return zlib.crc32(np.ascontiguousarray(rows).view(np.uint8).data, before)
