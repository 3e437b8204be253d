"""Attributes that mark stores of streamkm and their kind.

Files of labels have no attributes of streamkm. Those of a fit with a checkpoint have a hidden note
beside them instead, which is valid as long as the file is unchanged.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MODEL = "streamkm model"
SWEEP = "streamkm sweep"
LABELS = "streamkm labels"
ARCHIVE = "streamkm archive"
INGEST = "streamkm ingest"
NEAREST = "streamkm nearest"
PARTITION = "streamkm partition"
KEEP = "streamkm keep list"
MARKS = "_streamkm.json"  # in a folder of files that is no Zarr store; readers of Parquet skip it
QUANTIZER = "streamkm product quantizer"

_METADATA = ("zarr.json", ".zarray", ".zgroup", ".zattrs")


def marks_of(target: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the attributes of a Zarr array or group, or of the note of a file; empty if none."""
    path = Path(target)
    if path.is_file() and note_of(path).is_file():
        return _noted(note_of(path), path)
    if (path / MARKS).is_file():
        return _marks_in(path / MARKS)
    import zarr  # takes a quarter of a second; not needed for a fit in memory

    from streamkm.rows.guarded import store_at  # imports Zarr

    try:
        return dict(zarr.open(store_at(target), mode="r").attrs)
    except Exception:  # file systems report missing files in different ways
        return {}


def note_of(target: Path) -> Path:
    """The hidden file with the marks of a file."""
    return target.with_name(f".{target.name}.fit")


def write_note(path: Path, file: Path, marks: Mapping[str, Any]) -> None:
    """Write the marks of a complete file, which may be renamed but not changed."""
    path.write_text(json.dumps({"marks": dict(marks), "file": _stamp(file)}))


def mark_folder(folder: Path, marks: Mapping[str, Any]) -> None:
    """Write the marks of a folder of files."""
    folder.mkdir(exist_ok=True)
    (folder / MARKS).write_text(json.dumps(dict(marks)))


def _marks_in(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _noted(note: Path, target: Path) -> dict[str, Any]:
    try:
        found = json.loads(note.read_text())
        return dict(found["marks"]) if found["file"] == _stamp(target) else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _stamp(file: Path) -> list[int]:
    found = file.stat()
    return [found.st_size, found.st_mtime_ns]


def kind_of(target: str | os.PathLike[str]) -> str:
    """Return the kind of a store of streamkm; empty for anything else."""
    kind = str(marks_of(target).get("kind", ""))
    return kind if kind.startswith("streamkm ") else ""


def fit_of(target: str | os.PathLike[str]) -> str:
    """Return the identity of the fit with a checkpoint that wrote a store, or an empty string."""
    return str(marks_of(target).get("fit", ""))


def zarr_around(path: Path) -> Path | None:
    """Return the innermost Zarr array or group that contains a path, or None."""
    for folder in (path, *path.parents):
        if any((folder / name).is_file() for name in _METADATA):
            return folder
    return None
