"""Images that are planes of a Zarr array: stacks, single images, OME-Zarr."""

from __future__ import annotations

import math
import threading
import uuid
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from streamkm.arrays import AnyArray
from streamkm.decoding.axes import Axes, axes_of
from streamkm.decoding.header import DTYPES, Header, Pixels
from streamkm.errors import DamagedError, DataError, ReadError
from streamkm.files.items import Plane
from streamkm.rows.dimensions import dimension_names
from streamkm.rows.fingerprint import stamp_of
from streamkm.rows.paths import open_zarr

# Maximum number of images of an array, because a hostile shape may be arbitrarily large.
_MOST = 10**7


def planes(store: str, name: str) -> Iterator[Plane]:
    """Return the images of a Zarr array, or of a group with one array.

    Parameters
    ----------
    store : path or URL
    name : name of the image; several images have numbers after it

    Raises
    ------
    DamagedError
        For arrays that are not images.
    """
    array, address, axes = _image_array(store)
    shape = dict(zip(axes.kinds, array.shape, strict=True))
    height, width, channels = shape["y"], shape["x"], shape.get("c", 1)
    alpha = channels == 4 and not axes.bands
    stacked = [size for kind, size in zip(axes.kinds, array.shape, strict=True) if not kind]
    count = math.prod(stacked)
    if array.dtype.name not in DTYPES:
        raise DamagedError(
            f"{store} has dtype {array.dtype}; images need uint8 or uint16: convert it"
        )
    if count > _MOST:
        raise DamagedError(
            f"the shape of {store} gives {count:,} images; at most {_MOST:,} are read from one "
            "array: divide it"
        )
    cut = [
        min(size, -(-size // chunk) * chunk) if kind else min(size, chunk)
        for kind, size, chunk in zip(axes.kinds, array.shape, array.chunks, strict=True)
    ]
    held = math.prod(cut) * array.dtype.itemsize
    about = (("format", "Zarr"), *((("axes", list(axes.stacked)),) if axes.stacked else ()))
    digits = max(6, len(str(count)))
    stamp, search = stamp_of(array), uuid.uuid4().hex
    for number, index in enumerate(product(*map(range, stacked))):
        yield Plane(
            f"{name}/{number:0{digits}}" if stacked else name,
            address,
            index,
            axes.kinds,
            (height, width, channels),
            array.dtype.name,
            alpha,
            held,
            stamp,
            search,
            about,
            axes.notices,
        )


def header_of(item: Plane) -> Header:
    """Return the header of a plane, which is known without a read."""
    height, width, channels = item.shape
    metadata = dict(item.about) | ({"index": list(item.index)} if item.index else {})
    colours = channels - item.alpha
    return Header(
        *(item, 1, item.name, height, width, colours, item.dtype, item.alpha, metadata),
        lost=item.notices,
    )


def decode(item: Plane) -> Pixels:
    """Decode the pixels of a plane."""
    values = _blocks(item.store, item.search).plane(item)
    axes = [axis for axis in item.axes if axis]
    values = values.transpose([axes.index(axis) for axis in "yxc" if axis in axes])
    values = values if values.ndim == 3 else values[..., None]
    values = values.astype(item.dtype, copy=False)
    if item.alpha:
        return Pixels(np.ascontiguousarray(values[..., :-1]), np.ascontiguousarray(values[..., -1]))
    return Pixels(np.ascontiguousarray(values), None)


def _image_array(store: str) -> tuple[Any, str, Axes]:
    """Return the array, its address and its axes; for OME-Zarr those of the largest resolution."""
    ome = _multiscales(store)
    names: Sequence[str | None] | None
    if ome:
        path, names = ome
        store = f"{store.rstrip('/')}/{path}"
        array = open_zarr(store, None)
    else:
        array = open_zarr(store, None)
        names = dimension_names(array)
        if array.path and not store.rstrip("/").endswith(array.path):
            store = f"{store.rstrip('/')}/{array.path}"
    return array, store, axes_of(store, array.shape, names)


def _multiscales(store: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the path of level 0 and the names of the axes if the group is OME-Zarr."""
    try:
        attributes = zarr.open_group(store, mode="r").attrs.asdict()
    except Exception:  # open_zarr raises an error that describes the problem
        return None
    ome = attributes.get("ome", attributes)
    scales = ome.get("multiscales") if isinstance(ome, dict) else None
    if not scales:
        return None
    try:
        path = str(scales[0]["datasets"][0]["path"])
        axes = [a["name"] if isinstance(a, dict) else a for a in scales[0].get("axes", "tczyx")]
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise DamagedError(
            f"{store} is damaged (invalid multiscales metadata of OME-Zarr): repair it"
        ) from error
    if ".." in Path(path).parts or path.startswith("/"):
        raise DamagedError(
            f"{store} refers to a level outside itself ({path!r}), which is not opened: repair it"
        )
    return path, tuple(map(str, axes))


class _Blocks:
    """The array at an address, with the chunks that were decoded last.

    Images in the same chunk are read one after another, and each would decode the chunk again.

    Parameters
    ----------
    address : address of the array
    """

    def __init__(self, address: str) -> None:
        self._array = open_zarr(address, None)
        self._lock = threading.Lock()
        self._cached: list[tuple[tuple[int, ...], AnyArray]] = []

    def plane(self, item: Plane) -> AnyArray:
        """Return the values of a plane, with axes in the order of the array."""
        chunks = [c for axis, c in zip(item.axes, self._array.chunks, strict=True) if not axis]
        first = tuple(i // c * c for i, c in zip(item.index, chunks, strict=True))
        if all(c == 1 for c in chunks):
            return self._read(item, item.index, (1,) * len(chunks))
        with self._lock:
            block = next((values for at, values in self._cached if at == first), None)
            if block is None:
                block = self._read(item, first, chunks, False)
                self._cached = [*self._cached[-1:], (first, block)]
        places = iter(i - at for i, at in zip(item.index, first, strict=True))
        found: AnyArray = block[tuple(slice(None) if axis else next(places) for axis in item.axes)]
        return found

    def _read(
        self, item: Plane, first: Sequence[int], counts: Sequence[int], one: bool = True
    ) -> AnyArray:
        runs = iter(zip(first, counts, strict=True))
        region: list[Any] = []
        for axis in item.axes:
            if axis:
                region.append(slice(None))
                continue
            start, count = next(runs)
            region.append(start if one else slice(start, start + count))
        try:
            return np.asarray(self._array[tuple(region)])
        except OSError as error:
            raise ReadError(f"{item.where} cannot be read: {error}") from error


@lru_cache(maxsize=16)
def _blocks(address: str, search: str) -> _Blocks:
    """Return the array for one search; a later run may find other data at the address."""
    try:
        return _Blocks(address)
    except DataError as error:
        raise ReadError(str(error)) from error
