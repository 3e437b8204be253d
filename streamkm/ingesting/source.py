"""Interface of a kind of file to the writer, and a base class for sequential kinds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.rows.formats.scene import Coordinate

Region = tuple[slice, ...]
TEXT = np.dtypes.StringDType()


def names_beside(dim: str, names: Sequence[str]) -> dict[str, Coordinate]:
    """Return names along a dimension as its coordinate, which selections in xarray keep."""
    return {dim: Coordinate((dim,), np.array(names, object), {})}


@dataclass(frozen=True)
class Form:
    """Shape, dtype and metadata of the array of a source.

    Parameters
    ----------
    name : name of the array in the store
    dims : names of its dimensions
    n : length of the first axis, or None if it is known only at the end of the source
    row_shape : lengths of the other axes
    dtype : dtype of the values
    features : axes that chunks do not divide
    grain : shape of the smallest unit that the source decodes
    attributes : attributes of the array
    beside : other arrays of the store
    ids : name and dtype of an array with a value for each place on the first axis, or None
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
    ids: tuple[str, np.dtype[Any]] | None = None


class Piece(NamedTuple):
    """Values, and their ids if the source has `Form.ids`."""

    values: AnyArray
    ids: AnyArray | None = None


class Source(Protocol):
    """Files of one kind as one array.

    Attributes
    ----------
    skipped : names of damaged files that have been left out so far
    """

    form: Form
    skipped: list[str]

    def read(self, region: Region) -> Piece:
        """Read a region. Regions are requested in C order; a resumed run may start in the middle.

        The result is shorter along the first axis at the end of the source.
        """

    def close(self) -> None:
        """Close open files."""


class Stream(ABC):
    """A source without efficient random access: regions are whole rows, in order."""

    form: Form

    def __init__(self) -> None:
        self.skipped: list[str] = []
        self._at = -1
        self._rest = Piece(np.empty(0))
        self._pieces: Iterator[Piece] = iter(())

    @abstractmethod
    def pieces(self, start: int) -> Iterator[Piece]:
        """Yield all rows from one on, in pieces of convenient size."""

    def read(self, region: Region) -> Piece:
        start, stop = region[0].start, region[0].stop
        if self._at != start:
            self.close()
            self._pieces = self.pieces(start)
            self._rest = Piece(np.empty((0, *self.form.row_shape)))
        values = np.empty((stop - start, *self.form.row_shape), self.form.dtype)
        ids = []
        filled = 0
        while filled < len(values):
            if not len(self._rest.values):
                found = next(self._pieces, None)
                if found is None:
                    break
                self._rest = found
            some, own = self._rest
            n = min(len(some), len(values) - filled)
            values[filled : filled + n] = some[:n]
            ids += [] if own is None else [own[:n]]
            filled += n
            self._rest = Piece(some[n:], None if own is None else own[n:])
        self._at = start + filled
        return Piece(values[:filled], np.concatenate(ids) if ids else None)

    def close(self) -> None:
        closing = getattr(self._pieces, "close", None)  # closes the generator's files
        if closing:
            closing()
