"""Regions of Zarr arrays, assembled from chunks in the requesting thread."""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.rows.block import in_numpy
from streamkm.rows.kinds import is_a

_PIPELINE = "codec_pipeline.path"
_PLAIN = "zarr.core.codec_pipeline.BatchedCodecPipeline"
_ZARRS = "zarrs.ZarrsCodecPipeline"
# The process in which zarrs was used; after a fork it differs from the current process.
_pids: set[int] = set()


@cache
def _parts() -> Any:
    """Return the class of a buffer that collects decoded chunks; it is created on first use.

    Zarr copies every chunk of every read on its single event-loop thread, while the requesting
    threads wait.
    """
    from zarr.buffer.cpu import NDBuffer  # already imported by the caller

    class Parts(NDBuffer):
        def __init__(self, array: Any) -> None:
            super().__init__(array)
            self._whole: AnyArray = array
            self._parts: list[tuple[Any, Any]] = []

        def __setitem__(self, key: Any, value: Any) -> None:
            self._parts.append((key, value))

        def together(self) -> AnyArray:
            """Assemble all parts; a single part that fills the region is not copied."""
            if len(self._parts) == 1 and isinstance(self._parts[0][1], NDBuffer):
                part: AnyArray = self._parts[0][1].as_numpy_array()
                if part.shape == self._whole.shape:
                    return part
            for key, value in self._parts:
                super().__setitem__(key, value)
            return self._whole

    return Parts


def read(array: Any, region: tuple[slice, ...]) -> AnyArray:
    """Read a region of a zarr.Array, or return a view of a NumPy array."""
    if not is_a(array, "zarr.Array"):
        return in_numpy(array[region])
    if _pids and is_a(array.store, "zarr.storage.LocalStore"):
        _refuse_irregular(array, region)
    shape = tuple(len(range(*s.indices(n))) for s, n in zip(region, array.shape, strict=True))
    out = _parts()(np.empty(shape, array.dtype, array.order))
    array.get_basic_selection(region, out=out)
    together: AnyArray = out.together()
    return together


def fastest(array: Any) -> Any:
    """Return the Zarr array with zarrs as its decoder if installed; for blocks of several chunks.

    A pipeline that is set in Zarr's configuration is used. A process that was forked after
    zarrs was used does not use it: the threads of zarrs do not exist there, and every read
    would hang.
    """
    import zarr

    from streamkm.rows.guarded import unguarded

    if (
        _pids - {os.getpid()}
        or not is_a(array, "zarr.Array")
        or not is_a(array.store, "zarr.storage.LocalStore")
        or not array.dtype.isnative
        or array.order != "C"
        or zarr.config.get(_PIPELINE) != _PLAIN
        or find_spec("zarrs") is None
    ):
        return array
    try:
        with warnings.catch_warnings(), zarr.config.set({_PIPELINE: _ZARRS}):
            warnings.simplefilter("error")  # zarrs warns about codecs that it does not support
            plain = unguarded(array)
            inner = zarr.AsyncArray(plain.metadata, plain.store_path, array.config)
    except Exception:
        return array
    _pids.add(os.getpid())
    return zarr.Array(inner)


def unreadable(array: Any, region: tuple[slice, ...]) -> str:
    """Return the key of the first chunk of a Zarr array that cannot be read, or nothing."""
    steps = array.shards or array.chunks
    for number in _chunks(array, region):
        try:
            read(array, tuple(slice(i * s, i * s + s) for i, s in zip(number, steps, strict=True)))
        except Exception:
            return _key(array, number)
    return ""


def _refuse_irregular(array: Any, region: tuple[slice, ...]) -> None:
    """Refuse chunks that are no files: zarrs opens them by itself, and a pipe would block it."""
    from streamkm.rows.guarded import refuse_irregular

    for number in _chunks(array, region):
        key = f"{array.path}/{_key(array, number)}".lstrip("/")
        refuse_irregular(array.store.root, key, whole=array.shards is None)


def _chunks(array: Any, region: tuple[slice, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the numbers of the chunks, or shards, of a region along each axis."""
    steps = array.shards or array.chunks
    bounds = [s.indices(n)[:2] for s, n in zip(region, array.shape, strict=True)]
    spans = zip(bounds, steps, strict=True)
    return itertools.product(*(range(a // step, -(-b // step)) for (a, b), step in spans))


def _key(array: Any, number: tuple[int, ...]) -> str:
    """Return the key of a chunk in its array."""
    return str(array.metadata.encode_chunk_key(number))
