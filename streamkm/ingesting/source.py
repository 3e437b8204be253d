"""What the writer asks of a kind of file, and the help for kinds that are read front to back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from streamkm.arrays import AnyArray

Region = tuple[slice, ...]


class Coordinate(NamedTuple):
    """An array beside the data: coordinates, or what describes the grid."""

    dims: tuple[str, ...]
    values: AnyArray
    attributes: dict[str, Any]


def names_beside(dim: str, names: Sequence[str]) -> dict[str, Coordinate]:
    """Names along a dimension, as its coordinate: a selection with xarray takes them along."""
    return {dim: Coordinate((dim,), np.array(names, object), {})}


@dataclass(frozen=True)
class Form:
    """What comes out of a source.

    Parameters
    ----------
    name : of the array in the store
    dims : names of its dimensions
    n : length of the first axis, or None where only the end of the source tells
    row_shape : lengths of the other axes
    dtype : of its values
    features : axes that a chunk never cuts
    grain : lengths along each axis of the least that the source decodes at once
    attributes : of the array
    beside : other arrays of the store
    """

    name: str
    dims: tuple[str, ...]
    n: int | None
    row_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    features: tuple[int, ...]
    grain: tuple[int, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    beside: dict[str, Coordinate] = field(default_factory=dict)


class Piece(NamedTuple):
    """Values, and of images the names of their files."""

    values: AnyArray
    names: tuple[str, ...] = ()


class Source(Protocol):
    """Files of one kind, seen as one array.

    Attributes
    ----------
    skipped : names of damaged files that were passed over so far
    """

    form: Form
    skipped: list[str]

    def read(self, region: Region) -> Piece:
        """A region; they are asked for in C order, the first perhaps in the middle (a run resumed).

        Shorter along the first axis where the source ends.
        """

    def close(self) -> None:
        """Let go of open files."""


class Stream(ABC):
    """A source that is dear to enter in the middle: regions are whole rows, one after another."""

    form: Form

    def __init__(self) -> None:
        self.skipped: list[str] = []
        self._at = -1
        self._rest = Piece(np.empty(0))
        self._pieces: Iterator[Piece] = iter(())

    @abstractmethod
    def pieces(self, start: int) -> Iterator[Piece]:
        """All rows from one on, in pieces of whatever size comes cheap."""

    def read(self, region: Region) -> Piece:
        start, stop = region[0].start, region[0].stop
        if self._at != start:
            self.close()
            self._pieces = self.pieces(start)
            self._rest = Piece(np.empty((0, *self.form.row_shape)))
        values = np.empty((stop - start, *self.form.row_shape), self.form.dtype)
        names: tuple[str, ...] = ()
        filled = 0
        while filled < len(values):
            if not len(self._rest.values):
                found = next(self._pieces, None)
                if found is None:
                    break
                self._rest = found
            some = self._rest.values[: len(values) - filled]
            values[filled : filled + len(some)] = some
            names += self._rest.names[: len(some)]
            filled += len(some)
            self._rest = Piece(self._rest.values[len(some) :], self._rest.names[len(some) :])
        self._at = start + filled
        return Piece(values[:filled], names)

    def close(self) -> None:
        closing = getattr(self._pieces, "close", None)  # a generator's files close with it
        if closing:
            closing()
