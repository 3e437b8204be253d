"""Zarr stores and arrays that refuse hostile files and chunks before these fill memory.

Decoders of compressed chunks allocate what the chunk says, and reading a device or a pipe may never
end. Arrays that are opened by their paths get codecs that compare sizes first.
"""

from __future__ import annotations

import asyncio
import math
import os
import stat
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import zarr
from numcodecs.abc import Codec as OldCodec  # type: ignore[import-untyped]
from zarr.codecs import BloscCodec, GzipCodec, ShardingCodec, ZstdCodec
from zarr.storage import FsspecStore, LocalStore

from streamkm.errors import DataError
from streamkm.files.durable import write_durably
from streamkm.rows.damaged import RESTORE
from streamkm.rows.machine import memory_here
from streamkm.sizes import show_bytes

_BESIDE = 2**16  # bytes of checksums and the like beside the values of a chunk
_WIDER = 8  # times by which filters of Zarr v2 may widen values
_ZSTD = b"\x28\xb5\x2f\xfd"
_HEAD = 32  # bytes of a chunk that state its decoded size
_SIZES = (0, 2, 4, 8)  # bytes of the content size in a frame of zstd, by two bits of its flags
_TEXT_SHARE = 8  # texts have no fixed size; a chunk of them takes this share of memory at most


class RegularFiles(LocalStore):
    """A folder as a Zarr store that reads regular files only, not devices or pipes."""

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        refuse_irregular(self.root, key, whole=byte_range is None)
        return await super().get(key, prototype, byte_range)


def refuse_irregular(root: Path, key: str, whole: bool) -> None:
    """Refuse a device or a pipe in a folder, and a file that is read whole and is too large.

    Raises
    ------
    ValueError
    """
    try:
        found = os.stat(root / key)
    except (OSError, ValueError):
        return  # reading it reports the reason
    most = memory_here() // 2
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise ValueError(f"{key} is a device or a pipe, not a file")
    if whole and most and found.st_size > most:  # of a shard, only parts are read
        raise ValueError(f"{key} has {show_bytes(found.st_size)}, more than half of the memory")


class DurableFiles(RegularFiles):
    """A store of regular files that waits until each file that it writes is on the disk."""

    async def set(self, key: str, value: Any) -> None:
        await asyncio.to_thread(write_durably, self.root / key, value.as_buffer_like())


def store_at(path: str | os.PathLike[str]) -> Any:
    """Return a folder as a store of regular files, and a zip file at a URL as a store, to read.

    Other paths and URLs are returned as they are.
    """
    where = os.fspath(path)
    if where.startswith("zip::"):
        # fsspec before 2026.9 raises KeyError for a file that a zip file lacks.
        absent = (FileNotFoundError, IsADirectoryError, NotADirectoryError, KeyError)
        return FsspecStore.from_url(where, read_only=True, allowed_exceptions=absent)
    return RegularFiles(Path(where), read_only=True) if os.path.isdir(where) else where


class _Guarded:
    """Mixin of codecs: the decoded size is checked first."""

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        most = _nbytes(chunk_spec.shape, chunk_spec.dtype.to_native_dtype())
        _refuse_large(self, chunk_bytes.as_numpy_array(), most)
        return await super()._decode_single(chunk_bytes, chunk_spec)  # type: ignore[misc]


class _Zstd(_Guarded, ZstdCodec):
    pass


class _Blosc(_Guarded, BloscCodec):
    pass


class _Gzip(GzipCodec):
    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        most = _nbytes(chunk_spec.shape, chunk_spec.dtype.to_native_dtype())
        found = await asyncio.to_thread(_gunzipped, chunk_bytes.to_bytes(), most)
        return chunk_spec.prototype.buffer.from_bytes(found)


_GUARDS: dict[type, Any] = {ZstdCodec: _Zstd, BloscCodec: _Blosc, GzipCodec: _Gzip}


class _OldGuard(OldCodec):  # type: ignore[misc]
    """A compressor of Zarr v2 with a check of the decoded size."""

    codec_id = "guarded"

    def __init__(self, inner: Any, nbytes: int) -> None:
        self.inner, self.nbytes = inner, nbytes
        self.codec_id = inner.codec_id

    def encode(self, buf: Any) -> Any:
        return self.inner.encode(buf)

    def decode(self, buf: Any, out: Any = None) -> Any:
        content = memoryview(buf).cast("B")
        if self.codec_id in ("gzip", "zlib"):
            return _gunzipped(bytes(content), self.nbytes)
        _refuse_large(self, content, self.nbytes)
        return self.inner.decode(buf, out)

    def get_config(self) -> Any:
        return self.inner.get_config()


