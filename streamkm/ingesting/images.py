"""Images of one size, decoded as for archives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.decoding.animation import Animation
from streamkm.decoding.decode import decode, headers
from streamkm.decoding.header import Header
from streamkm.decoding.notices import Notice, together
from streamkm.errors import DamagedError, DamagedImagesError, DataError
from streamkm.files.find import File
from streamkm.files.items import Held, Item, Span
from streamkm.files.names import IMAGES, JP2S, TIFFS, shown
from streamkm.ingesting.registry import SourceRequest, register
from streamkm.ingesting.source import TEXT, Form, Piece, Stream
from streamkm.ingesting.survey import Survey, in_form
from streamkm.rows.machine import memory_here

_SHARE = 4  # fraction of the machine's memory for one image
_THREADS, _TOGETHER = 16, 256  # threads that read headers, and queued files
Load = Callable[[], Item]


@register(
    "images",
    suffixes=IMAGES,
    named_suffixes=(*TIFFS, *JP2S),
    summary="(image, y, x, channel), uint8 or uint16, upright; read by the decoder of "
    "[archives](images.md#what-is-read)",
    options=("skip_bad", "srgb", "frames"),
)
class Images(Stream):
    """Images in the order of the files, upright according to their EXIF orientation.

    All headers are read first: the store has three colours if any image has colours, alpha if any
    has alpha, and 16 bits if any has 16 bits.

    Parameters
    ----------
    request : SourceRequest
        All images have one size.
    """

    _grows = False  # whether the store grows while it is written

    def __init__(self, request: SourceRequest) -> None:
        super().__init__()
        self._files, self._skip_bad = request.files, request.options.skip_bad
        self._srgb, self._frames = request.options.srgb, request.options.frames
        self._most = memory_here() // _SHARE or None
        self._left: tuple[Notice, ...] = ()  # files that are left out
        self._bad: list[tuple[str, str]] = []  # damaged images that are not left out, and why
        self._pages: dict[int, int] = {}  # numbers of images of files that do not have exactly one
        survey = Survey(self._files[0].path)
        for number, found in enumerate(self._surveyed()):
            for header in found:
                survey.add(header)
            if len(found) > 1:
                self._pages[number] = len(found)
        self._refuse_bad()
        self._alpha, shape, dtype = survey.alpha, survey.shape, np.dtype(survey.dtype)
        self.skipped = list(request.skipped)
        notices = [list(notice) for notice in together([self._left, survey.notices])]
        self.form = Form(
            "pixels",
            ("image", "y", "x", "channel"),
            None if self._grows or self._skip_bad else survey.count,
            shape,
            dtype,
            features=(3,),
            grain=(1, *shape),
            attributes={"coordinates": "file"} | ({"notices": notices} if notices else {}),
            ids=("file", TEXT),
        )

    def pieces(self, start: int) -> Iterator[Piece]:
        left = start + len(self.skipped)
        for number, load in enumerate(self._items(whole=True)):
            count = self._pages.get(number, 1)
            if left >= count:
                left -= count
                continue
            with Animation() as animation:
                for header in self._headers(load(), self.skipped)[left:]:
                    values = self._values(header, animation)
                    if values is not None:
                        yield Piece(values[None], np.array([header.name], TEXT))
            left = 0
        self._refuse_bad()

    def _refuse_bad(self) -> None:
        """Raise an error that lists all damaged images, unless they are left out."""
        if self._bad:
            raise DamagedImagesError(self._bad)

    def _surveyed(self) -> Iterator[list[Header]]:
        """Yield the headers of each file, in order; files are opened on several threads."""
        loads = self._items(whole=False)
        with ThreadPoolExecutor(_THREADS) as pool:
            while some := list(islice(loads, _TOGETHER)):
                yield from pool.map(lambda load: self._headers(load()), some)

    def _headers(self, item: Item, skipped: list[str] | None = None) -> list[Header]:
        """Return the images of a file; none for a damaged file."""
        try:
            return headers(item, self._most, self._srgb, self._frames)
        except DamagedError as error:
            if not self._skip_bad:
                self._bad.append((item.name, error.reason))
            elif skipped is not None:
                skipped.append(item.name)
            return []

    def _values(self, header: Header, animation: Animation) -> AnyArray | None:
        """Return the values of an image, or None for a damaged one."""
        try:
            pixels = decode(header, self._most, animation)
        except DamagedError as error:
            if self._skip_bad:
                self.skipped.append(header.name)
            else:
                self._bad.append((header.name, error.reason))
            return None
        values = in_form(pixels, self.form, self._alpha)
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
        for file in self._files:
            yield partial(_item, file, whole)


def _item(file: File, whole: bool) -> Item:
    """Return a file, or its bytes if it is on a server and will be read completely."""
    if whole and not file.local:
        return Held(file.path, file.fs.cat_file(file.path))
    return Span(file.path, file, 0, file.size)
