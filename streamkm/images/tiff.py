"""Pages of a TIFF, and who reads them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from streamkm.ingesting.files import need

_WIDTH, _BITS, _PHOTOMETRIC, _SAMPLES = 256, 258, 262, 277
_SUBFILE, _EXTRA, _FORMAT = 254, 338, 339
_GEO = (33550, 33922, 34264, 34735)
_REDUCED, _MASK = 1, 4
# Samples a pixel that Pillow knows, by photometric interpretation: grey, RGB, palette, CMYK,
# YCbCr.
_OF_PILLOW = {0: (1, 2), 1: (1, 2), 2: (3, 4), 3: (1,), 5: (4,), 6: (3,)}


@dataclass(frozen=True, slots=True)
class Page:
    """An image of a TIFF.

    Parameters
    ----------
    number : among all images of the file, from 1 on; GDAL's number too
    at : byte at which its directory begins
    raster : whether GDAL is to read it
    orientation : 1 to 8
    """

    number: int
    at: int
    raster: bool
    orientation: int


def pages(stream: BinaryIO) -> Iterator[Page]:
    """The images of a TIFF, without reduced copies and masks of others."""
    tiff = need("PIL.TiffImagePlugin", "images")
    stream.seek(0)
    start = stream.read(8)
    if start[2:3] == b"+" or start[3:4] == b"+":
        start += stream.read(8)
    directory = tiff.ImageFileDirectory_v2(start)
    seen: set[int] = set()
    at, number = directory.next, 0
    while at and at not in seen:
        seen.add(at)
        number += 1
        directory = tiff.ImageFileDirectory_v2(start)
        stream.seek(at)
        directory.load(stream)
        if _WIDTH not in directory:
            raise ValueError(f"directory {number} at byte {at} is no image's")
        kind = directory.get(_SUBFILE, 0)
        if number == 1 or not (isinstance(kind, int) and kind & (_REDUCED | _MASK)):
            turned = directory.get(274, 1)
            known = isinstance(turned, int) and 1 <= turned <= 8
            yield Page(number, at, _raster(directory), turned if known else 1)
        at = directory.next
    if not number:
        raise ValueError("it has no directory of an image")


def _raster(tags: Any) -> bool:
    """Whether an image has a place on Earth, or more bits or bands than Pillow keeps."""
    bits, formats = tags.get(_BITS, (1,)), tags.get(_FORMAT, (1,))
    samples = tags.get(_SAMPLES, 1)
    deep = max(bits) > 8 and (samples > 1 or max(bits) != 16)
    photometric = tags.get(_PHOTOMETRIC, 1)
    unknown = samples not in _OF_PILLOW.get(photometric, ())
    if photometric < 3 and samples in (2, 4):  # the last is alpha, or a band like any other
        unknown |= tags.get(_EXTRA, (0,)) not in ((1,), (2,))
    return deep or unknown or set(formats) != {1} or any(tag in tags for tag in _GEO)


class OnePage(io.RawIOBase):
    """A TIFF that begins with one of its later pages: a reader need not walk there.

    Parameters
    ----------
    stream : of the whole file
    at : byte at which the page's directory begins
    """

    def __init__(self, stream: BinaryIO, at: int) -> None:
        self._stream = stream
        stream.seek(0)
        start = stream.read(16)
        order = "little" if start[:1] == b"I" else "big"
        size, place = (8, 8) if b"+" in start[2:4] else (4, 4)
        pointer = at.to_bytes(size, "little" if order == "little" else "big")
        self._start = start[:place] + pointer + start[place + size :]
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at}
        if whence in base:
            self._at = self._stream.seek(base[whence] + offset)
        else:
            self._at = self._stream.seek(offset, whence)
        return self._at

    def readinto(self, out: Any) -> int:
        if self._at < len(self._start):
            some = self._start[self._at : self._at + len(out)]
        else:
            self._stream.seek(self._at)
            some = self._stream.read(len(out))
        out[: len(some)] = some
        self._at += len(some)
        return len(some)
