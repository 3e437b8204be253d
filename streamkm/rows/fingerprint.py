"""Fingerprints that identify data without reading them."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from streamkm.errors import ReadError
from streamkm.rows.dask_rows import DaskRows
from streamkm.rows.formats.base import FileArray
from streamkm.rows.formats.decoded import Decoded
from streamkm.rows.kinds import is_a
from streamkm.rows.on_disk import Hdf5, Mapped
from streamkm.rows.sliced import Sliced
from streamkm.rows.stored import StoredRows
from streamkm.rows.variables import Variables

_SAMPLED = 4096  # number of values of data in memory
_METADATA = {"zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"}
_WITHOUT_LISTING = {"http", "https", "simplecache", "filecache", "blockcache", "reference", "dir"}
Entry = tuple[str, int, str]


def fingerprint(rows: StoredRows | DaskRows) -> dict[str, Any]:
    """Return shape, dtype, codecs, and the sizes and times or ETags of the chunks of a store.

    The chunks are listed, not read. Data in memory are identified by some rows, Dask arrays by
    their shape and chunks, and stores that cannot be listed (HTTP, and wrapped file systems such as
    simplecache::) by their metadata.
    """
    found: dict[str, Any] = {
        "shape": list(rows.layout.shape),
        "dtype": str(rows.layout.dtype),
        "feature_axes": list(rows.layout.feature_axes),
        "data": _of_data(rows.array),
    }
    if rows.layout.missing is not None:
        found["missing"] = [str(value) for value in rows.layout.missing.values]
    if np.ma.is_masked(rows.array):
        found["masked"] = _of(np.ma.getmaskarray(rows.array))
    if isinstance(rows, DaskRows) and rows.layout.names is not None:
        found["features"] = list(rows.layout.names)  # xarray may open variables in any order
    if rows.layout.order is not None:
        found["order"] = list(rows.layout.order)
    for name, array in (("weights", rows.weights), ("mask", rows.mask)):
        if array is not None:
            found[name] = _of(array)
    return found


def is_conclusive(found: Mapping[str, Any]) -> bool:
    """Whether other data would have another fingerprint.

    This holds for stores that can be listed, files, and masks in memory. For a Dask array, only the
    chunk sizes are compared; for other arrays in memory, only some values.
    """
    parts = [found[name] for name in ("data", "masked", "weights", "mask") if name in found]
    each = itertools.chain.from_iterable(p if isinstance(p, list) else [p] for p in parts)
    return all("bytes" in part or "values" in part for part in each)


def stamp_of(array: Any) -> str:
    """Return a digest that changes when a Zarr array is written, if its store can be listed."""
    return digest(json.dumps(_of(array), sort_keys=True))


def _of_data(array: Any) -> dict[str, Any] | list[dict[str, Any]]:
    if not isinstance(array, Variables):
        return _of(array)
    fills = [None if fill is None else list(map(str, fill.values)) for fill in array.fills]
    each = zip(array.names, array.arrays, fills, strict=True)
    return [{"name": name, "fill": fill, **_of(own)} for name, own, fill in each]


def _of(array: Any) -> dict[str, Any]:
    if is_a(array, "zarr.Array"):
        return {"codecs": digest(_metadata(array)), **_listing(array)}
    if is_a(array, "dask.array.Array"):
        return {"chunks": digest(repr(array.chunks))}
    if isinstance(array, Decoded):
        return {**_of(array.stored), "decoded": digest(array.meaning.facts)}
    if isinstance(array, Sliced):
        return {**_of(array.array), "rows": [array.start, array.stop]}
    if isinstance(array, (Mapped, Hdf5, FileArray)):
        return array.stamp
    if array.dtype == bool or 0 in array.strides:  # a mask, or weights repeated along a dimension
        own = tuple(slice(None) if stride else slice(1) for stride in array.strides)
        return {"values": digest(np.ascontiguousarray(array[own]).tobytes())}
    array = np.ma.getdata(array)
    places = np.linspace(0, array.size - 1, min(array.size, _SAMPLED)).astype(np.int64)
    return {"some values": digest(array[np.unravel_index(places, array.shape)].tobytes())}


def _metadata(array: Any) -> str:
    """Return the metadata that determine the stored chunks; user attributes may change."""
    metadata = {k: v for k, v in array.metadata.to_dict().items() if k != "attributes"}
    return json.dumps(metadata, sort_keys=True, default=str)


def _listing(array: Any) -> dict[str, Any]:
    """Return the number, the bytes and a digest of all stored chunks."""
    chunks = nbytes = marks = 0
    for entry in entries(array.store, array.path):  # in any order; entries are not stored
        chunks, nbytes = chunks + 1, nbytes + entry[1]
        marks ^= int(digest(repr(entry)), 16)
    return {"chunks": chunks, "bytes": nbytes, "sizes and times": f"{marks:032x}"} if chunks else {}


def stored_keys(array: Any) -> Iterator[str] | None:
    """Return the keys below a Zarr array, or None if the store cannot list them."""
    if not is_a(
        array.store,
        "zarr.storage.LocalStore",
        "zarr.storage.FsspecStore",
        "zarr.storage.ObjectStore",
    ):
        return None
    if is_a(array.store, "zarr.storage.FsspecStore"):
        protocol = array.store.fs.protocol
        if (protocol if isinstance(protocol, str) else protocol[0]) in _WITHOUT_LISTING:
            return None
    return (key for key, _, _ in entries(array.store, array.path))


def entries(store: Any, path: str) -> Iterator[Entry]:
    """Yield key, size, and time or ETag of each object of an array, if the store can list them."""
    if is_a(store, "zarr.storage.LocalStore"):
        yield from _files(os.path.join(store.root, path))
    elif is_a(store, "zarr.storage.FsspecStore"):
        yield from _remote(store, path)
    elif is_a(store, "zarr.storage.ObjectStore"):
        import obstore  # already imported by the caller

        for page in obstore.list(store.store, path or None):
            for item in page:
                yield from _entry(
                    item["path"], item["size"], item["e_tag"] or item["last_modified"]
                )
    elif is_a(store, "zarr.storage.ZipStore"):
        there = os.stat(store.path)
        yield from _entry("", there.st_size, there.st_mtime_ns)


def _files(root: str) -> Iterator[Entry]:
    for folder, _, names in os.walk(root, onerror=_unlisted):
        for name in names:
            path = os.path.join(folder, name)
            # A file that was deleted since it was listed makes the next digest differ.
            with suppress(FileNotFoundError):
                there = os.stat(path)
                yield from _entry(os.path.relpath(path, root), there.st_size, there.st_mtime_ns)


def _unlisted(error: OSError) -> None:
    """Raise an error for a folder that cannot be listed, whose chunks would seem to be absent."""
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise ReadError(f"{error.filename} cannot be listed: {error.strerror}") from error


def _remote(store: Any, path: str) -> Iterator[Entry]:
    import fsspec  # already imported by Zarr

    options = {k: v for k, v in store.fs.storage_options.items() if k != "asynchronous"}
    protocol = store.fs.protocol
    name = protocol if isinstance(protocol, str) else protocol[0]
    if name in _WITHOUT_LISTING:
        return
    files = fsspec.filesystem(name, **options)
    files.invalidate_cache()
    found = files.find(f"{store.path}/{path}".rstrip("/"), detail=True)
    for key, item in found.items():
        mark = next((item[n] for n in ("ETag", "etag", "LastModified", "mtime") if n in item), "")
        yield from _entry(key, item.get("size") or 0, mark)


def _entry(key: str, size: int, mark: Any) -> Iterator[Entry]:
    if key.rsplit("/", 1)[-1] not in _METADATA:
        yield key, size, str(mark)


def digest(what: str | bytes) -> str:
    data = what.encode() if isinstance(what, str) else what
    return hashlib.sha256(data).hexdigest()[:32]
