"""Detection of chunks that streamkm stored and that are missing now.

Zarr reads a missing chunk as the fill value and, by default, does not store chunks that hold only
the fill value. Where streamkm stores every chunk, it records the shapes of the arrays in a group
beside them. A missing chunk of a recorded array was lost, or later set to the fill value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from streamkm.errors import DataError
from streamkm.rows.fingerprint import stored_keys
from streamkm.rows.kinds import is_a

MARK = "streamkm"  # the group with the record
EVERY_CHUNK = {"every_chunk_is_stored": True}
_RECORD = "stored_whole"
_LARGE = 2**28  # bytes
_MOST = 2**26  # chunks of an array, which take as many bytes while they are checked


def storing_all(array: Any) -> Any:
    """Return the Zarr array configured to store chunks that hold only the fill value, too."""
    import zarr  # already imported by the caller

    config: Any = {"order": array.order, "write_empty_chunks": True}
    return zarr.Array(zarr.AsyncArray(array.metadata, array.store_path, config))


def record_whole(group: Any, names: Iterable[str]) -> None:
    """Record that every chunk of these arrays of a Zarr group is stored."""
    found = {
        name: {"shape": list(group[name].shape), "chunks": list(_stored_chunks(group[name]))}
        for name in sorted(names)
    }
    group.require_group(MARK).update_attributes({**EVERY_CHUNK, _RECORD: found})


def refuse_lost(array: Any) -> None:
    """Raise an error if a chunk that was recorded as stored is missing.

    Chunks that were added later by `resize` or `append` are not recorded, so they may be missing.

    Parameters
    ----------
    array : zarr.Array
        Arrays of other kinds, arrays without a record and stores that cannot list their keys are
        not checked.

    Raises
    ------
    DataError
        If chunks are missing. The message names the array and the first missing chunk.
    """
    if not is_a(array, "zarr.Array"):
        return
    recorded = _recorded(array)
    if recorded is None:
        return
    shape = [min(sizes) for sizes in zip(recorded, array.shape, strict=True)]
    _refuse(
        array,
        shape,
        " If they were set to the fill value on purpose, delete the group "
        f"{MARK!r} beside the array; missing chunks are then read as the fill value.",
    )


def refuse_unwritten(array: Any) -> None:
    """Raise an error for a large array of which nothing is stored, so that all rows are equal.

    Raises
    ------
    DataError
        With the number of values.
    """
    if not is_a(array, "zarr.Array") or array.nbytes <= _LARGE or _makes_values(array):
        return
    keys = stored_keys(array)
    if keys is not None and next(keys, None) is None:
        raise DataError(
            f"no chunk of {array.store_path} is stored, so all of its {math.prod(array.shape):,} "
            f"values would be the fill value, {array.fill_value}: write its values first."
        )


def _makes_values(array: Any) -> bool:
    """Whether a codec makes values without stored chunks, as that of archives of images."""
    if array.metadata.zarr_format == 2:
        return False
    return any(codec.to_dict()["name"].startswith("streamkm.") for codec in array.metadata.codecs)


def refuse_incomplete(array: Any) -> None:
    """Raise an error if an array was stored whole and lacks a chunk; see `refuse_lost`."""
    _refuse(array, list(array.shape))


def lacks_chunks(array: Any) -> bool:
    """Return whether a chunk of an array is not stored; False if its store cannot list its keys."""
    return _missing(array, list(array.shape)) is not None


def _refuse(array: Any, shape: list[int], way_out: str = "") -> None:
    missing = _missing(array, shape)
    if missing is None:
        return
    count, total, key = missing
    unit = "shards" if array.shards else "chunks"
    raise DataError(
        f"{count:,} of {total:,} {unit} of {array.store_path} are missing; the first "
        f"is {key}. streamkm stored all of them, so they were lost or set to the fill value "
        f"later. Restore them from a copy, or write the store again.{way_out}"
    )


def _missing(array: Any, shape: list[int]) -> tuple[int, int, str] | None:
    """Return how many of the chunks of a shape are missing, of how many, and the first key."""
    grid = [-(-n // s) for n, s in zip(shape, _stored_chunks(array), strict=True)]
    keys, total = stored_keys(array), math.prod(grid)
    if keys is None or not total:
        return None
    if total > _MOST:
        raise DataError(
            f"{array.store_path} declares {total:,} chunks, more than any store has: its metadata "
            "are damaged. Restore them from a copy."
        )
    there = bytearray(total)  # one byte for each chunk
    pattern = _key_pattern(array)
    for key in keys:
        found = pattern.fullmatch(key)
        place = [int(number) for number in found.groups()] if found else None
        if place is not None and all(at < n for at, n in zip(place, grid, strict=True)):
            there[int(np.ravel_multi_index(place, grid)) if place else 0] = 1
    first = there.find(0)
    if first < 0:
        return None
    key = array.metadata.encode_chunk_key(tuple(map(int, np.unravel_index(first, grid))))
    return there.count(0), total, key


def _stored_chunks(array: Any) -> tuple[int, ...]:
    found: tuple[int, ...] = array.shards or array.chunks
    return found


def _key_pattern(array: Any) -> re.Pattern[str]:
    """Return a pattern of the keys of the array's chunks, relative to the array."""
    first = array.metadata.encode_chunk_key((0,) * array.ndim)
    return re.compile("(?:.*/)?" + re.escape(first).replace("0", "([0-9]+)"))


def _recorded(array: Any) -> list[int] | None:
    """Return the shape for which every chunk was stored, or None if the array is not recorded."""
    import zarr  # already imported by the caller

    around, _, name = array.path.rpartition("/")
    if not name:
        return None
    try:
        marked = zarr.open_group(array.store, path=f"{around}/{MARK}".lstrip("/"), mode="r")
        found: Any = marked.attrs[_RECORD]
        shape, chunks = list(found[name]["shape"]), list(found[name]["chunks"])
    except Exception:  # no record; stores have their own errors for missing keys
        return None
    same = len(shape) == array.ndim and chunks == list(_stored_chunks(array))
    return shape if same else None
