"""Colours as keys: one integer for each pixel, with the bits of its channels interleaved.

Sorted keys are in Morton order. Shifting a key by the number of channels drops the lowest bit of
every channel and keeps sorted keys sorted, so a table is coarsened in one sweep. Similar colours
are close together in a table that is indexed by key.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray
from streamkm.kernels._jit import kernel

Keys = npt.NDArray[np.unsignedinteger]


@lru_cache
def _spread(channels: int) -> npt.NDArray[np.uint64]:
    """Return the bits of every byte, spaced for the bits of the other channels."""
    byte = np.arange(256, dtype=np.uint64)
    bits = np.arange(8, dtype=np.uint64)
    apart = ((byte[:, None] >> bits) & np.uint64(1)) << (bits * np.uint64(channels))
    spread: npt.NDArray[np.uint64] = np.bitwise_or.reduce(apart, axis=1)
    return spread


@kernel
def _interleave(pixels, spread, keys, channels):  # type: ignore[no-untyped-def]
    """Write keys (n,). `channels` is a tuple as long as a pixel, so that loops are unrolled."""
    c = len(channels)
    for i in range(len(pixels)):
        key = keys.dtype.type(0)
        for j in range(c):
            value = np.uint64(pixels[i, j])
            own = spread[value & np.uint64(255)]
            if pixels.itemsize == 2:
                own |= spread[value >> np.uint64(8)] << np.uint64(8 * c)
            key |= keys.dtype.type(own << np.uint64(c - 1 - j))
        keys[i] = key


@kernel
def _separate(keys, bits, pixels):  # type: ignore[no-untyped-def]
    c = pixels.shape[1]
    for i in range(len(keys)):
        key = np.uint64(keys[i])
        for j in range(c):
            value = np.uint64(0)
            for b in range(bits):
                at = np.uint64(b * c + c - 1 - j)
                value |= ((key >> at) & np.uint64(1)) << np.uint64(b)
            pixels[i, j] = value


@kernel
def _changes(ordered, shift):  # type: ignore[no-untyped-def]
    changes = 0
    for i in range(1, len(ordered)):
        changes += (ordered[i] >> shift) != (ordered[i - 1] >> shift)
    return changes


@kernel
def _runs(ordered, shift, keys, ends):  # type: ignore[no-untyped-def]
    """Write the distinct keys (m,) and the end of the run of each (m,)."""
    at = 0
    last = ordered[0] >> shift
    for i in range(len(ordered)):
        key = ordered[i] >> shift
        at += 1 if key != last else 0
        # Every element of a run writes, so there is no branch to mispredict.
        last = key
        keys[at] = key
        ends[at] = i + 1


@kernel
def _merge(a, b, out):  # type: ignore[no-untyped-def]
    """Merge two tables (keys, counts, sums) into a long enough one; return its length."""
    i = j = at = 0
    while i < len(a[0]) or j < len(b[0]):
        first = j == len(b[0]) or (i < len(a[0]) and a[0][i] <= b[0][j])
        second = i == len(a[0]) or (j < len(b[0]) and b[0][j] <= a[0][i])
        out[0][at] = a[0][i] if first else b[0][j]
        out[1][at] = (a[1][i] if first else 0) + (b[1][j] if second else 0)
        for c in range(out[2].shape[1]):
            out[2][at, c] = (a[2][i, c] if first else 0) + (b[2][j, c] if second else 0)
        i += first
        j += second
        at += 1
    return at


@kernel
def _look_up(keys, table, codes):  # type: ignore[no-untyped-def]
    unknown = 0
    for i in range(len(keys)):
        code = table[keys[i]]
        unknown += 1 if code == 0 else 0
        codes[i] = code - 1
    return unknown


def interleave(pixels: AnyArray) -> Keys:
    """Return the keys (n,), uint32 or uint64, of pixels (n, c), uint8 or uint16."""
    channels = pixels.shape[1]
    narrow = 8 * pixels.itemsize * channels <= 32
    keys: Keys = np.empty(len(pixels), np.uint32 if narrow else np.uint64)
    _interleave(np.ascontiguousarray(pixels), _spread(channels), keys, (0,) * channels)
    return keys


def separate(keys: Keys, channels: int, dtype: npt.DTypeLike) -> AnyArray:
    """Return the pixels (n, c) of keys (n,)."""
    pixels = np.empty((len(keys), channels), dtype)
    _separate(keys, 8 * pixels.itemsize, pixels)
    return pixels


def n_runs(ordered: Keys, shift: int = 0) -> int:
    """Count the distinct sorted keys after dropping their last `shift` bits."""
    return int(_changes(ordered, ordered.dtype.type(shift))) + 1 if len(ordered) else 0


def runs(ordered: Keys, shift: int = 0) -> tuple[Keys, npt.NDArray[np.int64]]:
    """Return distinct keys (m,) of sorted keys (n,) without their last bits, and run ends."""
    size = n_runs(ordered, shift)
    keys, ends = np.empty(size, ordered.dtype), np.empty(size, np.int64)
    if size:
        _runs(ordered, ordered.dtype.type(shift), keys, ends)
    return keys, ends


def merge(a: tuple[Any, Any, Any], b: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
    """Merge two tables of sorted keys (m,), counts (m,) and sums (m, c)."""
    size = len(a[0]) + len(b[0])
    out = tuple(np.empty((size, *part.shape[1:]), part.dtype) for part in a)
    length = _merge(a, b, out)
    return out[0][:length], out[1][:length], out[2][:length]


def look_up(keys: Keys, table: Keys, codes: Keys) -> int:
    """Write table[key] - 1 for every key to `codes` (n,); return the number of unknown keys (0)."""
    return int(_look_up(keys, table, codes))
