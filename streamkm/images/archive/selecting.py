"""Chunks and their arrays from keys of a store, and the parts of them that are selected."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import Any

import numpy as np
from zarr.storage import FsspecStore, LocalStore

from streamkm.errors import DataError


def chunk_of(key: str, ndim: int) -> tuple[str, list[int]]:
    """Return the group of an array, and the chunk, from a key GROUP/ARRAY/c/0/0/0."""
    parts = key.split("/")
    array = "/".join(parts[: -ndim - 1])
    return posixpath.normpath(posixpath.join(array, "..")), [int(part) for part in parts[-ndim:]]


def reaching(store: Any, path: str) -> tuple[Any, str]:
    """Return the store and the path in it for a path that may lead above the root of `store`.

    This happens if a stack or its array of pixels is opened by itself, as the root of its store.
    """
    up = path.split("/").count("..")
    if not up:
        return store, path
    if isinstance(store, LocalStore):
        root = Path(os.path.abspath(store.root))
        return LocalStore(root.parents[up - 1], read_only=True), path[3 * up :]
    if isinstance(store, FsspecStore):
        parts = store.path.rstrip("/").split("/")
        above = "/".join(parts[:-up])
        return FsspecStore(store.fs, read_only=True, path=above), path[3 * up :]
    raise DataError(
        "the pixels of an archive are decoded from neighbouring arrays, which this store cannot "
        "read: open the archive itself and select images/.../pixels in it."
    )


def extent(selected: Any, length: int) -> slice:
    """Return the slice that contains a selection along an axis."""
    if isinstance(selected, slice):
        start, stop, step = selected.indices(length)
        return slice(start, stop) if step > 0 else slice(stop + 1, start + 1)
    numbers = np.asarray(selected)
    return slice(int(numbers.min()), int(numbers.max()) + 1)


def moved(selected: Any, by: int) -> Any:
    """Return a selection within a slice that begins at `by`."""
    if isinstance(selected, slice):
        return slice(None, None, selected.step)
    return selected - by
