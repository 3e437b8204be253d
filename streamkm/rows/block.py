"""One block in a worker's hands, and the tiles it is swept in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_TILE_NBYTES = 2**20  # fits the L2 cache beside the strip and the centroids
_WIDE_TILE_NBYTES = 4 * 2**20  # of long rows, of which a matrix product wants some number
_WIDE_TILE_ROWS = 2048
_TILE_ROWS = 65536


@dataclass(frozen=True)
class Tile:
    """Rows of a block that fit the cache, as the kernels want them.

    Parameters
    ----------
    x : ndarray of shape (n, d), float32 or float64, C-contiguous, read-only
    weights : ndarray of shape (n,), float64, read-only; ones where the data have none
    start : int, place of the first row within its block
    """

    x: npt.NDArray[np.floating]
    weights: npt.NDArray[np.float64]
    start: int


@dataclass(frozen=True)
class Block:
    """The rows of one block.

    Parameters
    ----------
    values : ndarray of shape (n, d), of the stored dtype, any strides
    weights : ndarray of shape (n,) or None
    number : int, the block's place in the plan
    origin, shape : tuple of int, where the block begins along each row axis, and its extent
    row_shape : tuple of int, extent of all the data along each row axis
    """

    values: npt.NDArray[Any]
    weights: npt.NDArray[Any] | None
    number: int
    origin: tuple[int, ...]
    shape: tuple[int, ...]
    row_shape: tuple[int, ...]

    @classmethod
    def of(cls, values: npt.NDArray[Any], weights: npt.NDArray[Any] | None = None) -> Block:
        """Rows in memory as a block of their own, for a pass called without Dask."""
        n = len(values)
        return cls(values, weights, 0, (0,), (n,), (n,))

    def __sizeof__(self) -> int:
        """With its arrays: by this a cluster's worker knows what it holds."""
        weights = 0 if self.weights is None else self.weights.nbytes
        return object.__sizeof__(self) + self.values.nbytes + weights

    @property
    def n_rows(self) -> int:
        return len(self.values)

    @property
    def is_integer(self) -> bool:
        """Whether sums of these rows are exact integers: narrow integers without weights."""
        dtype = self.values.dtype
        return self.weights is None and dtype.kind in "bui" and dtype.itemsize <= 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """The precision the kernels work in: float32 where it holds every value exactly."""
        return np.result_type(self.values.dtype, np.float32)

    def tiles(self) -> Iterator[Tile]:
        """The block tile by tile; conversion happens here, in the cache, never for the block."""
        rows, features = self.values.shape
        nbytes = features * self.dtype.itemsize
        wide = min(_WIDE_TILE_ROWS, _WIDE_TILE_NBYTES // nbytes)
        step = min(_TILE_ROWS, max(256, wide, _TILE_NBYTES // nbytes))
        step -= step % 256
        ones = np.ones(min(step, rows)) if self.weights is None else None
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            x = np.ascontiguousarray(self.values[start:stop], dtype=self.dtype)
            if ones is not None:
                weights = ones[: stop - start]
            else:
                assert self.weights is not None
                weights = np.ascontiguousarray(self.weights[start:stop], dtype=np.float64)
            # Wherever they came from: a kernel is compiled for each kind of array it meets.
            yield Tile(read_only(x), read_only(weights), start)

    def row_numbers(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """Row numbers (C order over the row axes of all the data) of rows start:stop."""
        place = np.unravel_index(np.arange(start, stop), self.shape)
        moved = tuple(p + o for p, o in zip(place, self.origin, strict=True))
        return np.ravel_multi_index(moved, self.row_shape).astype(np.int64, copy=False)


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A plain ndarray view that no task can write through, as kernels take their inputs."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view
