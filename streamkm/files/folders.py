"""Files of folders and patterns, and Zarr stores, by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from streamkm.errors import DataError, ReadError
from streamkm.files.find import ZARR, File, entries, file_system
from streamkm.files.near import did_you_mean

_SIGNS = "*?["


@dataclass(frozen=True, slots=True)
class Leaf:
    """A file or a Zarr store, or an entry that is left out.

    Parameters
    ----------
    name : name relative to the source
    where : path or URL
    file : the file, or None for a Zarr store
    searched : whether it was found by a search
    left : reason why it is left out, or empty
    """

    name: str
    where: str
    file: File | None
    searched: bool
    left: str = ""


def inside(source: str) -> Iterator[Leaf]:
    """Return all entries of a source, sorted.

    Raises
    ------
    DataError
        If nothing is there.
    """
    fs = file_system(source)[0]
    if File(fs, "", 0, "").local:
        yield from _local(fs, source)
    else:
        yield from _remote(fs, source)


def _local(fs: Any, source: str) -> Iterator[Leaf]:
    top = Path(fs._strip_protocol(source))
    if top.is_dir():
        if _is_zarr(top):
            yield Leaf(top.name, str(top), None, False)
            return
        yield from _below(fs, top, "")
    elif top.exists():
        yield Leaf(top.name, str(top), _file(fs, top), False)
    elif any(sign in str(top) for sign in _SIGNS):
        fixed = list(top.parts)
        at = next(i for i, part in enumerate(fixed) if any(s in part for s in _SIGNS))
        base = Path(*fixed[:at])
        for path in sorted(base.glob(str(Path(*fixed[at:])))):
            yield from _one(fs, base, path)
    else:
        raise DataError(f"{source}: there is no such file or folder.{did_you_mean(source)}")


def _below(fs: Any, folder: Path, prefix: str) -> Iterator[Leaf]:
    """Yield the entries of a folder recursively, sorted."""
    try:
        with os.scandir(folder) as found:
            inside = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise ReadError(f"{folder} cannot be listed: {error}") from error
    for entry in inside:
        name, path = prefix + entry.name, Path(entry.path)
        if entry.name.startswith("."):
            continue
        if entry.is_symlink():
            yield Leaf(name, entry.path, None, True, "a link, and links are not followed")
        elif entry.is_dir(follow_symlinks=False):
            if _is_zarr(path):
                yield Leaf(name, entry.path, None, True)
            else:
                yield from _below(fs, path, f"{name}/")
        elif entry.is_file(follow_symlinks=False):
            yield Leaf(name, entry.path, _file(fs, path), True)
        else:
            yield Leaf(name, entry.path, None, True, "neither a file nor a folder")


def _one(fs: Any, base: Path, path: Path) -> Iterator[Leaf]:
    """Return the entry of a match of a pattern."""
    parts = path.relative_to(base).parts
    name = "/".join(parts)
    if any(part.startswith(".") for part in parts):
        return
    ways = [base.joinpath(*parts[: i + 1]) for i in range(len(parts))]
    if any(way.is_symlink() for way in ways):
        yield Leaf(name, str(path), None, True, "a link, and links are not followed")
    elif path.is_dir():
        if _is_zarr(path):
            yield Leaf(name, str(path), None, True)
    elif path.is_file() and not any(_is_zarr(way) for way in ways[:-1]):
        yield Leaf(name, str(path), _file(fs, path), True)


def _file(fs: Any, path: Path) -> File:
    found = path.stat()
    return File(fs, str(path), found.st_size, str(found.st_mtime))


def _is_zarr(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ZARR)


def _remote(fs: Any, source: str) -> Iterator[Leaf]:
    if source.rstrip("/").lower().endswith(".zarr"):
        yield Leaf(PurePosixPath(source.rstrip("/")).name, source, None, False)
        return
    _, found, searched = entries(source)
    names = list(found)
    path = fs._strip_protocol(source)
    if not searched:
        base = str(PurePosixPath(path).parent)
    elif any(sign in path for sign in _SIGNS):
        parts = path.split("/")
        base = "/".join(parts[: next(i for i, p in enumerate(parts) if set(p) & set(_SIGNS))])
    else:
        base = path.rstrip("/")
    stores = {n.rpartition("/")[0] for n in names if n.rpartition("/")[2] in ZARR}
    stores = {s for s in stores if not any(str(p) in stores for p in PurePosixPath(s).parents)}
    for store in sorted(stores):
        yield Leaf(_below_base(store, base), fs.unstrip_protocol(store), None, searched)
    for name, info in sorted(found.items()):
        within = any(name.startswith(f"{store}/") for store in stores)
        if info["type"] != "file" or within:
            continue
        relative = PurePosixPath(name).name if not searched else _below_base(name, base)
        if searched and any(part.startswith(".") for part in relative.split("/")):
            continue
        yield Leaf(relative, name, File.from_info(fs, name, info), searched)


def _below_base(name: str, base: str) -> str:
    return name.removeprefix(base).lstrip("/") or PurePosixPath(name).name
