"""Check that a file system can hold the files of an archive before any is written."""

from __future__ import annotations

import os
import re
import stat
import tempfile
import unicodedata
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from streamkm.errors import DataError
from streamkm.files.names import shown

_PARTIAL = len(f".{32 * '0'}.partial")  # additional bytes of the name of an incomplete file
_SPECIAL = re.compile(r'[\x01-\x1f<>:"|?*]')  # not allowed by FAT, NTFS and SMB
_FIX = {
    "python": "Name only the other images, or read this one by Archive(path)[name].",
    "command": "Name only the other images.",
}


def check_places(folder: Path, files: Mapping[str, Path]) -> None:
    """Raise an error if files cannot all be written in a folder.

    Parameters
    ----------
    folder : folder of the files, which need not exist
    files : path of the file of each image

    Raises
    ------
    DataError
        For a name that is too long for the file system or contains characters that it does not
        allow, for two names that are the same to it, and for files in the place of folders or the
        reverse. The message names the image.
    """
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise DataError(f"{there} is a file, not a folder; name another folder.")
    _check_lengths(there, files)
    _check_kinds(folder, files)
    _check_characters(there, folder, files)
    _check_distinct(there, files)


def _check_lengths(there: Path, files: Mapping[str, Path]) -> None:
    most_name, most_path = (os.pathconf(there, f"PC_{what}_MAX") for what in ("NAME", "PATH"))
    for name, file in files.items():
        for part in file.parts:
            nbytes = len(os.fsencode(part))
            if nbytes > most_name:
                raise DataError(
                    f"the file name {shown(part)} of the image {shown(name)} has {nbytes} bytes; "
                    f"the file system of {there} allows {most_name}.",
                    **_FIX,
                )
        whole = file.absolute()
        nbytes = len(os.fsencode(whole.parent)) + 1 + max(_PARTIAL, len(os.fsencode(whole.name)))
        if nbytes >= most_path:  # including the terminating byte
            raise DataError(
                f"the path of the image {shown(name)} below {there} has {nbytes} bytes; the file "
                f"system allows {most_path - 1}. Name a folder with a shorter path.",
                **_FIX,
            )


def _check_kinds(folder: Path, files: Mapping[str, Path]) -> None:
    """Raise an error for files in the place of folders, and folders in the place of files."""
    innermost = dict.fromkeys(file.parent for file in files.values())
    inner = dict.fromkeys(
        path
        for parent in innermost
        for path in (parent, *parent.parents)
        if path.is_relative_to(folder)
    )
    for path, is_folder in (*((p, True) for p in inner), *((f, False) for f in files.values())):
        # The path does not exist, or a parent is a file, which is reported for the parent.
        with suppress(FileNotFoundError, NotADirectoryError):
            if stat.S_ISDIR(path.stat().st_mode) != is_folder:
                kind, other = ("folder", "file") if is_folder else ("file", "folder")
                raise DataError(
                    f"{shown(str(path))} is a {other}, but a {kind} would be written under that "
                    "name; move it away, or name another folder."
                )


def _check_characters(there: Path, folder: Path, files: Mapping[str, Path]) -> None:
    unusual: dict[str, str] = {}
    for name, file in files.items():
        for character in _SPECIAL.findall(str(file.relative_to(folder))):
            unusual.setdefault(character, name)
    for character, name in unusual.items():
        if not _takes(there, character):
            raise DataError(
                f"the name of the image {shown(name)} contains {character!r}, which the file "
                f"system of {there} does not allow.",
                **_FIX,
            )


def _check_distinct(there: Path, files: Mapping[str, Path]) -> None:
    """Raise an error for names that are the same if case or Unicode normalisation is ignored."""
    owner: dict[str, tuple[str, str]] = {}
    for name, file in files.items():
        for path in (str(file), *map(str, _within(file, there))):
            plain = _plain(path)
            first, before = owner.setdefault(plain, (path, name))
            if first != path and _are_one(there, Path(first), Path(path)):
                raise DataError(
                    f"the images {shown(before)} and {shown(name)} would be written to the same "
                    f"file or folder, because the file system of {there} does not distinguish "
                    f"{shown(first)} and {shown(path)}. Write each into a folder of its own, by "
                    "name."
                )


def _within(file: Path, there: Path) -> Iterable[Path]:
    """Return the parent folders of a file that do not exist yet."""
    return (parent for parent in file.parents if not there.is_relative_to(parent.absolute()))


def _plain(path: str) -> str:
    """Return a path without case and Unicode normalisation."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _takes(folder: Path, character: str) -> bool:
    """Return whether a file system allows a character in names."""
    try:
        with tempfile.NamedTemporaryFile(prefix=f".streamkm-{character}", dir=folder):
            return True
    except OSError:
        return False


def _are_one(there: Path, first: Path, second: Path) -> bool:
    """Return whether a file system treats two paths that may differ in case as one."""
    pairs = zip(first.parts, second.parts, strict=True)
    return all(_is_one(there, *pair) for pair in pairs if len(set(pair)) == 2)


def _is_one(folder: Path, first: str, second: str) -> bool:
    """Return whether a file system treats two names as one."""
    with tempfile.TemporaryDirectory(prefix=".streamkm-", dir=folder) as probe:
        Path(probe, first).touch()
        return Path(probe, second).exists()
