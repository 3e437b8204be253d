"""Refusal of stored arrays and attributes that streamkm does not write, before they are decoded."""

from __future__ import annotations

import math
from typing import Any

from streamkm.errors import DataError
from streamkm.rows import RESTORE, memory_here
from streamkm.sizes import show_bytes

NUMBERS = "biuf"
TEXTS = "TU"
# Codecs that streamkm, Zarr and xarray write by default; others may run code when they decode.
_CODECS = {
    *("bytes", "transpose", "vlen-utf8", "sharding_indexed", "streamkm.codebook"),
    *("zstd", "blosc", "gzip", "crc32c"),
}


def refuse_large(array: Any, name: str) -> int:
    """Return the bytes of an array, after a check that the memory of the machine holds them.

    Raises
    ------
    DataError
        With both sizes.
    """
    there = memory_here()
    nbytes: int = math.prod(array.shape) * max(1, array.dtype.itemsize)
    if there and nbytes > there:
        raise DataError(
            f"{name} has shape {array.shape}, which takes {show_bytes(nbytes)}, more than the "
            f"memory of this machine ({show_bytes(there)}): it is damaged, or needs a larger one."
        )
    return nbytes


def attribute(node: Any, name: str, kind: type | tuple[type, ...] = object) -> Any:
    """Return an attribute of an array or group.

    Raises
    ------
    DataError
        If it has no such attribute, or it is not of the kind.
    """
    if name not in node.attrs:
        raise DataError(f"{node.store_path} lacks the attribute {name!r}, so it is incomplete.")
    found = node.attrs[name]
    if not isinstance(found, kind) or (isinstance(found, bool) and kind in (int, float)):
        raise DataError(
            f"the attribute {name!r} of {node.store_path} is a {type(found).__name__}, which "
            f"streamkm never writes: {RESTORE}."
        )
    return found


def refuse_strange(array: Any, name: str, kinds: str = NUMBERS) -> None:
    """Raise an error for an array whose dtype or codecs streamkm does not write.

    Parameters
    ----------
    array : zarr.Array or AsyncArray, which is not read
    name : name for the message
    kinds : allowed kinds of dtype, as in `numpy.dtype.kind`

    Raises
    ------
    DataError
        For another dtype or codec; the message names it.
    """
    strange = {"Zarr v2"} if array.metadata.zarr_format != 3 else codecs_of(array) - _CODECS
    if array.dtype.kind not in kinds:
        strange = {f"dtype {array.dtype}"}
    if strange:
        raise DataError(
            f"{name} uses {', '.join(sorted(strange))}, which streamkm never writes, so it is not "
            "read."
        )


def codecs_of(array: Any) -> set[str]:
    """Return the names of the codecs of an array, with those within others."""
    found, left = set(), list(array.metadata.to_dict()["codecs"])
    while left:
        codec = left.pop()
        found.add(str(codec["name"]))
        within = codec.get("configuration", {})
        left += [*within.get("codecs", ()), *within.get("index_codecs", ())]
    return found
