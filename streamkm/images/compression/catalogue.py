"""What there is to compress, known from headers alone: the first thing that is read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from streamkm.decoding.decode import headers
from streamkm.decoding.header import Header
from streamkm.decoding.notices import Notice, notices_of, together
from streamkm.errors import DamagedError, DataError
from streamkm.files.items import Held, Item, Plane
from streamkm.passes import Statistic

_TOGETHER = 32  # files that a task looks at
_NEEDED = ("orientation",)  # of metadata, to decode


@dataclass(frozen=True)
class Catalogue(Statistic):
    """Headers of images, and what could not be read.

    Metadata stay in the files until an image is encoded: those of photographs, with a small picture
    among them, are 60 KB each.

    Parameters
    ----------
    headers : tuple of Header, with no more metadata than decoding asks for, and without profiles
    bad : tuple of (name, reason)
    profiles : tuple of (digest, bytes), each profile once
    notices : what is not taken of the images
    """

    headers: tuple[Header, ...] = ()
    bad: tuple[tuple[str, str], ...] = ()
    profiles: tuple[tuple[str, bytes], ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def digest(self) -> str:
        """Of all that headers tell, by which the next run knows whether it has the same images."""
        whole = hashlib.sha256()
        for header in self.headers:
            item = header.item
            assert not isinstance(item, Held)  # none is found by a search
            stamp = item.stamp if isinstance(item, Plane) else f"{item.size} {item.file.stamp}"
            light = replace(header, item=None)  # type: ignore[arg-type]
            whole.update(f"{item.where}\0{stamp}\0{light}\n".encode())
        return whole.hexdigest()

    @property
    def source_nbytes(self) -> int:
        """Of the files and members that the images come from; of planes of an array, decoded."""
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


@dataclass(frozen=True)
class Files:
    """Some files, a task's share."""

    items: tuple[Item, ...]


def shares(items: Sequence[Item]) -> list[Files]:
    """The files of each task."""
    starts = range(0, len(items), _TOGETHER)
    return [Files(tuple(items[at : at + _TOGETHER])) for at in starts]


@dataclass(frozen=True)
class Look:
    """Read the headers of some files.

    Parameters
    ----------
    most_nbytes : decoded bytes that an image may have
    skip_bad : whether what is damaged is passed over
    """

    most_nbytes: int
    skip_bad: bool

    def __call__(self, files: Files) -> Catalogue:
        found: list[Header] = []
        profiles: dict[str, bytes] = {}
        bad = []
        notices: tuple[Notice, ...] = ()
        for item in files.items:
            try:
                of_item = headers(item, self.most_nbytes)
                notices = together([notices, notices_of(of_item)])
                for header in of_item:
                    if header.icc:
                        profiles[header.metadata["icc"]] = header.icc
                    found.append(_light(header))
            except DamagedError as error:
                if not self.skip_bad:
                    raise
                bad.append((item.name, str(error)))
        return Catalogue(tuple(found), tuple(bad), tuple(sorted(profiles.items())), notices)


def _light(header: Header) -> Header:
    """Without what decoding does not ask for."""
    kept = {name: header.metadata[name] for name in _NEEDED if name in header.metadata}
    return replace(header, metadata=kept, icc=None, lost=())


def unique(found: Catalogue, skip_bad: bool) -> Catalogue:
    """The same with each name once.

    Raises
    ------
    DataError
        For a name that two images have, where it is not to be skipped.
    """
    seen: set[str] = set()
    kept, bad = [], list(found.bad)
    for header in found.headers:
        if header.name not in seen:
            seen.add(header.name)
            kept.append(header)
            continue
        reason = f"two images have the name {header.name}"
        if not skip_bad:
            raise DataError(f"{reason}: rename one, or keep the first by --skip-bad.")
        bad.append((header.name, reason))
    return replace(found, headers=tuple(kept), bad=tuple(bad))
