"""Several arrays of a Zarr group as the features of rows, read as one array."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.rows.chunks import read
from streamkm.rows.exact import cast, refuse_changed
from streamkm.rows.formats.decoded import read_fastest
from streamkm.rows.formats.html import array_html, regular_chunks
from streamkm.rows.missing import Missing
from streamkm.rows.nodata import as_meant, meant_dtype

_STRETCH = 8  # common multiples of chunks up to this size, in chunks of the first variable


@dataclass(frozen=True, repr=False)
class Variables:
    """Arrays that are sliced as one array whose last axis is the variable.

    A block reads its region of each array once. Along dimensions that an array lacks, its values
    are repeated, as in an xarray.Dataset.

    Parameters
    ----------
    arrays : tuple of zarr.Array or FileArray
    names : tuple of str, their names
    axes : tuple of tuple of int
        For each array, the row axis of each of its dimensions.
    dims : tuple of (str or None), names of the row dimensions
    shape : tuple of int, the row shape and the number of variables
    dtype : common dtype of all variables
    fills : tuple of (Missing or None)
        Values of each variable that are replaced by NaN.
    missing : Missing or None
        Condition on which rows are left out, after the replacement.
    """

    arrays: tuple[Any, ...]
    names: tuple[str, ...]
    axes: tuple[tuple[int, ...], ...]
    dims: tuple[str | None, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fills: tuple[Missing | None, ...]
    missing: Missing | None

    shards = None

    def __repr__(self) -> str:
        return f"<Variables: {', '.join(self.names)}, shape {self.shape}, {self.dtype}>"

    def _repr_html_(self) -> str:
        count = regular_chunks(self.shape, self.chunks)
        return array_html(self, (*self.dims, None), self.names, {}, count)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def widest(self) -> Any:
        """The first array with all row dimensions."""
        return next(a for a in self.arrays if a.ndim == self.ndim - 1)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Whole chunks of all arrays if that is possible in blocks of moderate size."""
        unit = list(self.widest.shards or _chunks(self.widest))
        first = math.prod(unit)
        for array, axes in zip(self.arrays, self.axes, strict=True):
            both = list(unit)
            for axis, size in zip(axes, array.shards or _chunks(array), strict=True):
                both[axis] = min(math.lcm(unit[axis], size), self.shape[axis])
            unit = both if math.prod(both) <= _STRETCH * first else unit
        return (*unit, len(self.arrays))

    @property
    def chunk_nbytes(self) -> int:
        """Bytes of the largest decoded chunk."""
        return max(int(math.prod(_chunks(a)) * a.dtype.itemsize) for a in self.arrays)

    def parts(self, region: tuple[slice, ...]) -> Iterator[tuple[Any, tuple[slice, ...]]]:
        """Yield each array with the region of it that a region of all variables needs."""
        for array, axes in zip(self.arrays, self.axes, strict=True):
            yield array, tuple(region[axis] for axis in axes)

    def fastest(self) -> Variables:
        """The same arrays with the fastest decoder of each."""
        return replace(self, arrays=tuple(map(read_fastest, self.arrays)))

    def __getitem__(self, region: tuple[slice, ...]) -> AnyArray:
        spans = (len(range(*s.indices(n))) for s, n in zip(region, self.shape, strict=True))
        out = np.empty(tuple(spans), self.dtype)
        for place, (array, own) in enumerate(self.parts(region)):
            values = self._converted(place, as_meant(read(array, own), meant_dtype(array)))
            axes = self.axes[place]
            values = values.transpose(np.argsort(axes))
            lacking = tuple(axis for axis in range(self.ndim - 1) if axis not in axes)
            out[..., place] = np.expand_dims(values, lacking)
        return out

    def _converted(self, place: int, values: AnyArray) -> AnyArray:
        """The values of a variable in the common dtype, with NaN instead of its fill values."""
        fill = self.fills[place]
        valid = None if fill is None else fill.valid(values)
        made = values
        if self.dtype.kind == "f" and values.dtype.kind in "iu" and values.dtype.itemsize == 8:
            made, lost = cast(values, self.dtype)
            lost &= True if valid is None else valid
            refuse_changed(values, lost, self.dtype, f"the variable {self.names[place]!r}")
        return made if valid is None else np.where(valid, made, self.dtype.type(np.nan))


def _chunks(array: Any) -> tuple[int, ...]:
    """The chunks of an array, or single values of a file without chunks."""
    return tuple(array.chunks or (1,) * array.ndim)
