"""Attributes that mark stores of streamkm and their kind."""

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
    """Return the attributes of a Zarr array or group; empty if none can be read."""
    import zarr  # takes a quarter of a second; not needed for a fit in memory

    try:
        return dict(zarr.open(os.fspath(target), mode="r").attrs)
    except Exception:  # file systems report missing files in different ways
        return {}


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
