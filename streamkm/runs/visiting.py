"""The order in which deduplication visits the rows of a cluster, of which it keeps the first."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array
from streamkm.kernels.directions import Directions, similarities

KEEP_RULES = ("first", "nearest", "farthest")
_STRIP = 512  # rows that are converted together
_UNIT = np.float32(2**32)  # multiples of 1 / _UNIT are added exactly, for up to 2**31 rows
Int64Array = npt.NDArray[np.int64]


def visiting_order(rows: Any, tiles: Sequence[slice], keep: str) -> Int64Array:
    """Return the order (n,) in which the rows of a cluster are visited.

    The rows nearest to the centroid, or farthest from it, come first. The centroid is the mean of
    their unit vectors, added in integers, so the order does not depend on the tiles. Rows of equal
    similarity are visited in the order of the data.

    Parameters
    ----------
    rows : array-like of shape (n, d), read once to add it and once to compare it
    tiles : slices of rows that are read together
    keep : 'nearest' or 'farthest'
    """
    strips = (strip for tile in tiles for strip in _strips(rows[tile]))
    total = sum(
        (Directions.from_rows(strip).units * _UNIT).astype(np.int64).sum(axis=0) for strip in strips
    )
    near = np.concatenate([_nearness(rows[tile], np.asarray(total)) for tile in tiles])
    return np.argsort(-near if keep == "nearest" else near, kind="stable")


def _nearness(rows: AnyArray, total: AnyArray) -> Float64Array:
    """Return the cosine similarity (n,) of rows with a direction (d,)."""
    parts = [similarities(own, np.broadcast_to(total, own.shape)) for own in _strips(rows)]
    return np.concatenate(parts)


def _strips(rows: AnyArray) -> Iterator[AnyArray]:
    return (rows[start : start + _STRIP] for start in range(0, len(rows), _STRIP))


@dataclass(frozen=True)
class _RowFile:
    """Rows in a file without a header, which are read when they are sliced."""

    path: Path
    dtype: np.dtype[Any]
    width: int

    def __getitem__(self, rows: slice) -> AnyArray:
        each = self.width * self.dtype.itemsize
        n_values = (rows.stop - rows.start) * self.width
        values = np.fromfile(self.path, self.dtype, n_values, offset=rows.start * each)
        return values.reshape(-1, self.width)


@contextmanager
def visited(rows: Any, tiles: Sequence[slice], order: Int64Array, folder: str) -> Iterator[Any]:
    """Yield the rows of a large cluster in the order of the visits, from a temporary file.

    Parameters
    ----------
    rows : array-like of shape (n, d)
    tiles : slices of rows that are read together
    order : ndarray of shape (n,), as `visiting_order` returns it
    folder : path of the folder of the file
    """
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    path = Path(folder, f"{uuid.uuid4().hex}.visited")
    width, dtype = rows.shape[1], rows.dtype.newbyteorder("=")
    each = width * dtype.itemsize
    try:
        with path.open("wb", buffering=0) as file:
            for tile in tiles:
                part = np.ascontiguousarray(rows[tile], dtype).view(np.uint8).reshape(-1, each)
                for rank, row in zip(ranks[tile].tolist(), part, strict=True):
                    os.pwrite(file.fileno(), row.data, rank * each)
        yield _RowFile(path, dtype, width)
    finally:
        path.unlink(missing_ok=True)
