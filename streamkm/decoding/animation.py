"""Frames of animations: their headers, and the file whose frames are decoded one by one."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np

from streamkm.decoding import pillow, raster
from streamkm.decoding.apng import Apng
from streamkm.decoding.formats import HEAD, format_of, open_with_pillow
from streamkm.decoding.gif import Gif
from streamkm.decoding.header import FRAMES, TIMES, Header, Pixels, check, page_name
from streamkm.decoding.parts import Canvas, Parts, all_opaque
from streamkm.errors import DamagedError
from streamkm.files.items import Held, Item, Plane
from streamkm.files.names import shown

_MOST = 100_000  # frames of a file; each needs a header in memory


def frames_of(first: Header, found: str, stream: BinaryIO, most_nbytes: int | None) -> list[Header]:
    """Return the headers of all frames of an animation, each of the size of the whole picture.

    Parameters
    ----------
    first : header of the first frame
    found : format of the file by Pillow's name
    stream : bytes of the file
    most_nbytes : maximum decoded bytes of an image

    Raises
    ------
    DamagedError
        If there are very many frames, or pictures are too large.
    """
    parts = _parts(found, stream)
    n = len(parts.parts) if parts else open_with_pillow(found, stream).n_frames
    if n > min(_MOST, stream.seek(0, io.SEEK_END)):
        raise DamagedError(
            f"{shown(first.name)} declares {n:,} frames; at most {_MOST:,} are read, and not more "
            "than the file has bytes: divide or repair it"
        )
    lost = tuple(text for text in first.lost if text != FRAMES)
    first = replace(first, frames=n, metadata=first.metadata | {"frames": n})
    if parts:
        height, width, _ = _stored(first)
        first = replace(first, alpha=first.alpha or not all_opaque(parts.parts, height, width))
    if isinstance(parts, Gif) and parts.own_tables:
        first = replace(first, channels=3)
    found_headers = [check(replace(first, lost=(TIMES, *lost)), most_nbytes)]
    # EXIF describes the whole file and is stored once.
    metadata = {name: value for name, value in first.metadata.items() if name != "exif"}
    for page in range(2, n + 1):
        name, about = page_name(first.item, page), metadata | {"frame": page}
        found_headers.append(replace(first, page=page, name=name, metadata=about, lost=lost))
    return found_headers


class Animation:
    """The file whose frame was decoded last, which stays open for the frame after it.

    It is a context manager, because files have to be closed.
    """

    def __init__(self) -> None:
        self._item: Item | None = None
        self._found = ""
        self._image: Any = None  # of Pillow, or `_Composed`
        self._open = ExitStack()

    def __enter__(self) -> Animation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._open.close()
        self._item = self._image = None

    def frame(self, header: Header) -> Pixels:
        """Decode a frame, upright."""
        try:
            if self._image is None or self._item != header.item:
                self._reopen(header)
            if isinstance(self._image, _Composed):
                return self._image.frame(header)
            self._image.seek(header.page - 1)
            self._image.load()
            return pillow.pixels_of(header, self._image)
        except BaseException:
            self.close()  # its state is unknown
            raise

    def _reopen(self, header: Header) -> None:
        self.close()
        item = header.item
        assert not isinstance(item, Plane)
        stream = self._open.enter_context(item.open(all_of_it=True))
        found = format_of(stream.read(HEAD), item.name)
        parts = _parts(found, stream)
        self._item = item
        self._image = _Composed(parts, found) if parts else open_with_pillow(found, stream)


class _Composed:
    """The picture of an animation whose frames are parts of it.

    Parameters
    ----------
    parts : the file
    found : its format by Pillow's name
    """

    def __init__(self, parts: Parts, found: str) -> None:
        self._parts, self._found = parts, found
        self._canvas: Canvas | None = None
        self._next = 0

    def frame(self, header: Header) -> Pixels:
        if self._canvas is None or header.page <= self._next:
            self._canvas, self._next = Canvas(*_stored(header), header.dtype), 0
        while self._next < header.page:
            self._draw(header, self._canvas)
            self._next += 1
        turned = int(header.metadata.get("orientation", 1))
        colour = np.array(raster.upright(self._canvas.colour, turned), order="C")
        if not header.alpha:
            return Pixels(colour, None)
        return Pixels(colour, np.array(raster.upright(self._canvas.alpha, turned), order="C"))

    def _draw(self, header: Header, canvas: Canvas) -> None:
        part = self._parts.parts[self._next]
        height, width, _ = canvas.colour.shape
        canvas.dispose()
        if part.width > width or part.height > height:
            raise ValueError(f"frame {self._next + 1} is larger than the image")
        if not part.width or not part.height or part.x >= width or part.y >= height:
            return
        item = Held(header.name, self._parts.alone(self._next))
        alone = replace(header, item=item, metadata={}, page=1, height=part.height)
        alone = replace(alone, width=part.width)
        if alone.raster:
            alone = replace(alone, alpha=not part.opaque)
            pixels = raster.decode(alone, self._found, item.open())
        else:
            pixels = pillow.decode(alone, self._found, item.open())
        if pixels.colour.shape[:2] != (part.height, part.width):
            raise ValueError(f"frame {self._next + 1} has another size than declared")
        canvas.draw(part, pixels)


def _parts(found: str, stream: BinaryIO) -> Gif | Apng | None:
    """Return the frames of a file whose frames are parts of a picture; None for others."""
    kinds: dict[str, Callable[[BinaryIO], Gif | Apng]] = {"GIF": Gif, "PNG": Apng}
    return kinds[found](stream) if found in kinds else None


def _stored(header: Header) -> tuple[int, int, int]:
    """Return height, width and channels as stored, before the image is turned upright."""
    size = header.height, header.width
    height, width = size[::-1] if int(header.metadata.get("orientation", 1)) > 4 else size
    return height, width, header.channels
