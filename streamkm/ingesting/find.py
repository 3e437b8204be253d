"""Search for the files of all sources of `ingest`, and their kind."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streamkm.errors import DataError, LeftOutWarning
from streamkm.files.find import File, entries, other_kind
from streamkm.files.unread import by_plug_in, unread
from streamkm.ingesting.registry import KINDS, kind_of
from streamkm.warn import warn

_IMAGES = {"images", "geotiff"}


@dataclass(frozen=True)
class SourceFiles:
    """The files of one argument."""

    source: str
    files: tuple[File, ...]

    def facts(self) -> dict[str, Any]:
        """Return a short description of the files, which a resumed run compares."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(f"{file.path}\0{file.size}\0{file.stamp}\n".encode())
        size = sum(file.size for file in self.files)
        return {
            "source": self.source,
            "files": len(self.files),
            "bytes": size,
            "names, sizes and times": digest.hexdigest(),
        }


def find(sources: Sequence[str], kind: str | None) -> tuple[str, list[SourceFiles]]:
    """Return the kind of all files, and the files of each argument in the order of their names.

    Parameters
    ----------
    sources : sequence of str
        Paths, URLs, folders or patterns.
    kind : str, optional
        A registered kind. By default the kind is found from the names.

    Raises
    ------
    DataError
        If there are no files, or they have several kinds or an unknown one.
    """
    found = [SourceFiles(source, _files(source, kind)) for source in sources]
    kinds = sorted({k for each in found for f in each.files if (k := kind or kind_of(f.path))})
    if len(kinds) > 1:
        raise DataError(
            f"the files have several kinds ({', '.join(kinds)}), and a store is made from one: "
            "select files by name, or pass --kind."
        )
    return kinds[0], found


def _files(source: str, kind: str | None) -> tuple[File, ...]:
    fs, found, searched = entries(source)
    paths = sorted(path for path, info in found.items() if info["type"] == "file")
    suffixes = _suffixes(kind)
    wanted = [path for path in paths if not searched or _is_wanted(path, suffixes, kind)]
    files = tuple(File.from_info(fs, path, found[path]) for path in wanted)
    # A single file with a given kind may have a name of another kind.
    looked = kind is None or (kind == "images" and searched)
    images = [path for path in paths if looked and unread(path)]
    if not files or (not searched and images):
        why = f": {unread(images[0])}." if images else f" ({', '.join(suffixes)})."
        raise DataError(f"{source} contains no files that ingest reads{why}")
    if images and {kind_of(file.path) for file in files} <= _IMAGES:
        more = f" and {len(images) - 1:,} more" if len(images) > 1 else ""
        warn(f"left out {images[0]}{more}: {unread(images[0])}", LeftOutWarning)
    if not searched and kind is None and kind_of(source.split("::")[0]) is None:
        advice = other_kind(source) or f"has no known suffix ({', '.join(suffixes)}); pass --kind."
        raise DataError(f"{source} {advice}")
    return files


def _suffixes(kind: str | None) -> tuple[str, ...]:
    """Return the suffixes of files that a search includes."""
    if kind is None:
        return tuple(suffix for each in KINDS.values() for suffix in each.suffixes)
    return KINDS[kind].suffixes + KINDS[kind].named_suffixes


def _is_wanted(path: str, suffixes: tuple[str, ...], kind: str | None) -> bool:
    """Return whether a file that a search found belongs to the sources."""
    if path.rpartition("/")[2].startswith("."):
        return False
    return path.lower().endswith(suffixes) or (kind in (None, "images") and by_plug_in(path))
