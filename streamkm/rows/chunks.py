"""A region of a Zarr array, put together from its chunks by the thread that wants it."""

from __future__ import annotations

import os
import warnings
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
# The process in which zarrs was used, and in one that was forked from it another than its own.
_pids: set[int] = set()


@cache
def _parts() -> Any:
    """The class of a buffer that keeps decoded chunks as they come; made with the first one.

    Zarr itself copies every chunk of every read on its one event-loop thread, while the threads
    that want them wait.
    """
    from zarr.buffer.cpu import NDBuffer  # loaded by whoever made the array

    class Parts(NDBuffer):
        def __init__(self, array: Any) -> None:
            super().__init__(array)
            self._whole: AnyArray = array
            self._parts: list[tuple[Any, Any]] = []

        def __setitem__(self, key: Any, value: Any) -> None:
            self._parts.append((key, value))

        def together(self) -> AnyArray:
            """All parts in place; a single one that fills the region is taken as it is."""
            if len(self._parts) == 1 and isinstance(self._parts[0][1], NDBuffer):
                part: AnyArray = self._parts[0][1].as_numpy_array()
                if part.shape == self._whole.shape:
                    return part
            for key, value in self._parts:
                super().__setitem__(key, value)
            return self._whole

    return Parts


def read(array: Any, region: tuple[slice, ...]) -> AnyArray:
    """A region of a zarr.Array, or the view of a NumPy one."""
    if not is_a(array, "zarr.Array"):
        return in_numpy(array[region])
    shape = tuple(len(range(*s.indices(n))) for s, n in zip(region, array.shape, strict=True))
    out = _parts()(np.empty(shape, array.dtype, array.order))
    array.get_basic_selection(region, out=out)
    together: AnyArray = out.together()
    return together


def fastest(array: Any) -> Any:
    """The same Zarr array, decoded by zarrs where that is installed; for blocks of several chunks.

    A pipeline that was chosen in Zarr's configuration is kept. A process that was forked after
    zarrs was used does without it: the threads of zarrs are not there any more, and every read
    would wait for them.
    """
    import zarr

    if (
        _pids - {os.getpid()}
        or not is_a(array.store, "zarr.storage.LocalStore")
        or not array.dtype.isnative
        or array.order != "C"
        or zarr.config.get(_PIPELINE) != _PLAIN
        or find_spec("zarrs") is None
    ):
        return array
    try:
        with warnings.catch_warnings(), zarr.config.set({_PIPELINE: _ZARRS}):
            warnings.simplefilter("error")  # zarrs warns of what it cannot decode
            inner = zarr.AsyncArray(array.metadata, array.store_path, array.config)
    except Exception:
        return array
    _pids.add(os.getpid())
    return zarr.Array(inner)
