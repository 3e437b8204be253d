"""Chunks of a PNG, which may be before or after the pixels."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

_SIGNATURE = 8
_WANTED = (b"tRNS", b"eXIf", b"iTXt", b"tEXt", b"zTXt", b"gAMA", b"sRGB", b"iCCP")
_MOST = 2**24  # maximum bytes of a chunk that is read, and of its unpacked content
_XMP = b"XML:com.adobe.xmp"
_RAW = (b"Raw profile type exif", b"Raw profile type APP1")
_PREFIX = b"Exif\0\0"
# Number of colours, and whether there is alpha, by colour type; 3 is a palette.
_KINDS = {0: (1, False), 2: (3, False), 4: (1, True), 6: (3, True)}


@dataclass(frozen=True, slots=True)
class Png:
    """Properties of a PNG other than its pixels.

    Parameters
    ----------
    bits : bits of a sample
    kind : colour type
    key : transparent colour as decoded samples, or None
    exif : EXIF data, or empty
    xmp : XMP, or empty
    gamma : gamma, if the file has no other description of its colours, or None
    """

    bits: int
    kind: int
    key: tuple[int, ...] | None = None
    exif: bytes = b""
    xmp: bytes = b""
    gamma: float | None = None

    @property
    def deep(self) -> tuple[int, bool] | None:
        """Number of colours and alpha if it has 16 bits that Pillow would cut to 8, else None."""
        return _KINDS.get(self.kind) if self.bits == 16 and self.kind != 0 else None


def png_of(stream: BinaryIO) -> Png:
    """Read the properties of a PNG; damage after its header is left to the decoder."""
    stream.seek(_SIGNATURE)
    _, _, _, _, bits, kind = struct.unpack(">I4sIIBB", stream.read(18))
    chunks, texts = _chunks(stream)
    exif = chunks.get(b"eXIf", b"")
    exif = _PREFIX + exif if exif else _raw_profile(texts)
    gamma = chunks.get(b"gAMA", b"") if not chunks.keys() & {b"sRGB", b"iCCP"} else b""
    return Png(
        bits,
        kind,
        _key(chunks.get(b"tRNS", b""), bits, kind),
        exif,
        texts.get(_XMP, b""),
        int.from_bytes(gamma) / 100_000 if len(gamma) == 4 else None,
    )


def _chunks(stream: BinaryIO) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    """Return the first chunk of each name, and the first text of each keyword."""
    chunks: dict[bytes, bytes] = {}
    texts: dict[bytes, bytes] = {}
    at = _SIGNATURE
    while True:
        stream.seek(at)
        start = stream.read(8)
        if len(start) < 8 or start[4:] == b"IEND":
            return chunks, texts
        length, name = int.from_bytes(start[:4]), start[4:]
        if name in _WANTED and length <= _MOST:
            content = stream.read(length)
            if name in (b"iTXt", b"tEXt", b"zTXt"):
                _text(name, content, texts)
            else:
                chunks.setdefault(name, content)
        at += 12 + length


def _text(name: bytes, content: bytes, texts: dict[bytes, bytes]) -> None:
    """Store texts that contain EXIF or XMP."""
    keyword, _, rest = content.partition(b"\0")
    if keyword not in (_XMP, *_RAW) or keyword in texts:
        return
    packed = name == b"zTXt"
    if name == b"iTXt":
        packed = rest[:1] == b"\1"
        rest = rest[2:].split(b"\0", 2)[-1]
    elif packed:
        rest = rest[1:]
    if packed:
        try:
            rest = zlib.decompressobj().decompress(rest, _MOST)
        except zlib.error:
            return
    texts[keyword] = rest


def _raw_profile(texts: dict[bytes, bytes]) -> bytes:
    """Parse EXIF as written by ImageMagick: a name, a length, and hexadecimal digits."""
    for keyword in _RAW:
        try:
            content = bytes.fromhex(b"".join(texts[keyword].split(b"\n")[3:]).decode())
        except (KeyError, ValueError):
            continue
        if content:
            return content if content.startswith(_PREFIX) else _PREFIX + content
    return b""


def _key(content: bytes, bits: int, kind: int) -> tuple[int, ...] | None:
    """Return the transparent colour; only the low bits count, scaled to the full range."""
    if kind not in (0, 2) or len(content) != {0: 2, 2: 6}[kind]:
        return None
    top = 2**bits - 1
    low = [value & top for value in struct.unpack(f">{len(content) // 2}H", content)]
    return tuple(value * 255 // top if bits < 8 else value for value in low)
