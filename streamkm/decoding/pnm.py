"""PGM and PPM files with more than 8 bits, which Pillow reduces to 8 bits or rejects."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from streamkm.decoding.header import Header, Pixels, check
from streamkm.decoding.samples import scaled
from streamkm.files.items import Item

_HEAD = 4096  # maximum bytes of the header
_TOKEN = re.compile(rb"(?:\s|#[^\n\r]*[\n\r])*([^\s#]+)")
_CHANNELS = {b"P2": 1, b"P3": 3, b"P5": 1, b"P6": 3}


@dataclass(frozen=True, slots=True)
class Pnm:
    """The header of a PGM or PPM.

    Parameters
    ----------
    plain : whether the values are text
    channels, width, height : of the image
    top : the value of white
    start : byte at which the values begin
    """

    plain: bool
    channels: int
    width: int
    height: int
    top: int
    start: int


def deep_pnm(stream: BinaryIO) -> Pnm | None:
    """Return the header of a file with more than 8 bits; None for others."""
    stream.seek(0)
    head = stream.read(_HEAD)
    words: list[bytes] = []
    at = 0
    while len(words) < 4 and (found := _TOKEN.match(head, at)):
        words.append(found[1])
        at = found.end()
    if len(words) < 4 or words[0] not in _CHANNELS or not all(map(bytes.isdigit, words[1:])):
        return None
    width, height, top = map(int, words[1:])
    if not 255 < top < 65536:
        return None
    return Pnm(words[0] in (b"P2", b"P3"), _CHANNELS[words[0]], width, height, top, at + 1)


def header_of(item: Item, found: Pnm, most_nbytes: int | None) -> Header:
    """Read the header of the file."""
    metadata = {"format": "PPM", "mode": f"{found.channels} x uint16", "bits": 16}
    name, size = item.name, (found.height, found.width)
    header = Header(item, 1, name, *size, found.channels, "uint16", False, metadata)
    return check(header, most_nbytes)


def decode(stream: BinaryIO, found: Pnm) -> Pixels:
    """Decode the pixels, scaled from 0..white to the full 16 bits."""
    stream.seek(found.start)
    shape = found.height, found.width, found.channels
    count = found.height * found.width * found.channels
    if found.plain:
        words = stream.read().split(None, count)[:count]
        values = np.array(words, np.int64)
        if values.min(initial=0) < 0:
            raise ValueError("it holds a negative value")
    else:
        values = np.frombuffer(stream.read(2 * count), ">u2")
    if len(values) != count:
        raise ValueError(f"it ends after {len(values):,} of {count:,} values")
    return Pixels(scaled(values.reshape(shape), found.top, "uint16"), None)
