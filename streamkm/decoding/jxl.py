"""Header of a JPEG XL file, which its plug-in reads only together with all pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

_HEAD = 64  # bytes of a codestream that hold its header
_MOST_BOXES = 1000
# Ratios of width to height that need no width of their own.
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}


@dataclass(frozen=True, slots=True)
class Jxl:
    """The header of a JPEG XL file.

    Parameters
    ----------
    height, width : in pixels, as stored
    bits : bits of a sample
    animated : whether the file is an animation
    """

    height: int
    width: int
    bits: int = 8
    animated: bool = False


def jxl_of(stream: BinaryIO) -> Jxl:
    """Read the header of a file, by ISO/IEC 18181-1.

    Raises
    ------
    ValueError
        If there is no image in the file.
    """
    bits = _Bits(_codestream(stream))
    height, width = _size(bits)
    if bits.read(1):  # everything else has its default
        return Jxl(height, width)
    if bits.read(1):
        bits.read(3)  # orientation, which the decoder applies
        if bits.read(1):
            _size(bits)  # of the display
        preview, animated = bits.read(1), bool(bits.read(1))
        if preview or animated:  # what follows is before the bits of samples
            return Jxl(height, width, animated=animated)
    floats = bits.read(1)
    depth = (32, 16, 24, None) if floats else (8, 10, 12, None)
    return Jxl(height, width, depth[bits.read(2)] or 1 + bits.read(6))


def _codestream(stream: BinaryIO) -> bytes:
    """Return the first bytes of the codestream, which may be in a box."""
    stream.seek(0)
    head = stream.read(_HEAD)
    if head.startswith(b"\xff\x0a"):
        return head[2:]
    at = 0
    for _ in range(_MOST_BOXES):
        stream.seek(at)
        start = stream.read(16)
        size, kind, skip = int.from_bytes(start[:4]), start[4:8], 8
        if size == 1:
            size, skip = int.from_bytes(start[8:]), 16
        if kind in (b"jxlc", b"jxlp"):
            stream.seek(at + skip + (4 if kind == b"jxlp" else 0))
            content = stream.read(_HEAD)
            if not content.startswith(b"\xff\x0a"):
                break
            return content[2:]
        if size < skip:
            break
        at += size
    raise ValueError("it has no image")


def _size(bits: _Bits) -> tuple[int, int]:
    """Read a height and a width."""
    small = bits.read(1)
    height = _length(bits, small)
    ratio = bits.read(3)
    if ratio:
        across, down = _RATIOS[ratio]
        return height, height * across // down
    return height, _length(bits, small)


def _length(bits: _Bits, small: int) -> int:
    if small:
        return 8 * (1 + bits.read(5))
    return 1 + bits.read((9, 13, 18, 30)[bits.read(2)])


class _Bits:
    """Bits of bytes, the lowest of each byte first."""

    def __init__(self, content: bytes) -> None:
        self._value, self._left = int.from_bytes(content, "little"), 8 * len(content)

    def read(self, count: int) -> int:
        if count > self._left:
            raise ValueError("it ends in its header")
        found = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return found
