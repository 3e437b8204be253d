"""Images of one size in tars, which are read in order and not unpacked to disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from tarfile import TarError
from typing import Any

from streamkm.decoding.header import Header
from streamkm.decoding.notices import together
from streamkm.files.damage import damage
from streamkm.files.find import File
from streamkm.files.items import Held, Span
from streamkm.files.names import IMAGES, JP2S, TARS, TIFFS
from streamkm.files.packed import tar_members
from streamkm.files.unread import by_plug_in, unread
from streamkm.ingesting.images import Images, Load
from streamkm.ingesting.registry import register

_ENDS = (*IMAGES, *TIFFS, *JP2S)
_MARK = 257  # byte of a tar at which "ustar" begins


@register(
    "tar",
    suffixes=TARS,
    summary="as images, in the order of the tar; nothing is unpacked to disk",
    options=("skip_bad", "srgb", "frames"),
)
class Tars(Images):
    """Images in the order of the tars, as for `Images`."""

    _grows = True

    def _surveyed(self) -> Iterator[list[Header]]:
        return (self._headers(load()) for load in self._items(whole=False))

    def _items(self, whole: bool) -> Iterator[Load]:
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
                is_image = base.lower().endswith(_ENDS) or by_plug_in(base)
                if member.isfile() and is_image and base[0] != ".":
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


def _held(name: str, content: Any) -> Held:
    return Held(name, content.read())
