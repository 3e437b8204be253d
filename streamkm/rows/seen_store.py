"""Records of what a stream has read of a store, of any kind, and the changes since then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

Span = tuple[int, int]
Piece = tuple[int, int, int]  # position of the first row in the stream, start and stop in the data


@dataclass(frozen=True)
class Changes:
    """Changes of a store since it was read, as extents along its first row axis.

    Parameters
    ----------
    appended : rows that are new
    changed : rows of chunks that were written again
    removed : rows that are gone, or of which chunks are gone
    """

    appended: tuple[Span, ...] = ()
    changed: tuple[Span, ...] = ()
    removed: tuple[Span, ...] = ()


class SeenStore(Protocol):
    """The record of a store, or of files, that was read."""

    @property
    def place(self) -> str:
        """Address."""

    @property
    def described(self) -> str:
        """Digest of what has to be the same in all parts."""

    @property
    def length(self) -> int:
        """Extent of the first row axis."""

    @property
    def is_listed(self) -> bool:
        """Whether changes can be detected."""

    @property
    def without_pieces(self) -> Self:
        """The same without the positions of the rows in the stream."""

    def is_at(self, other: object) -> bool:
        """Return whether this is an earlier part of another store, which may have moved."""

    def joined_to(self, others: Self) -> Self:
        """Return the record of all that this and another one of the same store record."""

    def changes_since(self, before: Self | None) -> Changes:
        """Return the changes since `before`; None if nothing was read."""

    def rewritten(self, now: Self, each: int) -> tuple[Piece, ...]:
        """Return the rows that were read and may have other values, with their places in `now`."""

    def with_differing(self, changes: Changes, now: Self, piece: Piece) -> Changes:
        """Return the changes if the rewritten rows of a piece have other values."""

    def after(self, before: Self | None, position: int, each: int) -> Self:
        """Return the record after a read of the rows that are new since `before`."""

    def named(self, spans: Sequence[Span]) -> list[str]:
        """Return the names of the files of these extents; none for a store."""
