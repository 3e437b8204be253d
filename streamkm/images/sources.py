"""Search for all images of all sources, by name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streamkm.decoding import stacks
from streamkm.errors import DamagedError, DamagedImagesError, DataError
from streamkm.files.folders import Leaf, inside
from streamkm.files.items import Item, Plane, Span, Zipped
from streamkm.files.names import IMAGES, JP2S, TARS, TIFFS, shown, wrong_with
from streamkm.files.packed import Left, tar_members_of, zip_members_of
from streamkm.files.unread import by_plug_in, unread

_IMAGES = (*IMAGES, *TIFFS, *JP2S)
_ZIP, _ZARR = (".zip",), (".ome.zarr", ".zarr")


@dataclass(frozen=True, slots=True)
class Found:
    """The images of the sources.

    Parameters
    ----------
    items : image files, in the order of the sources, sorted within a folder
    left_out : name and reason of other files
    bad : those of them that are damaged or hostile, or have the name of another image
    """

    items: list[Item]
    left_out: list[tuple[str, str]] = field(default_factory=list)
    bad: list[tuple[str, str]] = field(default_factory=list)

    def refuse(self, named: Sequence[str], more: Sequence[tuple[str, str]] = ()) -> None:
        """Raise an error for bad files and `more` of them, or if there are no images.

        Parameters
        ----------
        named : the sources
        more : name and reason of further bad files
        """
        if self.bad or more:
            raise DamagedImagesError([*self.bad, *more])
        self.refuse_none(named)

    def refuse_none(self, named: Sequence[str]) -> None:
        """Raise an error if there are no images in the sources."""
        if not self.items:
            left = "; ".join(f"{name} ({reason})" for name, reason in self.left_out[:3])
            why = f" Left out: {left}" if left else ""
            raise DataError(f"{' '.join(named)}: there are no images ({_KNOWN}).{why}")


def find_items(
    sources: Sequence[str | os.PathLike[str]],
    spool: Path | None = None,
    skip_bad: bool = False,
) -> Found:
    """Find all images of folders, patterns, files, tars, zips, TIFFs, Zarr arrays and URLs.

    Folders are searched recursively. Hidden files in folders are ignored; links and files of other
    kinds are left out and listed. A source that is given explicitly is used even if it is a link.

    Parameters
    ----------
    sources : paths, URLs, folders or patterns
    spool : folder to which compressed tars are unpacked as plain tars, in which images can be read
        in any order; an existing tar is used again. Without it, compressed tars are refused.
    skip_bad : whether to leave out and list what is an error otherwise: damaged archives (members
        before the damage are used), names that point elsewhere, and duplicate names

    Returns
    -------
    Found

    Raises
    ------
    DamagedImagesError
        For damaged and hostile files, and images with the name of another; it has all of them.
    DataError
        If there are no images.
    """
    named = [os.fspath(source) for source in sources]
    found = search_items(named, spool)
    if skip_bad:
        found.refuse_none(named)
    else:
        found.refuse(named)
    return found


def search_items(named: Sequence[str], spool: Path | None = None) -> Found:
    """Find all images of sources, as `find_items`, but also return bad files without an error."""
    search = _Search(spool)
    for source in named:
        before = len(search.found.items), len(search.found.left_out)
        search.source(source)
        if before == (len(search.found.items), len(search.found.left_out)):
            search.refuse(source, f"it contains no images of a supported format ({_KNOWN})")
    return search.found


_NO_IMAGE = "its name is not that of an image"
_KNOWN = ", ".join((*_IMAGES, *TARS, *_ZIP, ".zarr"))


class _Search:
    """The images that have been found so far."""

    def __init__(self, spool: Path | None) -> None:
        self.found = Found([])
        self._spool = spool
        self._by_name: dict[str, Item] = {}

    def source(self, source: str) -> None:
        """Add all images of a source."""
        for leaf in inside(source):
            if leaf.left:
                self.leave(leaf.name, leaf.left)
            else:
                self._leaf(leaf)

    def leave(self, name: str, reason: str) -> None:
        self.found.left_out.append((name, reason))

    def refuse(self, name: str, reason: str) -> None:
        """List a bad file."""
        self.leave(name, reason)
        self.found.bad.append((name, f"{shown(name)}: {reason}."))

    def _leaf(self, leaf: Leaf) -> None:
        lower = leaf.name.lower()
        stem = _without(leaf.name, (*TARS, *_ZIP, *_ZARR))
        file = leaf.file
        if file is None:
            self._all(leaf.where, stacks.planes(leaf.where, stem))
        elif lower.endswith(TARS):
            self._all(leaf.where, tar_members_of(file, stem, self._spool))
        elif lower.endswith(_ZIP):
            self._all(leaf.where, zip_members_of(file, stem))
        elif leaf.searched and not _is_image(lower):
            self.leave(leaf.name, unread(leaf.name) or _NO_IMAGE)
        else:
            self._add(Span(leaf.name, file, 0, file.size))

    def _all(self, where: str, images: Iterator[Span | Zipped | Plane | Left]) -> None:
        """Add the images of an archive, as far as it can be read."""
        try:
            for image in images:
                if isinstance(image, Left):
                    (self.refuse if image.bad else self.leave)(image.name, image.reason)
                elif isinstance(image, Plane):
                    self._add(image)
                else:
                    self._member(image)
        except DataError as error:
            reason = error.reason if isinstance(error, DamagedError) else str(error)
            self.leave(where, reason)
            self.found.bad.append((where, reason))

    def _member(self, item: Span | Zipped) -> None:
        lower = item.name.lower()
        if any(part.startswith(".") for part in item.name.split("/")):
            return
        if lower.endswith((*TARS, *_ZIP)):
            self.leave(item.name, "an archive in an archive is not opened")
        elif _is_image(lower):
            self._add(item)
        else:
            self.leave(item.name, unread(item.name) or _NO_IMAGE)

    def _add(self, item: Item) -> None:
        wrong = wrong_with(item.name)
        if wrong:
            return self.refuse(item.name, wrong)
        other = self._by_name.setdefault(item.name, item)
        if other is not item:
            both = f"{item.where} and {other.where} have the same name"
            return self.refuse(item.name, both)
        self.found.items.append(item)
        return None


def _is_image(name: str) -> bool:
    return name.endswith(_IMAGES) or by_plug_in(name)


def _without(name: str, ends: tuple[str, ...]) -> str:
    end = max((end for end in ends if name.lower().endswith(end)), key=len, default="")
    return name[: len(name) - len(end)] or name
