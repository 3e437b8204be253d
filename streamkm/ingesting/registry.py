"""The registry of the kinds of files that `ingest` reads. Each kind's file registers its reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from streamkm.errors import DataError
from streamkm.files.find import File
from streamkm.files.unread import by_plug_in
from streamkm.ingesting.source import Source


@dataclass(frozen=True)
class KindOptions:
    """Options of `ingest` that only some kinds of files take.

    Parameters
    ----------
    columns : list of str, optional
        Columns of a table, in the order of the features.
    variable : str, optional
        An array of a file with several arrays.
    no_header : bool
        Whether the first line of text is data.
    delimiter : str, optional
        Delimiter of values in text.
    skip_bad : bool
        Whether to leave out damaged files.
    srgb : bool
        Whether to convert colours to sRGB.
    frames : bool
        Whether each frame of an animation is an image.
    id : str, optional
        Column of a table that identifies its rows.
    """

    columns: list[str] | None = None
    variable: str | None = None
    no_header: bool = False
    delimiter: str | None = None
    skip_bad: bool = False
    id: str | None = None
    srgb: bool = False
    frames: bool = False

    def __post_init__(self) -> None:
        given = self.delimiter
        if given is not None and (len(given) != 1 or not given.isascii() or given in '\r\n"'):
            raise DataError(
                f"{given!r} is not a delimiter: give one ASCII character, such as ; or a tab."
            )


def dtype_of(given: Any) -> np.dtype[Any] | None:
    """Return the dtype that is asked for, or None.

    Raises
    ------
    DataError
        If it is not a dtype.
    """
    try:
        return None if given is None else np.dtype(given)
    except (TypeError, ValueError, SyntaxError):
        raise DataError(
            f"{str(given)[:40]!r} is not a dtype; use one such as float32 or uint8."
        ) from None


@dataclass(frozen=True)
class SourceRequest:
    """Arguments from which a reader is created.

    Parameters
    ----------
    files : sequence of File
        At least one file; all files of the run, in order.
    dtype : numpy.dtype, optional
        The requested dtype of the store.
    options : KindOptions
        Those that the kind does not take have their defaults.
    skipped : sequence of str
        Names of damaged files that an interrupted run has left out.
    """

    files: Sequence[File]
    dtype: np.dtype[Any] | None
    options: KindOptions
    skipped: Sequence[str] = ()


Reader = Callable[[SourceRequest], Source]
R = TypeVar("R", bound=Reader)


@dataclass(frozen=True)
class Kind:
    """A kind of files.

    Parameters
    ----------
    reader : callable
        Returns the `Source` for a `SourceRequest`.
    suffixes : tuple of str
        Lower-case endings of the names of such files.
    summary : str
        One line for the table in docs/ingest.md: the array and the reader.
    options : tuple of str
        Fields of `KindOptions` that the reader uses.
    named_suffixes : tuple of str
        Further endings, of files that are found in folders only if the kind is named.
    """

    reader: Reader
    suffixes: tuple[str, ...]
    summary: str
    options: tuple[str, ...]
    named_suffixes: tuple[str, ...]


KINDS: dict[str, Kind] = {}


def register(
    name: str,
    *,
    suffixes: tuple[str, ...],
    summary: str,
    options: tuple[str, ...] = (),
    named_suffixes: tuple[str, ...] = (),
) -> Callable[[R], R]:
    """Return a decorator that registers a reader (a class or a function) for a kind of files.

    Parameters
    ----------
    name : str
        Value of ``kind`` and ``--kind``. A string literal: the command line finds it in the source,
        without an import.
    suffixes, summary, options, named_suffixes
        See `Kind`.

    Raises
    ------
    ValueError
        If the name or a suffix is registered already.
    """
    if name in KINDS:
        raise ValueError(f"the kind {name!r} is registered already; choose another name.")
    for suffix in suffixes:
        if (other := kind_of(suffix)) is not None:
            raise ValueError(
                f"the kind {other!r} already reads files with the suffix {suffix!r}; choose "
                "another suffix."
            )

    def add(reader: R) -> R:
        KINDS[name] = Kind(reader, suffixes, summary, options, named_suffixes)
        return reader

    return add


def kind_of(path: str) -> str | None:
    """Return the kind of a file by its name, or None.

    Examples
    --------
    >>> kind_of("a/b.CSV.gz"), kind_of("b.tar"), kind_of("notes.txt")
    ('csv', 'tar', None)
    """
    name = path.lower()
    found = (kind for kind, each in KINDS.items() if name.endswith(each.suffixes))
    return next(found, "images" if by_plug_in(name) else None)
