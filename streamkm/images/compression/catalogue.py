"""The catalogue of the images to compress, from their headers alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from streamkm.decoding.decode import headers
from streamkm.decoding.header import Header
from streamkm.decoding.notices import Notice, notices_of, together
from streamkm.errors import DamagedError
from streamkm.files.items import Held, Item, Plane
from streamkm.files.names import shown
from streamkm.passes import Statistic

_FILES = 32  # files of a task
_NEEDED = ("orientation",)  # the metadata that decoding needs


@dataclass(frozen=True)
class Catalogue(Statistic):
    """Headers of images, and the files that could not be read.

    Metadata stay in the files until an image is encoded, because those of a photograph, with a
    thumbnail, take 60 KB.

    Parameters
    ----------
    headers : tuple of Header, with the metadata that decoding needs, and without profiles
    bad : tuple of (name, reason)
    profiles : tuple of (digest, bytes), each profile once
    notices : parts of the images that are not compressed
    """

    headers: tuple[Header, ...] = ()
    bad: tuple[tuple[str, str], ...] = ()
    profiles: tuple[tuple[str, bytes], ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def digest(self) -> str:
        """Digest of all headers; a resumed run compares it."""
        whole = hashlib.sha256()
        for header in self.headers:
            item = header.item
            assert not isinstance(item, Held)  # `find_items` does not return any
            stamp = item.stamp if isinstance(item, Plane) else f"{item.size} {item.file.stamp}"
            light = replace(header, item=None)  # type: ignore[arg-type]
            whole.update(f"{item.where}\0{stamp}\0{light}\n".encode())
        return whole.hexdigest()

    @property
    def source_nbytes(self) -> int:
        """Bytes of the files and members of the images; decoded bytes of planes of an array."""
        first = (header for header in self.headers if header.page == 1)
        return sum(getattr(header.item, "size", header.nbytes) for header in first)

    @classmethod
    def combine(cls, parts: Sequence[Catalogue]) -> Catalogue:
        return cls(
            tuple(header for part in parts for header in part.headers),
            tuple(bad for part in parts for bad in part.bad),
            tuple(sorted({name: profile for p in parts for name, profile in p.profiles}.items())),
            together(part.notices for part in parts),
        )


def file_groups(items: Sequence[Item]) -> list[tuple[Item, ...]]:
    """Divide files into tasks."""
    return [tuple(items[at : at + _FILES]) for at in range(0, len(items), _FILES)]


@dataclass(frozen=True)
class ReadHeaders:
    """Read the headers of the files of a task.

    Parameters
    ----------
    most_nbytes : decoded bytes that an image may have
    srgb : whether colours are converted to sRGB
    frames : whether each frame of an animation is an image
    """

    most_nbytes: int
    srgb: bool = False
    frames: bool = False

    def __call__(self, items: Sequence[Item]) -> Catalogue:
        found: list[Header] = []
        profiles: dict[str, bytes] = {}
        bad = []
        notices: tuple[Notice, ...] = ()
        for item in items:
            try:
                own = headers(item, self.most_nbytes, self.srgb, self.frames)
                notices = together([notices, notices_of(own)])
                for header in own:
                    if header.icc:
                        profiles[header.metadata["icc"]] = header.icc
                    found.append(_light(header))
            except DamagedError as error:
                bad.append((item.name, error.reason))
        return Catalogue(tuple(found), tuple(bad), tuple(sorted(profiles.items())), notices)


def _light(header: Header) -> Header:
    """The header, reduced to the fields that decoding needs."""
    needed = {name: header.metadata[name] for name in _NEEDED if name in header.metadata}
    return replace(header, metadata=needed, icc=None, lost=())


def unique(found: Catalogue) -> Catalogue:
    """Return the catalogue with each name once; further images of a name are bad."""
    names: set[str] = set()
    first, bad = [], list(found.bad)
    for header in found.headers:
        if header.name not in names:
            names.add(header.name)
            first.append(header)
            continue
        bad.append((header.name, f"two images have the name {shown(header.name)}: rename one."))
    return replace(found, headers=tuple(first), bad=tuple(bad))
