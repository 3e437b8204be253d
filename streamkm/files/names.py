"""Names of files: suffixes, names that are refused, and how names are displayed."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from streamkm.errors import DataError

IMAGES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".avif"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
_DIGITS = re.compile("[0-9]+")
TIFFS = (".tif", ".tiff")
JP2S = (".jp2", ".j2k", ".j2c", ".jpx", ".jpf", ".jpc")
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def source_names(sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[str]:
    """Return one or several sources as a list of paths and URLs.

    Raises
    ------
    DataError
        If there are none, or they are something else, such as an array.

    Examples
    --------
    >>> source_names("a.png"), source_names(["a.png", "b.png"])
    (['a.png'], ['a.png', 'b.png'])
    """
    several = [sources] if isinstance(sources, (str, os.PathLike)) else sources
    try:
        names = [os.fspath(source) for source in several]
    except TypeError as error:
        raise DataError(
            f"sources are paths, URLs or patterns of files, not an array ({type(sources).__name__})"
            ": save it to a file first, or fit it as it is."
            if hasattr(sources, "dtype")
            else f"{sources!r} is not the path, URL or pattern of files, nor several of them."
        ) from error
    if not names:
        raise DataError("no sources were given.")
    return names


def shown(name: str) -> str:
    """Return a name in a form that is safe to print on a terminal.

    Examples
    --------
    >>> shown("a b.png"), shown("a\\x1b[2J.png")
    ('a b.png', "'a\\\\x1b[2J.png'")
    """
    return name if name.isprintable() else repr(name)


def order_notice(names: Sequence[str]) -> tuple[str, int, str] | None:
    """Return a notice if numbers in sorted names of one pattern suggest another order, or None.

    Returns
    -------
    tuple or None
        The text, 1, and the first name that the numbers would put later.

    Examples
    --------
    >>> order_notice(["img10.npy", "img2.npy"])[2], order_notice(["a10.npy", "b2.npy"])
    ('img10.npy', None)
    """
    if len({_DIGITS.sub("0", name) for name in names}) != 1:
        return None
    by_number = sorted(names, key=lambda name: list(map(int, _DIGITS.findall(name))))
    pairs = zip(names, by_number, strict=True)
    first, other = next((pair for pair in pairs if pair[0] != pair[1]), ("", ""))
    if not first:
        return None
    other = other.rpartition("/")[2]
    text = (
        f"is read before {other}, in the order of the names; if the order of the numbers is meant, "
        "give them all the same number of digits"
    )
    return text, 1, first


def wrong_with(name: str) -> str | None:
    r"""Return why a name is not valid for an image, or None.

    Examples
    --------
    >>> wrong_with("a/b c.png")
    >>> wrong_with("../x.png"), wrong_with("C:\\x.png")
    ('its name points outside the archive', 'its name contains a drive or a backslash')
    """
    parts = name.split("/")
    if name.startswith("/") or ".." in parts:
        return "its name points outside the archive"
    if "\\" in name or re.match("[A-Za-z]:", name):
        return "its name contains a drive or a backslash"
    if not all(parts) or "." in parts or "\0" in name:
        return "its name has an empty part"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    return None
