"""Hash table of distinct rows with the sums of their weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array, FloatArray
from streamkm.kernels._jit import kernel

_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


@kernel
def _hash(x, i):  # type: ignore[no-untyped-def]
    value = _SPREAD
    for j in range(x.shape[1]):
        value = (value ^ np.uint64(x[i, j])) * _SPREAD
        value ^= value >> _SHIFT
    return value


@kernel
def _place(x, i, hashed, slots, rows):  # type: ignore[no-untyped-def]
    """Return the slot of row i of x, or the free slot for it (open addressing)."""
    last = np.uint64(slots.shape[0] - 1)
    slot = hashed & last
    while slots[slot] >= 0:
        at = slots[slot]
        equal = True
        for j in range(x.shape[1]):
            if rows[at, j] != x[i, j]:
                equal = False
                break
        if equal:
            break
        slot = (slot + np.uint64(1)) & last
    return slot


@kernel
def _add(x, weights, slots, rows, hashes, totals, count, most):  # type: ignore[no-untyped-def]
    """Update slots, rows, hashes and totals; return the new count, or -1 if it exceeds `most`."""
    for i in range(x.shape[0]):
        if not weights[i] > 0:
            continue
        hashed = _hash(x, i)
        slot = _place(x, i, hashed, slots, rows)
        at = slots[slot]
        if at < 0:
            if count == most:
                return -1
            at = count
            count += 1
            slots[slot] = at
            hashes[at] = hashed
            for j in range(x.shape[1]):
                rows[at, j] = x[i, j]
        totals[at] += weights[i]
    return count


@kernel
def _refill(slots, hashes, count):  # type: ignore[no-untyped-def]
    last = np.uint64(slots.shape[0] - 1)
    for at in range(count):
        slot = hashes[at] & last
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & last
        slots[slot] = at


@kernel
def _find(x, slots, rows, out):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        out[i] = slots[_place(x, i, _hash(x, i), slots, rows)]


class RowTable:
    """Distinct rows in the order of their first occurrence.

    Parameters
    ----------
    n_features : d
    dtype : float32 or float64, dtype of the tiles
    most : maximum number of distinct rows
    """

    def __init__(self, n_features: int, dtype: npt.DTypeLike, most: int) -> None:
        self._dtype = np.dtype(dtype)
        self._most = most
        self._count = 0
        self._rows: AnyArray = np.empty((0, n_features), f"u{self._dtype.itemsize}")
        self._hashes = np.empty(0, np.uint64)
        self._totals = np.empty(0)
        self._slots = np.full(2, -1, np.int32)

    def add(self, x: FloatArray, weights: Float64Array) -> bool:
        """Add the rows (n, d) of positive weight (n,); return False if there are too many."""
        self._reserve(min(self._count + len(x), self._most))
        table = (self._slots, self._rows, self._hashes, self._totals)
        self._count = _add(self._bits(x), weights, *table, self._count, self._most)
        return self._count >= 0

    def find(self, x: FloatArray) -> npt.NDArray[np.int64]:
        """Return the index (n,) of each row in `values`, or -1."""
        out = np.empty(len(x), np.int64)
        _find(self._bits(x), self._slots, self._rows, out)
        return out

    @property
    def values(self) -> AnyArray:
        """The distinct rows (m, d)."""
        return self._rows[: self._count].view(self._dtype)

    @property
    def totals(self) -> Float64Array:
        """Sums of the weights of the distinct rows, of shape (m,)."""
        return self._totals[: self._count]

    def canonical(self) -> npt.NDArray[np.intp]:
        """Return the indices of the rows in an order that depends only on the rows."""
        hashes = self._hashes[: self._count]
        order = np.argsort(hashes)
        if np.any(np.diff(hashes[order]) == 0):  # different rows with the same hash
            order = np.lexsort((*self._rows[: self._count].T, hashes))
        return order

    def _bits(self, x: FloatArray) -> AnyArray:
        return (np.ascontiguousarray(x, self._dtype) + 0.0).view(
            self._rows.dtype
        )  # turns minus zero into zero

    def _reserve(self, size: int) -> None:
        if size > len(self._rows):
            size = min(self._most, max(size, 2 * len(self._rows)))
            more = size - len(self._rows)
            self._rows = np.concatenate(
                [self._rows, np.empty((more, *self._rows.shape[1:]), self._rows.dtype)]
            )
            self._hashes = np.concatenate([self._hashes, np.empty(more, np.uint64)])
            self._totals = np.concatenate([self._totals, np.zeros(more)])
        if 2 * size > len(self._slots):
            self._slots = np.full(1 << (2 * size - 1).bit_length(), -1, np.int32)
            _refill(self._slots, self._hashes, self._count)
