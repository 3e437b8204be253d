"""Chunks of stores that streamkm wrote whole, and that are no longer there.

Zarr reads a chunk that is missing as its fill value, since it need not store chunks that hold
nothing else. Stores that streamkm writes hold every chunk and say so, in a group beside the array,
which is not copied by whoever only rewrites the arrays. So one that is missing was lost.
"""

from __future__ import annotations

import itertools
import math
import os
from typing import Any

from streamkm.errors import DataError
from streamkm.rows.fingerprint import count_stored
from streamkm.rows.kinds import is_a

MARK = "streamkm"  # the group that says it
EVERY_CHUNK = {"every_chunk_is_stored": True}


def storing_all(array: Any) -> Any:
    """The same Zarr array, of which chunks that hold only the fill value are stored too."""
    import zarr  # loaded by whoever made the array

    config: Any = {"order": array.order, "write_empty_chunks": True}
    return zarr.Array(zarr.AsyncArray(array.metadata, array.store_path, config))


def refuse_lost(array: Any) -> None:
    """Refuse an array of a store that was written whole and has lost chunks since.

    Parameters
    ----------
    array : zarr.Array; any other is let through, as is a store that cannot list what it holds

    Raises
    ------
    DataError
        Naming the array, how many chunks are missing, and where it can be told, the first.
    """
    if is_a(array, "zarr.Array") and _is_marked(array):
        refuse_incomplete(array)


def refuse_incomplete(array: Any) -> None:
    """The same for an array that is known to have been written whole."""
    grid = [-(-n // s) for n, s in zip(array.shape, array.shards or array.chunks, strict=True)]
    there = count_stored(array)
    if there is None or there >= math.prod(grid):
        return
    unit = "shards" if array.shards else "chunks"
    raise DataError(
        f"{math.prod(grid) - there:,} of {math.prod(grid):,} {unit} of {array.store_path} are "
        f"missing{_first(array, grid)}: they were written and are lost. Restore them from a copy, "
        "or write the store again."
    )


def _is_marked(array: Any) -> bool:
    import zarr  # loaded by whoever made the array

    around = array.path.rpartition("/")[0]
    path = f"{around}/{MARK}".lstrip("/")
    if not array.path:
        return False
    try:
        found = zarr.open_group(array.store, path=path, mode="r")
    except Exception:  # there is none, or a store that has errors of its own for that
        return False
    return bool(found.attrs.get("every_chunk_is_stored"))


def _first(array: Any, grid: list[int]) -> str:
    """The first chunk of a local store that is missing."""
    if not is_a(array.store, "zarr.storage.LocalStore"):
        return ""
    root = os.path.join(array.store.root, array.path)
    for place in itertools.product(*map(range, grid)):
        key = array.metadata.encode_chunk_key(place)
        if not os.path.exists(os.path.join(root, key)):
            return f", the first is {key}"
    return ""
