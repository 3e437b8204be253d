"""The orientation of an image in EXIF, or in XMP if EXIF has none."""

from __future__ import annotations

import re
from typing import Any, Literal

ORIENTATION, XMP = 274, 700  # TIFF tags
_PREFIX = b"Exif\0\0"
_IN_XMP = re.compile(rb"tiff:Orientation(?:=[\"']|>)([0-9])")
# Integer types and their bytes: BYTE, SHORT, LONG and the signed types.
_TYPES = {1: 1, 3: 2, 4: 4, 6: 1, 8: 2, 9: 4}


def orientation(value: Any, xmp: Any = None) -> int:
    """Return the orientation, 1 to 8, in the definition of Pillow's ``exif_transpose``.

    Parameters
    ----------
    value : value of the EXIF tag, or None
    xmp : bytes or text of XMP, which is used if EXIF has no orientation

    Examples
    --------
    >>> orientation(6), orientation(None, b'<x tiff:Orientation="8"/>'), orientation(77)
    (6, 8, 1)
    """
    if value is None and isinstance(xmp, (bytes, str)):
        found = _IN_XMP.search(xmp if isinstance(xmp, bytes) else xmp.encode(errors="replace"))
        value = int(found[1]) if found else None
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def orientation_in(exif: bytes) -> int | None:
    """Return the value of the orientation in EXIF data, or None."""
    place = _place(exif)
    return int.from_bytes(exif[place], _order(exif)) if place else None


def made_upright(exif: bytes) -> bytes:
    """Return the EXIF data with the orientation 1 and all other bytes unchanged.

    Rewriting EXIF with Pillow took ten times the time of reading a header, and loses maker notes
    that are addressed by offset. Damaged EXIF is not a reason to refuse an image.
    """
    place = _place(exif)
    if not place:
        return exif
    one = (1).to_bytes(place.stop - place.start, _order(exif))
    return exif[: place.start] + one + exif[place.stop :]


def _order(exif: bytes) -> Literal["little", "big"]:
    return "little" if exif.removeprefix(_PREFIX)[:2] == b"II" else "big"


def _place(exif: bytes) -> slice | None:
    """Return the position of the bytes of the orientation."""
    start = len(_PREFIX) if exif.startswith(_PREFIX) else 0
    order = _order(exif)

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], order)

    first = start + number(start + 4, 4)
    for entry in range(first + 2, min(first + 2 + 12 * number(first, 2), len(exif) - 11), 12):
        kind = number(entry + 2, 2)
        if number(entry, 2) == ORIENTATION and kind in _TYPES and number(entry + 4, 4) == 1:
            return slice(entry + 8, entry + 8 + _TYPES[kind])
    return None
