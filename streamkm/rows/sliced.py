"""Consecutive rows of a Zarr array, which are read when they are sliced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.rows.chunks import read
from streamkm.rows.damaged import damage


@dataclass(frozen=True)
class Sliced:
    """Rows `start` to `stop` of a Zarr array, as an array that is read in parts.

    Parameters
    ----------
    array : zarr.Array of at least one dimension
    start, stop : first row, and the row after the last
    """

    array: Any
    start: int
    stop: int

    shards = None

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.stop - self.start, *self.array.shape[1:])

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dims(self) -> tuple[None, ...]:
        """No names of the dimensions except the last."""
        return (None,) * (self.ndim - 1)

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = self.array.dtype
        return dtype

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of a chunk; a chunk at the edge of two blocks is decoded for both."""
        first = max(1, min(self.array.chunks[0], len(self)))
        return (first, *self.array.chunks[1:])

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, key: Any) -> AnyArray:
        rows, *rest = key if isinstance(key, tuple) else (key,)
        if rows is Ellipsis:
            rows, rest = slice(None), []
        if not isinstance(rows, slice):
            return np.asarray(np.asarray(self[...])[key])
        first, last, step = rows.indices(len(self))
        if step != 1:
            return np.asarray(np.asarray(self[...])[key])
        region = [slice(None)] * (self.ndim - 1)
        own = slice(self.start + first, self.start + max(first, last))
        with damage(f"{getattr(self.array, 'store_path', 'the array')}"):
            values = read(self.array, (own, *region))
        return values[(slice(None), *rest)] if rest else values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        return np.asarray(self[...], dtype)

    def __repr__(self) -> str:
        return f"<Sliced: rows {self.start:,} to {self.stop:,}, shape {self.shape}, {self.dtype}>"
