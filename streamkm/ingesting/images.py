"""Images of one size in files or tars, decoded as for archives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import islice
from tarfile import TarError
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.decoding.decode import decode, headers
from streamkm.decoding.header import Header, Pixels
from streamkm.decoding.notices import Notice, notices_of, together
from streamkm.decoding.samples import scaled
from streamkm.errors import DamagedError, DataError
from streamkm.files.damage import damage
from streamkm.files.find import File
from streamkm.files.items import Held, Item, Span
from streamkm.files.names import IMAGES, TARS, TIFFS, shown
from streamkm.files.packed import tar_members
from streamkm.files.unread import unread
from streamkm.ingesting.registry import Request, register
from streamkm.ingesting.source import Form, Piece, Stream
from streamkm.rows.machine import memory_here

_ENDS = (*IMAGES, *TIFFS)
_PROFILES = "colour profiles are not stored"
_SHARE = 4  # fraction of the machine's memory for one image
_THREADS, _TOGETHER = 16, 256  # threads that read headers, and queued files
_MARK = 257  # byte of a tar at which "ustar" begins
Load = Callable[[], Item]


@register(
    "images",
    suffixes=IMAGES,
    named_suffixes=TIFFS,
    summary="(image, y, x, channel), uint8 or uint16, upright; read by the decoder of "
    "[archives](images.md#what-is-read)",
    options=("skip_bad",),
)
def _images(request: Request) -> Images:
    return Images(request, packed=False)


@register(
    "tar",
    suffixes=TARS,
    summary="as images, in the order of the tar; nothing is unpacked to disk",
    options=("skip_bad",),
)
def _tars(request: Request) -> Images:
    return Images(request, packed=True)


class Images(Stream):
    """Images in the order of the files, upright according to their EXIF orientation.

    All headers are read first: the store has three colours if any image has colours, alpha if any
    has alpha, and 16 bits if any has 16 bits.

    Parameters
    ----------
    request : Request
        The files are images, or tars of images.
    packed : bool
        Whether they are tars.
    """

    def __init__(self, request: Request, packed: bool) -> None:
        super().__init__()
        files, skip_bad = request.files, request.options.skip_bad
        self._files, self._packed, self._skip_bad = files, packed, skip_bad
        self._most = memory_here() // _SHARE or None
        self._left: tuple[Notice, ...] = ()  # members of tars that are not images
        self._pages: dict[int, int] = {}  # numbers of images of files that do not have exactly one
        survey = _Survey(files[0].path)
        for number, found in enumerate(self._surveyed()):
            for header in found:
                survey.add(header)
            if len(found) > 1:
                self._pages[number] = len(found)
        self._alpha, shape, dtype = survey.alpha, survey.shape, np.dtype(survey.dtype)
        self.skipped = list(request.skipped)
        notices = [list(notice) for notice in together([self._left, survey.notices])]
        self.form = Form(
            "pixels",
            ("image", "y", "x", "channel"),
            None if packed or skip_bad else survey.count,
            shape,
            dtype,
            features=(3,),
            grain=(1, *shape),
            attributes={"coordinates": "file"} | ({"notices": notices} if notices else {}),
        )

    def pieces(self, start: int) -> Iterator[Piece]:
        left = start + len(self.skipped)
        for number, load in enumerate(self._items(whole=True)):
            count = self._pages.get(number, 1)
            if left >= count:
                left -= count
                continue
            for header in self._headers(load(), self.skipped)[left:]:
                values = self._values(header)
                if values is not None:
                    yield Piece(values[None], (header.name,))
            left = 0

    def _surveyed(self) -> Iterator[list[Header]]:
        """Yield the images of each file, in order; files are opened on several threads."""
        loads = self._items(whole=False)
        if self._packed:
            yield from (self._headers(load()) for load in loads)
            return
        with ThreadPoolExecutor(_THREADS) as pool:
            while some := list(islice(loads, _TOGETHER)):
                yield from pool.map(lambda load: self._headers(load()), some)

    def _headers(self, item: Item, skipped: list[str] | None = None) -> list[Header]:
        """Return the images of a file; none for a damaged file that is left out."""
        try:
            return headers(item, self._most)
        except DamagedError:
            if not self._skip_bad:
                raise
            if skipped is not None:
                skipped.append(item.name)
            return []

    def _values(self, header: Header) -> AnyArray | None:
        """Return the values of an image, or None for one that is left out."""
        try:
            pixels = decode(header, self._most)
        except DamagedError:
            if not self._skip_bad:
                raise
            self.skipped.append(header.name)
            return None
        values = _in_form(pixels, self.form, self._alpha)
        if values.shape != self.form.row_shape:
            raise DataError(
                f"{shown(header.name)} has shape {values.shape}, but its header had another: the "
                "file was changed during the run. Run the same command again."
            )
        return values

    def _items(self, whole: bool) -> Iterator[Load]:
        """Yield the files of the images, one at a time.

        Parameters
        ----------
        whole : whether each file is read completely, not only its header
        """
        if not self._packed:
            for file in self._files:
                yield partial(_item, file, whole)
            return
        for file in self._files:
            with damage(file.path, TarError), file.open() as stream:
                yield from self._members(file, stream, whole)

    def _members(self, file: File, stream: Any, whole: bool) -> Iterator[Load]:
        """Yield the images in a tar, in its order, without writing to disk."""
        plain = file.local and stream.read(_MARK + 5)[_MARK:] == b"ustar"
        if file.local:
            stream.seek(0)
        seek = plain and not whole  # headers can be read without reading the pixels
        with closing(tar_members(stream, "r:" if seek else "r|*")) as members:
            for tar, member in members:
                base = member.name.rpartition("/")[2]
                if member.isfile() and base.lower().endswith(_ENDS) and base[0] != ".":
                    name = f"{file.name}/{member.name}"
                    if seek and member.sparse is None:
                        yield partial(Span, name, file, member.offset_data, member.size)
                    else:
                        content = tar.extractfile(member)
                        assert content is not None
                        yield partial(_held, name, content)
                elif member.isfile() and not whole and (why := unread(member.name)):
                    left = [(f"left out: {why}", 1, f"{file.name}/{member.name}")]
                    self._left = together([self._left, left])


class _Survey:
    """Form of the store, from the headers of all images.

    Parameters
    ----------
    where : names of the sources, for the error if there are no images
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._first: Header | None = None
        self._channels = 0
        self._lost: tuple[Notice, ...] = ()
        self.count, self.alpha, self.dtype = 0, False, "uint8"

    def add(self, header: Header) -> None:
        """Add an image.

        Raises
        ------
        DataError
            For an image that does not match the previous ones.
        """
        first = self._first = self._first or header
        size, size_of_first = (header.height, header.width), (first.height, first.width)
        if size != size_of_first:
            raise DataError(
                f"{shown(header.name)} has the size {size}, but the first image, "
                f"{shown(first.name)}, has {size_of_first}: all images of a store have one size."
            )
        channels = header.channels
        if channels != first.channels and not {channels, first.channels} <= {1, 3}:
            raise DataError(
                f"{shown(header.name)} has {channels} channels, but the first image, "
                f"{shown(first.name)}, has {first.channels}: only grey and colour "
                "images can be combined."
            )
        self._channels = max(self._channels, channels)
        self.alpha |= header.alpha
        self.dtype = max(self.dtype, header.dtype, key=lambda name: np.dtype(name).itemsize)
        self.count += 1
        profile = [(_PROFILES, 1, header.name)] if header.icc else []
        self._lost = together([self._lost, notices_of([header]), profile])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the values of an image. Grey with alpha is stored as colours with alpha."""
        if self._first is None:
            raise DataError(f"{self._where} contains no image that can be read.")
        grey = self._channels == 1 and self.alpha
        channels = (3 if grey else self._channels) + self.alpha
        return self._first.height, self._first.width, channels

    @property
    def notices(self) -> tuple[Notice, ...]:
        """Return the notices of parts that are left out."""
        return self._lost


def _in_form(pixels: Pixels, form: Form, with_alpha: bool) -> AnyArray:
    """Convert an image to the form of the store: colours, 16 bits, and opaque alpha as needed."""
    channels = form.row_shape[-1] - with_alpha
    colour = pixels.colour
    if colour.shape[-1] == 1 < channels:
        colour = np.repeat(colour, channels, axis=-1)
    if with_alpha:
        most = np.iinfo(colour.dtype).max
        alpha = np.full(colour.shape[:2], most) if pixels.alpha is None else pixels.alpha
        colour = np.concatenate([colour, alpha[..., None].astype(colour.dtype)], axis=-1)
    if colour.dtype != form.dtype:
        colour = scaled(colour, int(np.iinfo(colour.dtype).max), form.dtype.name)
    return colour


def _item(file: File, whole: bool) -> Item:
    """Return a file, or its bytes if it is on a server and will be read completely."""
    if whole and not file.local:
        return Held(file.path, file.fs.cat_file(file.path))
    return Span(file.path, file, 0, file.size)


def _held(name: str, content: Any) -> Held:
    return Held(name, content.read())
