"""Headers and pixels of an image file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from streamkm.decoding import pillow, pnm, raster, stacks
from streamkm.decoding.animation import Animation, frames_of
from streamkm.decoding.formats import HEAD, format_of
from streamkm.decoding.header import COPIES, FRAMES, Header, Pixels, check, with_its_profile
from streamkm.decoding.profiles import in_srgb
from streamkm.decoding.tiff import from_page, pages
from streamkm.errors import DamagedError
from streamkm.files.damage import damage
from streamkm.files.find import need
from streamkm.files.items import Held, Item, Plane, Span, Zipped
from streamkm.files.names import shown
from streamkm.sizes import show_bytes

_READ_WHOLE = ("WEBP", "AVIF", "HEIF", "JXL")  # bytes that are read for headers


def headers(
    item: Item, most_nbytes: int | None = None, srgb: bool = False, frames: bool = False
) -> list[Header]:
    """Read the headers of the images of a file without decoding pixels.

    Parameters
    ----------
    item : a file, as found by `find_items`
    most_nbytes : maximum decoded bytes of an image, or None
    srgb : whether `decode` converts colours to sRGB by their profile
    frames : whether each frame of an animation is an image

    Returns
    -------
    list of Header
        One header; for a TIFF one for each page that is not a reduced copy of another, and for an
        animation one for each frame if `frames`.

    Raises
    ------
    DamagedError
        For a file that is damaged, not an image, of an unsupported kind, or too large; the message
        names the file. A TIFF is refused with all its pages.
    ReadError
        If the disk or the network fails.
    """
    found = _headers(item, most_nbytes, frames)
    found = list(map(in_srgb, found)) if srgb else found
    return list(map(with_its_profile, found))


def _headers(item: Item, most_nbytes: int | None, frames: bool) -> list[Header]:
    if isinstance(item, Plane):
        return [check(stacks.header_of(item), most_nbytes, item.held)]
    with damage(item.name, *_errors()), item.open() as stream:
        head = stream.read(HEAD)
        found = format_of(head, item.name)
        held = isinstance(item, Zipped) or found in _READ_WHOLE
        if most_nbytes is not None and held and item.size > most_nbytes:
            raise DamagedError(
                f"{shown(item.name)} is a file of {show_bytes(item.size)}, over the limit of "
                f"{show_bytes(most_nbytes)} for one image: raise --memory-limit"
            )
        if found == "JPEG2000":
            return [raster.jp2_header_of(item, stream, most_nbytes)]
        if found == "TIFF":
            return list(_tiff_headers(item, stream, most_nbytes))
        if found == "PNG" and isinstance(item, Span) and not (item.file.local or item.far):
            with item.open(all_of_it=True) as whole:  # its chunks, including those after the pixels
                return _pictures(item, found, whole, most_nbytes, frames)
        if found == "PPM" and (deep := pnm.deep_pnm(stream)):
            return [pnm.header_of(item, deep, most_nbytes)]
        return _pictures(item, found, stream, most_nbytes, frames)


def _pictures(
    item: Item, found: str, stream: BinaryIO, most_nbytes: int | None, frames: bool
) -> list[Header]:
    """Return the header of an image or, with `frames`, those of the frames of an animation."""
    first = pillow.header_of(item, found, stream, 1, most_nbytes)
    if frames and FRAMES in first.lost:
        return frames_of(first, found, stream, most_nbytes)
    return [first]


def decode(
    header: Header, most_nbytes: int | None = None, animation: Animation | None = None
) -> Pixels:
    """Decode the pixels of an image, upright.

    Parameters
    ----------
    header : from `headers`
    most_nbytes : maximum decoded bytes of an image, or None
    animation : keeps the file of a frame open for the frames after it; without it, each frame of an
        animation decodes all frames before it again

    Returns
    -------
    Pixels
        With the shapes and the dtype of the header.

    Raises
    ------
    DamagedError
        For an image that is damaged or differs from its header; the message names the image.
    ReadError
        If the disk or the network fails.
    """
    item = header.item
    check(header, most_nbytes, item.held if isinstance(item, Plane) else 0)
    with damage(header.name, *_errors()):
        if isinstance(item, Plane):
            pixels = stacks.decode(item)
        elif header.frames:
            with nullcontext(animation) if animation else Animation() as opened:
                pixels = opened.frame(header)
        else:
            pixels = _decoded(header, item)
        declared = (header.height, header.width, header.channels)
        if pixels.colour.shape != declared or pixels.colour.dtype != np.dtype(header.dtype):
            raise ValueError(
                f"the header declares {declared}, but the pixels have shape {pixels.colour.shape}"
            )
        if header.alpha != (pixels.alpha is not None):
            raise ValueError("the header and the pixels disagree about alpha")
    return pixels


def decode_each(
    headers: Iterable[Header], most_nbytes: int | None, bad: list[tuple[str, str]]
) -> Iterator[tuple[int, Pixels]]:
    """Yield the place and the pixels of each image that can be decoded.

    Parameters
    ----------
    headers : from `headers`; frames of an animation in their order
    most_nbytes : maximum decoded bytes of an image, or None
    bad : receives the name of each damaged image and the reason
    """
    with Animation() as animation:
        for place, header in enumerate(headers):
            try:
                pixels = decode(header, most_nbytes, animation)
            except DamagedError as error:
                bad.append((header.name, error.reason))
                continue
            yield place, pixels


def _decoded(header: Header, item: Span | Zipped | Held) -> Pixels:
    with item.open(all_of_it=True) as stream:
        found = format_of(stream.read(HEAD), item.name)
        if found == "PPM" and (deep := pnm.deep_pnm(stream)):
            return pnm.decode(stream, deep)
        if header.raster:
            return raster.decode(header, found, stream)
        if header.page > 1:
            stream = from_page(stream, header.at)
        return pillow.decode(header, found, stream)


def _tiff_headers(item: Item, stream: BinaryIO, most_nbytes: int | None) -> Iterator[Header]:
    for page in pages(stream, item.name):
        found = None
        if not page.raster:
            from_here = from_page(stream, page.at)
            with suppress(SyntaxError):  # kinds that Pillow does not support
                found = pillow.header_of(item, "TIFF", from_here, page.number, most_nbytes)
                found = replace(found, at=page.at)
        found = found or raster.header_of(item, stream, page, most_nbytes)
        lost = (*found.lost, COPIES) if page.copies else found.lost
        metadata = found.metadata | page.metadata
        yield replace(found, icc=page.icc, metadata=metadata, lost=lost)


def _errors() -> tuple[type[Exception], ...]:
    return (need("PIL.Image", "images").DecompressionBombError,)
