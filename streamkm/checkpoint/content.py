"""The arrays of a state as one array of bytes, which takes few writes, and its checksum."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray

_SMALL = 2**26  # bytes that are allocated although nothing may be stored
Arrays = Sequence[AnyArray]


def refuse_misplaced(places: Any, content: Any) -> None:
    """Refuse a content, before it is read, that cannot be that of the arrays.

    Raises
    ------
    ValueError
        If arrays overlap, have no numbers, or the content has another size or lacks chunks.
    """
    at = 0
    for place in places:
        dtype, shape = np.dtype(place["dtype"]), place["shape"]
        whole = all(type(n) is int and n >= 0 for n in shape)
        if dtype.hasobject or place["at"] != at or not whole:
            raise ValueError("the arrays of the state do not follow each other")
        at += dtype.itemsize * math.prod(shape)
    if content.dtype != np.uint8 or content.shape != (at,):
        raise ValueError(f"the content is not the {at:,} bytes of the arrays")
    if content.nbytes > _SMALL and content.nchunks_initialized < content.nchunks:
        raise ValueError("chunks of the content are missing")


def packed(arrays: Arrays) -> tuple[npt.NDArray[np.uint8], list[dict[str, Any]]]:
    """Return the bytes of all arrays in one array, and the place of each."""
    content = np.empty(sum(values.nbytes for values in arrays), np.uint8)
    places, at = [], 0
    for values in arrays:
        content[at : at + values.nbytes] = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        places.append({"dtype": values.dtype.str, "shape": list(values.shape), "at": at})
        at += values.nbytes
    return content, places


def unpacked(content: npt.NDArray[np.uint8], places: list[dict[str, Any]]) -> Arrays:
    """Return the arrays of a content."""
    arrays = []
    for place in places:
        values = np.empty(place["shape"], place["dtype"])
        part = content[place["at"] : place["at"] + values.nbytes]
        values.reshape(-1).view(np.uint8)[...] = part
        arrays.append(values)
    return arrays


def checksum(tree: Any, places: Any, content: npt.NDArray[np.uint8]) -> str:
    """Return the SHA-256 of a state."""
    whole = hashlib.sha256(json.dumps([tree, places], sort_keys=True).encode())
    whole.update(content.data)
    return whole.hexdigest()
