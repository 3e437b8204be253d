"""Checksums of stores: of chunks by Zarr's zstd codec, of metadata and values as recorded digests.

The digests are in the attribute `digests` of the group `streamkm` of a store. For each array and
group, by its path, there is the SHA-256 of its metadata (`described`, as JSON with sorted keys and
without spaces) and, for arrays that are always read as a whole, of its values in C order. Stores
that earlier versions wrote have no digests and are read without these checks.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.outputs.attributes import plain
from streamkm.rows import MARK, RESTORE, damage, is_a

DIGESTS = "digests"
Digests = Mapping[str, Mapping[str, str]]


def checked(level: int = 0) -> Any:
    """Return the compressor of all arrays: zstd with the checksum that its format provides.

    Every reader of zstd verifies it. Zarr's codec crc32c would be a second codec, which older
    readers of Zarr 3 lack.
    """
    from zarr.codecs import ZstdCodec  # takes a quarter of a second

    return ZstdCodec(level=level, checksum=True)


def write_array(group: Any, name: str, values: AnyArray, dimensions: tuple[str, ...]) -> None:
    """Write values to a new array of a Zarr group, in one chunk that is always stored."""
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=tuple(max(1, n) for n in values.shape),
        dtype=values.dtype,
        compressors=checked(),
        fill_value=absent(values.dtype),
        dimension_names=dimensions,
        config={"write_empty_chunks": True},
    )
    array[...] = values


def absent(dtype: np.dtype[Any]) -> Any:
    """Return the fill value that marks missing chunks: NaN, or the smallest integer."""
    if dtype.kind == "f":
        return np.nan
    return np.iinfo(dtype).min if dtype.kind == "i" else None


def seal(store: Any, values: bool | Collection[str]) -> None:
    """Record the digests of all arrays and groups of a complete Zarr group.

    Parameters
    ----------
    store : path of the group
    values : whether to record digests of the values, too, or the paths of such arrays

    Raises
    ------
    DataError, ReadError
        If what was written cannot be read.
    """
    with damage(str(store)):
        _seal(store, values)


def _seal(store: Any, values: bool | Collection[str]) -> None:
    import zarr

    root: Any = zarr.open_group(store, mode="r+")
    digests = {"": {"metadata": metadata_digest(root)}}
    for path, node in root.members(max_depth=None):
        if path.split("/")[0] == MARK:
            continue
        digests[path] = {"metadata": metadata_digest(node)}
        own = values if isinstance(values, bool) else path in values
        if own and is_a(node, "zarr.Array"):
            digests[path]["values"] = values_digest(np.asarray(root[path][...]))
    recorded: Any = dict(sorted(digests.items()))
    root.require_group(MARK).update_attributes({DIGESTS: recorded})


def digests_of(group: Any) -> Digests:
    """Return the digests of the store of a group; none if an earlier version wrote it."""
    import zarr

    try:
        found: Any = zarr.open_group(group.store, path=MARK, mode="r").attrs.get(DIGESTS, {})
    except (FileNotFoundError, zarr.errors.NodeNotFoundError):
        return {}
    return found if isinstance(found, dict) else {"": {}}


def described(node: Any) -> dict[str, Any]:
    """Return the metadata of an array or a group that determine how its values are read."""
    facts: dict[str, Any] = {"attributes": dict(node.attrs)}
    if is_a(node, "zarr.Array"):
        fill = node.fill_value
        facts |= {
            "shape": list(node.shape),
            "dtype": "text" if node.dtype.kind in "TUO" else node.dtype.str,
            "fill_value": str(fill.item() if isinstance(fill, np.generic) else fill),
            "dimension_names": list(node.metadata.dimension_names or ()),
        }
    return facts


def metadata_digest(node: Any) -> str:
    """Return the SHA-256 of the metadata of an array or a group."""
    text = json.dumps(plain(described(node)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def values_digest(values: AnyArray) -> str:
    """Return the SHA-256 of values in C order; numbers are little-endian."""
    if values.dtype.kind in "TUO":
        return hashlib.sha256(json.dumps(values.tolist()).encode()).hexdigest()
    if sys.byteorder == "big" and values.dtype.byteorder != "<":
        values = values.astype(values.dtype.newbyteorder("<"))
    return hashlib.sha256(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data).hexdigest()


def refuse_changed(digests: Digests, node: Any, values: AnyArray | None = None) -> None:
    """Raise an error if an array or a group is not as it was written.

    Parameters
    ----------
    digests : those of the store, as `digests_of` returns them; without any, nothing is checked
    node : zarr.Array or zarr.Group
    values : values of the array, to check these, or None to check its metadata

    Raises
    ------
    DataError
        If the digest differs, or there is none for this node.
    """
    if not digests:
        return
    known, kind = digests.get(node.path, {}), "metadata"
    if values is None:
        found = metadata_digest(node)
    elif "values" in known:
        found, kind = values_digest(values), "values"
    else:
        return
    if known.get(kind) != found:
        where = store_of(node)
        name = f"{node.path!r} of {where}" if node.path else where
        raise DataError(
            f"{name} is damaged, or was changed after it was written (the digest of its {kind} "
            f"differs): {RESTORE}. After a change on purpose, delete the attribute {DIGESTS!r} of "
            f"the group {MARK!r} in the store."
        )


def store_of(node: Any) -> str:
    """Return the path or URL of the store of an array or a group."""
    return str(node.store_path).removesuffix(node.path).rstrip("/")
