"""Whole lines of text from standard input as they arrive."""

from __future__ import annotations

import io
from collections.abc import Iterator

from streamkm.errors import DataError
from streamkm.sizes import show_bytes

NAME = "standard input"
AT_ONCE = 2**20  # bytes that are read and parsed together
_LONGEST = 4 * 2**20  # bytes of a row of text


def lines_of(stream: io.BufferedReader, rest: bytes) -> Iterator[bytes]:
    """Yield whole lines as they arrive, those of `rest` first."""
    more = rest
    while rest or more:
        whole = rest.rfind(b"\n") + 1 if more else len(rest)
        if rest[:whole].strip():
            yield _ended(rest[:whole])
        elif len(rest) > _LONGEST:
            raise _too_long()
        rest = rest[whole:]
        more = stream.read1(AT_ONCE)
        rest += more


def next_line(stream: io.BufferedReader) -> bytes:
    """Return the next line that is not blank."""
    line = b"\n"
    while line and not line.strip():
        line = stream.readline(_LONGEST)
    if b"\r" in line.removesuffix(b"\n").removesuffix(b"\r"):
        raise DataError(
            f"the lines of {NAME} end in CR without LF, so they are not found as they arrive: pipe "
            "it through tr '\\r' '\\n'."
        )
    if len(line) == _LONGEST and not line.endswith(b"\n"):
        raise _too_long()
    return _ended(line)


def _too_long() -> DataError:
    return DataError(f"{NAME} has a row of more than {show_bytes(_LONGEST)}; is it text?")


def _ended(text: bytes) -> bytes:
    """Return text with the end of its last line, without which pyarrow refuses a single line."""
    return text if text.endswith(b"\n") or not text else text + b"\n"
