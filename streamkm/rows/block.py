"""A block as a task reads it, and the tiles in which it is processed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.arrays import AnyArray, Float64Array, FloatArray
from streamkm.errors import DataError
from streamkm.rows.layout import Layout
from streamkm.rows.plan import BlockPlan
from streamkm.rows.scaling import Scaling, working_dtype

_TILE_NBYTES = 2**20  # fits in the L2 cache together with the strip and the centroids
# For long rows, because a matrix product needs a minimum number of rows.
_WIDE_TILE_NBYTES = 4 * 2**20
_WIDE_TILE_ROWS = 2048
_TILE_ROWS = 65536
_STRIP = 256  # rows that the kernels process together


@dataclass(frozen=True)
class Tile:
    """Rows of a block that fit in the cache, in the form that the kernels require.

    Parameters
    ----------
    x : ndarray of shape (n, d), float32 or float64, C-contiguous, read-only
    weights : ndarray of shape (n,), float64, read-only; ones for data without weights
    start : int, position of the first row in its block
    """

    x: FloatArray
    weights: Float64Array
    start: int


@dataclass(frozen=True)
class Block:
    """The rows of one block without those that are left out.

    Parameters
    ----------
    values : ndarray of shape (n, d), of the stored dtype, any strides
    weights : ndarray of shape (n,) or None
    number : int, number of the block in the plan
    origin, shape : tuple of int, start and extent of the block along each row axis
    row_shape : tuple of int, extent of the data along each row axis
    places : ndarray of shape (n,), positions of the rows in C order over `shape`, or None for all
        rows
    scaling : Scaling that is applied to each tile, or None
    gaps : whether NaN in the values are gaps, not errors
    """

    values: AnyArray
    weights: AnyArray | None
    number: int
    origin: tuple[int, ...]
    shape: tuple[int, ...]
    row_shape: tuple[int, ...]
    places: npt.NDArray[np.signedinteger] | None = None
    scaling: Scaling | None = None
    gaps: bool = False

    @classmethod
    def cut(
        cls,
        layout: Layout,
        plan: BlockPlan,
        number: int,
        values: AnyArray,
        weights: AnyArray | None,
        mask: AnyArray | None,
    ) -> Block:
        """Create a block from stored values with all features of its rows, weights and mask."""
        shape = tuple(values.shape[a] for a in layout.row_axes)
        origin, row_shape = (0,) * len(shape), shape
        if plan.is_known:
            origin, row_shape = tuple(s.start for s in plan.region(number)), layout.row_shape
        masked = layout.matrix(values)
        declared = layout.missing is not None and layout.missing.masked
        if not declared and np.ma.is_masked(masked):
            raise DataError(
                f"block {number} is a masked array, but the meta of the Dask array is not: create "
                "it with meta=np.ma.masked_array([], dtype), or fill it and give nodata."
            )
        gaps = layout.missing is not None and layout.missing.partial
        matrix = np.ma.getdata(masked)
        weights = None if weights is None else weights.reshape(-1)
        if any(a is not None and a.size != len(matrix) for a in (weights, mask)):
            raise DataError(
                f"block {number} has {len(matrix)} rows, but its weights or mask have a different "
                "number; give them the chunks of the data."
            )
        if gaps and layout.missing is not None:
            matrix = layout.missing.with_gaps(masked)
        block = cls(matrix, weights, number, origin, shape, row_shape, None, layout.scaling, gaps)
        if mask is not None or layout.missing is not None:
            present = np.ones(len(matrix), bool) if mask is None else mask.reshape(-1) > 0
            if layout.missing is not None:
                present &= layout.missing.present(masked)
            block = block.where(present)
        return block

    def where(self, present: npt.NDArray[np.bool_]) -> Block:
        """Return the block with only the rows for which `present` (n,) is true."""
        if present.all():
            return self
        places = np.flatnonzero(present).astype(np.int32)
        return replace(
            self,
            values=self.values[places],
            weights=None if self.weights is None else self.weights[places],
            places=places if self.places is None else self.places[places],
        )

    @classmethod
    def from_values(cls, values: AnyArray, weights: AnyArray | None = None) -> Block:
        """Create a block from rows in memory, for a pass that is called without Dask."""
        n = len(values)
        return cls(values, weights, 0, (0,), (n,), (n,))

    def __sizeof__(self) -> int:
        """Size including the arrays, by which a worker of a cluster measures its memory."""
        arrays = (self.values, self.weights, self.places)
        return object.__sizeof__(self) + sum(a.nbytes for a in arrays if a is not None)

    @property
    def n_rows(self) -> int:
        return len(self.values)

    @property
    def is_integer(self) -> bool:
        """Whether sums of the rows are exact integers: unweighted, unscaled, at most 16 bits."""
        dtype, plain = self.values.dtype, self.weights is None and self.scaling is None
        return plain and dtype.kind in "bui" and dtype.itemsize <= 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """Precision of the kernels, float32 or float64."""
        stored = self.values.dtype
        return working_dtype(stored) if self.scaling is None else self.scaling.dtype(stored)

    def tiles(self) -> Iterator[Tile]:
        """Yield the tiles of the block; values are converted tile by tile, in the cache."""
        rows, features = self.values.shape
        nbytes = features * self.dtype.itemsize
        wide = min(_WIDE_TILE_ROWS, _WIDE_TILE_NBYTES // nbytes)
        most = min(_TILE_ROWS, max(_STRIP, wide, _TILE_NBYTES // nbytes)) // _STRIP
        # Tiles of similar sizes, because a matrix product of a few last rows is slow.
        n_tiles = max(1, math.ceil(rows / (most * _STRIP)))
        step = _STRIP * max(1, math.ceil(rows / (n_tiles * _STRIP)))
        ones = np.ones(min(step, rows)) if self.weights is None else None
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            x = self._seen(slice(start, stop))
            if ones is not None:
                weights = ones[: stop - start]
            else:
                assert self.weights is not None
                weights = np.ascontiguousarray(self.weights[start:stop], dtype=np.float64)
            # The same kind of array for all data, because a kernel is compiled for each kind.
            yield Tile(read_only(x), read_only(weights), start)

    def rows(self, places: npt.NDArray[np.intp] | slice) -> AnyArray:
        """Return some rows as passes receive them, in the stored dtype if values are equal."""
        return self.values[places] if self.scaling is None else self._seen(places)

    def _seen(self, which: Any) -> AnyArray:
        if self.scaling is None:
            return np.ascontiguousarray(self.values[which], dtype=self.dtype)
        return self.scaling(self.values[which])

    def filled(self, answers: AnyArray, fill: Any) -> AnyArray:
        """Return results (n, ...) in the block's shape, with `fill` for rows left out."""
        if self.places is not None:
            full = np.full((math.prod(self.shape), *answers.shape[1:]), fill, answers.dtype)
            full[self.places] = answers
            answers = full
        return answers.reshape(*self.shape, *answers.shape[1:])

    def row_numbers(self, start: int, stop: int) -> npt.NDArray[np.int64]:
        """Return the row numbers (C order over all row axes of the data) of rows start:stop."""
        which = np.arange(start, stop) if self.places is None else self.places[start:stop]
        place = np.unravel_index(which, self.shape)
        moved = tuple(p + o for p, o in zip(place, self.origin, strict=True))
        return np.ravel_multi_index(moved, self.row_shape).astype(np.int64, copy=False)


def in_numpy(values: Any) -> AnyArray:
    """Return values as a plain ndarray or, if they are masked, as a masked array."""
    if isinstance(values, np.ma.MaskedArray):
        return values
    if hasattr(values, "nnz"):  # a sparse array, which NumPy treats as an object
        raise not_numpy(values)
    return np.asarray(values)


def not_numpy(block: Any) -> DataError:
    """Create the error for a Dask array whose blocks are not NumPy arrays."""
    kind = f"{type(block).__module__.split('.')[0]}.{type(block).__name__}"
    way = next((name for name in ("toarray", "todense", "get") if hasattr(block, name)), "...")
    return DataError(
        f"the blocks of the Dask array are {kind}, not NumPy arrays: convert them with "
        f"array.map_blocks(lambda block: block.{way}(), meta=numpy.empty((0, 0), array.dtype))."
    )


def read_only(array: AnyArray) -> AnyArray:
    """Return a read-only view, which kernels require as input."""
    view = in_numpy(array).view()
    view.flags.writeable = False
    return view
