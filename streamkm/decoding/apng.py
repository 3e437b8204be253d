"""Frames of an animated PNG, each as a file of its own.

Pillow has no transparency in frames without alpha, and reduces 16 bits to 8.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from typing import BinaryIO

from streamkm.decoding.parts import After, Part

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SHARED = (b"PLTE", b"tRNS", b"iCCP")  # chunks that decoding needs
_MOST = 2**24  # maximum bytes of each of them
_AFTER: tuple[After, ...] = ("keep", "clear", "restore")


class Apng:
    """The frames of an animated PNG; the image of other programs, if it is no frame, is the first.

    Parameters
    ----------
    stream : bytes of the file, which is read again by `alone`
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._shared = b""
        self._clear = False  # whether pixels may be transparent
        self._head = b""
        self.parts: list[Part] = []
        self._data: list[list[tuple[int, int]]] = []  # chunks of data of each frame
        self._read()
        self.parts = [replace(part, opaque=not self._clear) for part in self.parts]

    def alone(self, number: int) -> bytes:
        """Return a frame as a PNG of one image, of the size of its part."""
        part = self.parts[number]
        head = struct.pack(">II", part.width, part.height) + self._head[8:]
        found = [_SIGNATURE, _chunk(b"IHDR", head), self._shared]
        for at, length in self._data[number]:
            self._stream.seek(at + 4)
            content = self._stream.read(4 + length)
            if self._stream.read(4) != zlib.crc32(content).to_bytes(4):
                raise ValueError(f"the checksum of frame {number + 1} does not match")
            found.append(_chunk(b"IDAT", content[8 if content[:4] == b"fdAT" else 4 :]))
        return b"".join([*found, _chunk(b"IEND", b"")])

    def _read(self) -> None:
        at = len(_SIGNATURE)
        while True:
            self._stream.seek(at)
            start = self._stream.read(8)
            if len(start) < 8 or start[4:] == b"IEND":
                return
            length, name = int.from_bytes(start[:4]), start[4:]
            if name == b"IHDR":
                self._head = self._stream.read(length)
                self._clear = self._head[9] in (4, 6)
            elif name in _SHARED and length <= _MOST and not any(self._data):
                self._clear |= name == b"tRNS"
                self._shared += start + self._stream.read(length + 4)
            elif name == b"fcTL":
                self._add(self._stream.read(length))
            elif name in (b"IDAT", b"fdAT"):
                if not self.parts:  # the image is no frame
                    width, height = struct.unpack(">II", self._head[:8])
                    self.parts.append(Part(0, 0, width, height, "clear", False))
                    self._data.append([])
                self._data[-1].append((at, length))
            at += 12 + length

    def _add(self, content: bytes) -> None:
        width, height, x, y, after, blend = struct.unpack(">4xIIII4xBB", content)
        wide, high = struct.unpack(">II", self._head[:8])
        if x + width > wide or y + height > high or after > 2:
            raise ValueError(f"frame {len(self.parts) + 1} is outside of the image")
        self.parts.append(Part(x, y, width, height, _AFTER[after], blend == 1))
        self._data.append([])


def _chunk(name: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(name + content).to_bytes(4)
    return len(content).to_bytes(4) + name + content + crc
