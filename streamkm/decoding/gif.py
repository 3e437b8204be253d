"""Frames of a GIF, each as a file of its own.

Pillow composes the frames after an opaque first one without transparency, and fills pixels that no
frame has drawn; here its decoder reads single frames only.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from streamkm.decoding.parts import After, Part

_START = 13  # bytes of the header and the screen descriptor
_AFTER: dict[int, After] = {2: "clear", 3: "restore"}


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame: its part, transparent index or None, flags, and the bytes of table and pixels."""

    part: Part
    clear: int | None
    flags: int
    start: int
    stop: int


class Gif:
    """The frames of a GIF.

    Parameters
    ----------
    stream : bytes of the file, which is read again by `alone`
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        stream.seek(0)
        head = stream.read(_START)
        self._screen = head[10:]
        self._table = stream.read(_table_nbytes(head[10]))
        self._frames = list(_frames(stream))
        self.parts = [frame.part for frame in self._frames]
        self.own_tables = any(frame.flags & 128 for frame in self._frames)

    def alone(self, number: int) -> bytes:
        """Return a frame as a GIF of one image, of the size of its part."""
        frame = self._frames[number]
        size = struct.pack("<HH", frame.part.width, frame.part.height)
        self._stream.seek(frame.start)
        content = self._stream.read(frame.stop - frame.start)
        control = b"" if frame.clear is None else bytes([33, 249, 4, 1, 0, 0, frame.clear, 0])
        place = b"," + bytes(4) + size + bytes([frame.flags])
        return b"GIF89a" + size + self._screen + self._table + control + place + content + b";"


def _frames(stream: BinaryIO) -> Iterator[_Frame]:
    """Read the frames after the global table of colours, up to the end or a truncation."""
    clear: int | None = None
    disposal = 0
    while (kind := stream.read(1)) and kind != b";":
        if kind == b"!":
            label, block = stream.read(1), stream.read(1)
            content = stream.read(block[0]) if block else b""
            if label == b"\xf9" and len(content) >= 4:
                disposal = content[0] >> 2 & 7
                clear = content[3] if content[0] & 1 else None
            if content:
                _skip(stream)
        elif kind == b",":
            place = stream.read(9)
            if len(place) < 9:
                return
            x, y, width, height, flags = struct.unpack("<HHHHB", place)
            start = stream.tell()
            stream.seek(start + _table_nbytes(flags) + 1)
            _skip(stream)
            after = _AFTER.get(disposal, "keep")
            part = Part(x, y, width, height, after, True, clear is None)
            yield _Frame(part, clear, flags, start, stream.tell())
            clear, disposal = None, 0


def _table_nbytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 128 else 0


def _skip(stream: BinaryIO) -> None:
    """Skip blocks of data up to an empty one."""
    while (size := stream.read(1)) and size != b"\0":
        stream.seek(size[0], 1)
