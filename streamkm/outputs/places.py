"""Places of paths, URLs and opened arrays, independent of their spelling."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from streamkm.rows import is_a

_LOCAL = ("", "file", "local")
_ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "abfss": "abfs", "az": "abfs"}
_MAGIC = frozenset("*?[")
_MEMORY = "store "  # followed by the id of a store that has no address


@dataclass(frozen=True)
class Place:
    """A location in a file system or an object store.

    Parameters
    ----------
    protocol : protocol of the file system; empty for local files
    parts : parts of the absolute path, with links resolved; a bucket or host is the first part
    pattern : whether the parts are patterns such as ``*.png``
    """

    protocol: str
    parts: tuple[str, ...]
    pattern: bool = False

    def __str__(self) -> str:
        """Return the absolute path, or the URL."""
        if not self.protocol:
            return os.path.join(*self.parts)
        if self.in_memory:
            return "/".join(("a Zarr store in memory", *self.parts))
        return f"{self.protocol}://{'/'.join(self.parts)}"

    @property
    def in_memory(self) -> bool:
        """Whether it is a store without an address."""
        return self.protocol.startswith(_MEMORY)

    @property
    def local(self) -> Path | None:
        """Local path, or None for remote places and patterns."""
        return None if self.protocol or self.pattern else Path(*self.parts)


def place_of(what: Any, pattern: bool = False) -> Place | None:
    """Return the place of data, a store or an output; None for arrays in memory.

    Parameters
    ----------
    what : path, URL, chained URL, Zarr array, group or store, or xarray object opened from a file
    pattern : whether ``*``, ``?`` and ``[`` in names that do not exist are patterns

    Examples
    --------
    >>> place_of("s3a://bucket//a/./b.zarr/") == place_of("s3://bucket/a/b.zarr")
    True
    >>> place_of("file:///tmp/a.zarr") == place_of("/tmp/x/../a.zarr")
    True
    """
    if is_a(what, "zarr.Array", "zarr.Group"):
        return _below(_of_store(what.store), what.path)
    if is_a(what, "xarray.DataArray", "xarray.Dataset"):
        return place_of(what.encoding.get("source"))
    if isinstance(what, os.PathLike):
        return _of_path(os.fspath(what), pattern)
    if isinstance(what, str):
        return _of_text(what, pattern)
    return None if what is None else _of_store(what)


def relation(one: Place, other: Place) -> str | None:
    """Return the relation of a place to another: ``same``, ``inside``, ``around`` or None.

    Local places are also compared by device and inode, which detects equal places on a second mount
    or on a file system that ignores case.
    """
    if one.protocol != other.protocol:
        return None
    pattern = one.pattern or other.pattern
    for a, b in zip(one.parts, other.parts, strict=False):
        if pattern and "**" in (a, b):
            return "same"
        if a != b and not (pattern and (fnmatchcase(a, b) or fnmatchcase(b, a))):
            break
    else:
        deeper = len(one.parts) - len(other.parts)
        return "same" if not deeper else "inside" if deeper > 0 else "around"
    first, second = one.local, other.local
    if first is None or second is None:
        return None
    here, there = _identity(first), _identity(second)
    if here is not None and here == there:
        return "same"
    if there is not None and there in _identities(first):
        return "inside"
    return "around" if here is not None and here in _identities(second) else None


def _of_text(text: str, pattern: bool) -> Place | None:
    if "::" in text and not os.path.exists(text):  # the last URL of a chain has the bytes
        text = text.rsplit("::", 1)[-1]
    if "://" not in text:
        return _of_path(text, pattern)
    protocol, _, rest = text.partition("://")
    protocol = _ALIASES.get(protocol.lower(), protocol.lower())
    if protocol in _LOCAL:
        rest = rest.removeprefix("localhost") if rest.startswith("localhost/") else rest
        return _of_path(os.path.expanduser(rest) if rest.startswith("~") else rest, pattern)
    parts = tuple(part for part in rest.split("/") if part not in ("", "."))
    return Place(protocol, parts, pattern and bool(_MAGIC & set(rest)))


def _of_path(path: str | bytes, pattern: bool) -> Place:
    name = os.fsdecode(path)
    magic = pattern and bool(_MAGIC & set(name)) and not os.path.exists(name)
    return Place("", Path(name).resolve().parts, magic)


def _of_store(store: Any) -> Place | None:
    if is_a(store, "zarr.storage.LocalStore"):
        return _of_path(os.fspath(store.root), False)
    if is_a(store, "zarr.storage.ZipStore"):
        return _of_path(os.fspath(store.path), False)
    if is_a(store, "zarr.storage.FsspecStore"):
        known = store.fs.protocol
        protocol = known if isinstance(known, str) else known[0]
        path = store.path if "://" in store.path else f"{protocol}://{store.path}"
        return _of_text(path, False)
    if is_a(store, "zarr.storage.ObjectStore"):
        prefix = getattr(store.store, "prefix", None)
        if type(store.store).__name__ == "LocalStore" and prefix is not None:
            return _of_path(os.fspath(prefix), False)
    if is_a(store, "zarr.abc.store.Store"):
        return Place(f"{_MEMORY}{id(store)}", ())
    return None


def _below(place: Place | None, path: str) -> Place | None:
    if place is None or not path:
        return place
    return Place(place.protocol, (*place.parts, *path.split("/")))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        there = path.stat()
    except OSError:
        return None
    return there.st_dev, there.st_ino


def _identities(path: Path) -> set[tuple[int, int]]:
    """Return the identities of a path and of all its parent folders."""
    found = (_identity(each) for each in (path, *path.parents))
    return {each for each in found if each is not None}
