"""Attributes that mark a store as written by streamkm, and its kind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

MODEL = "streamkm model"
SWEEP = "streamkm sweep"
LABELS = "streamkm labels"
ARCHIVE = "streamkm archive"
INGEST = "streamkm ingest"

_METADATA = ("zarr.json", ".zarray", ".zgroup", ".zattrs")


def marks_of(target: str | os.PathLike[str]) -> dict[str, Any]:
    """The attributes of a Zarr array or group; none where there is none that can be read."""
    import zarr  # a quarter of a second, which a fit in memory does without

    try:
        return dict(zarr.open(os.fspath(target), mode="r").attrs)
    except Exception:  # whatever a file system may say of what is not there
        return {}


def kind_of(target: str | os.PathLike[str]) -> str:
    """The kind of store that streamkm wrote there; empty for anything else."""
    kind = str(marks_of(target).get("kind", ""))
    return kind if kind.startswith("streamkm ") else ""


def fit_of(target: str | os.PathLike[str]) -> str:
    """The fit with a checkpoint that wrote what is there, or an empty text."""
    return str(marks_of(target).get("fit", ""))


def zarr_around(path: Path) -> Path | None:
    """The innermost Zarr array or group that a path is, or lies in; None where there is none."""
    for folder in (path, *path.parents):
        if any((folder / name).is_file() for name in _METADATA):
            return folder
    return None
