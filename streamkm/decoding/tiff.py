"""Pages of a TIFF: their metadata, and which library reads them."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, TypeVar, cast

from streamkm.decoding.exif import ORIENTATION, XMP, orientation
from streamkm.decoding.samples import Samples, samples_of
from streamkm.errors import DamagedError
from streamkm.files.damage import damage
from streamkm.files.find import need
from streamkm.files.names import shown
from streamkm.files.unread import unread
from streamkm.files.windows import Window

_WIDTH, _BITS, _PHOTOMETRIC, _SAMPLES = 256, 258, 262, 277
_SUBFILE, _COLOURS, _EXTRA, _FORMAT, _DNG = 254, 320, 338, 339, 50706
_GEO = (33550, 33922, 34264, 34735)
_ICC, _EXIF, _GPS, _INTEROP = 34675, 34665, 34853, 40965
# Tags about the origin of an image, not about the storage of pixels.
_ORIGIN = (270, 271, 272, 305, 306, 315, 33432, _EXIF, _GPS)
_DIRECTORIES = (_EXIF, _GPS, _INTEROP)
_REDUCED, _MASK = 1, 4
# Numbers of samples that Pillow supports, by photometric interpretation: grey, RGB, palette, CMYK,
# YCbCr.
_OF_PILLOW = {0: (1, 2), 1: (1, 2), 2: (3, 4), 3: (1,), 5: (4,), 6: (3,)}

_LARGER = 4  # maximum size of the metadata of all pages, in sizes of the file
T = TypeVar("T", bytes, str)


@dataclass(frozen=True, slots=True)
class Page:
    """An image of a TIFF.

    Parameters
    ----------
    number : number among all images of the file, from 1 on, as in GDAL
    at : byte at which its directory begins
    raster : whether GDAL reads it
    orientation : 1 to 8
    icc : colour profile
    metadata : EXIF with upright orientation in base64, and the name of the profile
    samples : meaning of the samples
    copies : whether reduced copies or masks of it are left out
    masked : whether a mask follows, which GDAL applies to the first page
    """

    number: int
    at: int
    raster: bool
    orientation: int
    icc: bytes | None
    metadata: dict[str, Any]
    samples: Samples
    copies: bool = False
    masked: bool = False


def pages(stream: BinaryIO, name: str = "") -> Iterator[Page]:
    """Return the images of a TIFF of a name without reduced copies and masks."""
    start = _start(stream)
    directory = _directory(start)
    visited: set[int] = set()
    unique = _UniqueMetadata(stream.seek(0, io.SEEK_END))
    at, number = directory.next, 0
    page: Page | None = None
    while at and at not in visited:
        visited.add(at)
        number += 1
        directory = _directory(start, stream, at)
        if _DNG in directory:
            raise DamagedError(f"{shown(name)}: {unread('x.dng')}")
        if _WIDTH not in directory:
            raise ValueError(f"directory {number} at byte {at} does not describe an image")
        kind = directory.get(_SUBFILE, 0)
        if number == 1 or not (isinstance(kind, int) and kind & (_REDUCED | _MASK)):
            turned = orientation(directory.get(ORIENTATION), directory.get(XMP))
            icc = directory.get(_ICC)
            icc = unique.once(icc) if isinstance(icc, bytes) and icc else None
            metadata = {"icc": icc_name(icc)} if icc else {}
            exif = _exif(directory, start, stream)
            if exif:
                metadata["exif"] = unique.once(base64.b64encode(exif).decode())
            raster = (start[:2] == b"MM" and _big(start)) or _raster(directory)
            if page:
                yield page
            page = Page(number, at, raster, turned, icc, metadata, samples_of(directory))
        elif page and kind & _MASK and not kind & _REDUCED and page.number == 1:
            page = replace(page, masked=True, raster=True)
        elif page and not (kind & _MASK and page.masked):
            page = replace(page, copies=True)
        at = directory.next
    if not page:
        raise ValueError("it has no image directory")
    yield page


def samples_at(stream: BinaryIO, at: int) -> Samples:
    """Return the meaning of the samples of the page whose directory begins at a byte."""
    return samples_of(_directory(_start(stream), stream, at))


def _start(stream: BinaryIO) -> bytes:
    """Read the header of a TIFF: 8 bytes, or 16 for a BigTIFF."""
    stream.seek(0)
    start = stream.read(8)
    return start + stream.read(8) if _big(start) else start


def _big(start: bytes) -> bool:
    return start[2:4] in (b"+\0", b"\0+")


def _directory(start: bytes, stream: BinaryIO | None = None, at: int = 0) -> Any:
    """Create an empty directory, or load one from a byte of a file.

    Pillow recognises a BigTIFF by its third byte, which is correct for little-endian files only;
    the byte order can be given.
    """
    kind = need("PIL.TiffImagePlugin", "images").ImageFileDirectory_v2
    if _big(start) and start[:2] == b"MM":
        directory = kind(b"II+\0" + start[4:], prefix=b"MM")
    else:
        directory = kind(start)
    if stream is not None:
        stream.seek(at)
        directory.load(stream)
    return directory


class _UniqueMetadata:
    """Metadata of pages, with equal metadata of several pages in memory once.

    Parameters
    ----------
    nbytes : size of the file, beyond which the metadata of pages must overlap
    """

    def __init__(self, nbytes: int) -> None:
        self._left = _LARGER * nbytes
        self._known: dict[Any, Any] = {}

    def once(self, what: T) -> T:
        """Return an equal value that was stored before, or store this one.

        Raises
        ------
        ValueError
            If the metadata are larger than the file.
        """
        if what not in self._known:
            self._left -= len(what)
            if self._left < 0:
                raise ValueError("its pages declare more data than the file has")
        return cast(T, self._known.setdefault(what, what))


def _raster(tags: Any) -> bool:
    """Return whether an image has a georeference, or more bits or bands than Pillow supports."""
    formats, samples = tags.get(_FORMAT, (1,)), tags.get(_SAMPLES, 1)
    deep = max(tags.get(_BITS, (1,))) > 8
    photometric = tags.get(_PHOTOMETRIC, 1)
    unknown = samples not in _OF_PILLOW.get(photometric, ())
    if photometric < 3 and samples in (2, 4):  # the last sample is alpha, or a band
        # Pillow does not divide grey by alpha.
        unknown |= tags.get(_EXTRA, (0,)) not in (((2,),) if samples == 2 else ((1,), (2,)))
    # Some programs write colours with 8 bits; Pillow uses the high byte, which is 0.
    dark = photometric == 3 and max(tags.get(_COLOURS, (0,))) < 256
    return deep or unknown or dark or set(formats) != {1} or any(tag in tags for tag in _GEO)


def icc_name(profile: bytes) -> str:
    """Return the name of a colour profile in an archive."""
    return hashlib.sha256(profile).hexdigest()[:16]


def _exif(tags: Any, start: bytes, stream: BinaryIO) -> bytes:
    """Return the metadata of a page's origin as EXIF, without damaged parts."""
    exif = need("PIL.Image", "images").Exif
    valid = exif()
    for tag in _ORIGIN:
        with suppress(DamagedError), damage("EXIF"):
            if tag in tags:
                alone = exif()
                alone[tag] = _value(tags, tag, start, stream)
                alone.tobytes()  # raises an error for values that cannot be written
                valid[tag] = alone[tag]
    return bytes(valid.tobytes()) if len(valid) else b""


def _value(tags: Any, tag: int, start: bytes, stream: BinaryIO) -> Any:
    """Return the value of a tag, or the content of the directory that it points to."""
    if tag not in _DIRECTORIES:
        return tags[tag]
    directory = _directory(start, stream, tags[tag])
    # Pointers must ascend, so that there are no cycles.
    below = [key for key in directory if key not in _DIRECTORIES or (tag, key) == (_EXIF, _INTEROP)]
    return {key: _value(directory, key, start, stream) for key in below}


def from_page(stream: BinaryIO, at: int) -> BinaryIO:
    """Return a TIFF as a file that begins with one of its later pages.

    Parameters
    ----------
    stream : bytes of the whole file; it stays open when the result is closed
    at : byte at which the page's directory begins
    """
    start = _start(stream)
    place = 8 if _big(start) else 4  # position and size of the first pointer
    pointer = at.to_bytes(place, "little" if start[:1] == b"I" else "big")
    head = start[:place] + pointer
    window = Window(stream, 0, stream.seek(0, io.SEEK_END), head=head, closes=False)
    return cast(BinaryIO, io.BufferedReader(window))
