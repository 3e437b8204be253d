"""Sizes in bytes as people write and read them."""

from __future__ import annotations

import math
import re

_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_bytes(text: str | float) -> int:
    """Bytes from ``'2GiB'``, ``'500 MB'`` or a number.

    Examples
    --------
    >>> parse_bytes("1.5GiB"), parse_bytes("500 MB"), parse_bytes(1024)
    (1610612736, 500000000, 1024)
    """
    if not isinstance(text, str):
        return int(text)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", text.lower())
    if not match:
        raise ValueError(f"{text!r} is not a size; write 2GiB, 500MB or a number of bytes")
    number, unit, binary = match.groups()
    return int(float(number) * (1024 if binary else 1000) ** _UNITS[unit])


def show_bytes(count: float) -> str:
    """A size as people read it.

    Examples
    --------
    >>> show_bytes(1610612736)
    '1.5 GiB'
    """
    power = min(4, int(math.log(max(count, 1), 1024)))
    return f"{count / 1024**power:.{1 if power else 0}f} {['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}"