def guarded(array: Any) -> Any:
    """Return a Zarr array whose chunks are refused if they decode to more than their values.

    Chunks of zstd, gzip and blosc are checked, within shards, too. Other codecs are as they are.

    Raises
    ------
    DataError
        If chunks have no length.
    """
    sides = zip((array.shards or array.chunks) + array.chunks, 2 * array.shape, strict=True)
    if any(side < 1 <= length for side, length in sides):
        raise DataError(
            f"{array.store_path} is damaged (its chunks have the shape {array.chunks}): {RESTORE}."
        )
    metadata = array.metadata
    if metadata.zarr_format == 3:
        metadata = replace(metadata, codecs=tuple(map(_guard, metadata.codecs)))
    elif metadata.compressor is not None:
        nbytes = _WIDER * _nbytes(metadata.chunks, array.dtype)
        metadata = replace(metadata, compressor=_OldGuard(metadata.compressor, nbytes))
    return zarr.Array(zarr.AsyncArray(metadata, array.store_path, array.config))


def unguarded(array: Any) -> Any:
    """Return an array in a folder with Zarr's own classes, which another decoder needs."""
    if not isinstance(array.store, RegularFiles):
        return array
    store = LocalStore(array.store.root, read_only=True)
    return zarr.open_array(store, path=array.path, mode="r", zarr_format=array.metadata.zarr_format)


def _guard(codec: Any) -> Any:
    if isinstance(codec, ShardingCodec):
        return replace(codec, codecs=tuple(map(_guard, codec.codecs)))
    kind = _GUARDS.get(type(codec))
    return codec if kind is None else kind.from_dict(codec.to_dict())


def _nbytes(shape: Any, dtype: Any) -> int:
    """Return the bytes of a chunk of values, with some more; of texts, a share of memory."""
    if dtype.kind in "OT":
        return max(2**26, memory_here() // _TEXT_SHARE)
    nbytes: int = math.prod(shape) * dtype.itemsize
    return nbytes + _BESIDE


def _refuse_large(codec: Any, content: Any, most: int) -> None:
    """Raise a ValueError for a chunk of zstd or blosc that decodes to more bytes."""
    head = bytes(content[:_HEAD])
    if head.startswith(_ZSTD):
        size = _zstd_nbytes(head)
        if size is None:  # of a stream whose end was not known: each byte may be 2**17
            size = 0 if len(content) * 2**17 <= 2**28 else most + 1
    else:
        at = {"blosc": 4, "lz4": 0}.get(_name(codec))
        size = 0 if at is None else int.from_bytes(head[at : at + 4], "little")
    if size > most:
        raise _too_large(size, most)


def _zstd_nbytes(content: bytes) -> int | None:
    """Return the decoded size that the first frame of zstd states, or None."""
    if len(content) < 5:
        return None  # cut off, which the decoder reports
    flags = content[4]
    single = bool(flags & 0x20)
    length = _SIZES[flags >> 6] or int(single)
    if not length:
        return None
    at = 5 + (0 if single else 1) + (0, 1, 2, 4)[flags & 3]
    size = int.from_bytes(content[at : at + length], "little")
    return size + 256 if length == 2 else size


def _gunzipped(content: bytes, most: int) -> bytes:
    found = bytearray()
    while content:
        decoder = zlib.decompressobj(32 + zlib.MAX_WBITS)  # gzip or zlib, by the header
        found += decoder.decompress(content, most + 1 - len(found))
        if len(found) > most:
            raise _too_large(len(found), most)
        if not decoder.eof:
            raise ValueError("the compressed chunk is cut off")
        content = decoder.unused_data
    return bytes(found)


def _too_large(size: int, most: int) -> ValueError:
    return ValueError(
        f"a chunk decodes to {show_bytes(size)} or more; its values have {show_bytes(most)} at most"
    )


def _name(codec: Any) -> str:
    return "blosc" if isinstance(codec, BloscCodec) else str(getattr(codec, "codec_id", ""))
