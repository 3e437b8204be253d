"""Outputs that are plain files, checked before any work."""

from __future__ import annotations

from pathlib import Path

from streamkm.errors import DataError, OutputExistsError


def check_file(path: str | None, overwrite: bool, suffixes: tuple[str, ...]) -> None:
    """Refuse a file that cannot be written, or is there."""
    if path is None:
        return
    file = Path(path).resolve()
    if file.suffix.lower() not in suffixes:
        raise DataError(f"{path}: give it one of the endings {', '.join(suffixes)}.")
    if not file.parent.is_dir():
        raise DataError(f"{file.parent} is not a folder; make it first.")
    if file.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists; name another file, or pass --overwrite.")


def check_folder(path: str | None, overwrite: bool) -> None:
    """Refuse a folder that cannot be made, or holds something."""
    if path is None:
        return
    folder = Path(path).resolve()
    if folder.exists() and not folder.is_dir():
        raise OutputExistsError(f"{path} is a file; name a folder.")
    if not folder.parent.is_dir():
        raise DataError(f"{folder.parent} is not a folder; make it first.")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise OutputExistsError(f"{path} is not empty; name another folder, or pass --overwrite.")
