"""Parsing and formatting of sizes in bytes and of times."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from numbers import Real
from typing import Any

from streamkm.errors import ParameterError
from streamkm.numbers import real_number

_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_MOST = 2**60  # bytes
_LONGEST = 100 * 365 * 86400.0
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def parse_bytes(text: str | float) -> int:
    """Return the bytes of a size such as ``'2GiB'`` or ``'500 MB'``, or of a number.

    Examples
    --------
    >>> parse_bytes("1.5GiB"), parse_bytes("500 MB"), parse_bytes(1024)
    (1610612736, 500000000, 1024)
    """
    if not isinstance(text, str):
        if not isinstance(text, Real) or not math.isfinite(text) or text < 0:
            raise ParameterError(f"{text!r} is not a size; write 2GiB, 500MB or a number of bytes")
        return _counted(text, text)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", text.lower())
    if not match:
        raise ValueError(f"{text!r} is not a size; write 2GiB, 500MB or a number of bytes")
    number, unit, binary = match.groups()
    return _counted(float(number) * (1024 if binary else 1000) ** _UNITS[unit], text)


def _counted(nbytes: float, given: str | float) -> int:
    if nbytes > _MOST:
        raise ParameterError(f"{str(given)[:40]} is larger than any memory; write 2GiB or 500MB")
    return int(nbytes)


def show_bytes(count: float) -> str:
    """Format a size in bytes.

    Examples
    --------
    >>> show_bytes(1610612736)
    '1.5 GiB'
    """
    power = min(4, int(math.log(max(count, 1), 1024)))
    return f"{count / 1024**power:.{1 if power else 0}f} {['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}"


def parse_seconds(text: str | float) -> float:
    """Return the seconds of a time such as ``'55m'``, ``'1h30m'`` or ``'2d'``, or of a number.

    Examples
    --------
    >>> parse_seconds("55m"), parse_seconds("1h30m"), parse_seconds(2.5), parse_seconds("7")
    (3300.0, 5400.0, 2.5, 7.0)
    """
    if not isinstance(text, str):
        return real_number("time", text)
    seconds = _seconds(text)
    if seconds > _LONGEST:
        raise ValueError(f"{text[:40]!r} is more than 100 years")
    return seconds


def _seconds(text: str) -> float:
    compact = text.replace(" ", "").lower()
    if re.fullmatch(r"\d+(\.\d+)?", compact):
        return float(compact)
    if not re.fullmatch(r"(\d+(\.\d+)?[dhms])+", compact):
        raise ValueError(f"{text!r} is not a time; write 55m, 1h30m, 90s or a number of seconds")
    parts = re.findall(r"(\d+(?:\.\d+)?)([dhms])", compact)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def show_seconds(seconds: float) -> str:
    """Format a time in seconds.

    Examples
    --------
    >>> show_seconds(0.25), show_seconds(75), show_seconds(7384)
    ('0.2 s', '1m15s', '2h03m')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"


def as_texts(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the numbers of a run as texts with their units; those that are None are left out.

    Examples
    --------
    >>> as_texts({"reads": 4, "block_bytes": 2048, "seconds_a_read": 75.0, "inertia": 1e4 / 3})
    {'reads': '4', 'block': '2.0 KiB', 'seconds a read': '1m15s', 'inertia': '3,333.33333'}
    """
    known = {name: value for name, value in facts.items() if value is not None}
    return {
        name.replace("_bytes", "").replace("_", " "): _as_text(name, value)
        for name, value in known.items()
    }


def _as_text(name: str, value: Any) -> str:
    if "bytes" in name:
        return show_bytes(value)
    if "seconds" in name:
        return show_seconds(value)
    if isinstance(value, list):
        return " to ".join(f"{number:,}" for number in value)
    if isinstance(value, float):
        return f"{value:,.9g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
