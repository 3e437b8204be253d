"""Complete labels in a store, from which a file is written in parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.rows.coordinates import Coordinate
from streamkm.rows.damaged import damage
from streamkm.rows.dimensions import dimension_names
from streamkm.rows.plan import plan_blocks

Region = tuple[slice, ...]
_PART = 2**18  # values that are read and written together


@dataclass(frozen=True)
class LabelOutline:
    """What is known about labels before they are computed.

    Parameters
    ----------
    shape : shape of the rows
    dtype : dtype of the labels
    names : names of the dimensions, or None
    attributes : attributes of the labels; a `_FillValue` is the label of rows that are left out
    beside : zarr.Array by name
        Coordinates along some of the dimensions of the labels, and a grid mapping.
    column : name of the values in a table
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    names: tuple[str | None, ...] | None
    attributes: Mapping[str, Any]
    beside: Mapping[str, Any]
    column: str = "label"

    @property
    def fill(self) -> int | None:
        """Label of rows that are left out; None if no row can be left out."""
        return self.attributes.get("_FillValue")

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the dimensions; those without a name are `row`, or numbered."""
        ndim = len(self.shape)
        known = self.names or (None,) * ndim
        return tuple(
            name or ("row" if ndim == 1 else f"dim_{axis}") for axis, name in enumerate(known)
        )

    def along(self, axis: int) -> dict[str, Coordinate]:
        """The one-dimensional coordinates along an axis."""
        dim = self.dimensions[axis]
        return {
            name: Coordinate(array, dim)
            for name, array in self.beside.items()
            if dimension_names(array) == (dim,)
        }


@dataclass(frozen=True)
class WholeLabels:
    """The labels of all rows.

    Parameters
    ----------
    array : zarr.Array of the row shape
    outline : LabelOutline
    """

    array: Any
    outline: LabelOutline

    @classmethod
    def of(
        cls,
        array: Any,
        attributes: Mapping[str, Any],
        beside: Mapping[str, Any],
        column: str = "label",
    ) -> WholeLabels:
        """Describe the labels in an array; the parameters are those of `LabelOutline`."""
        names = dimension_names(array)
        outline = LabelOutline(array.shape, array.dtype, names, attributes, beside, column)
        return cls(array, outline)


def pieces(array: Any) -> Iterator[tuple[Region, AnyArray]]:
    """Yield all values of an array of a store, or of files, with their regions.

    Every chunk is decoded once. Memory holds one chunk, or a few small ones, and one piece.

    Raises
    ------
    DataError, ReadError
        If a chunk is damaged or cannot be read.
    """
    plan = plan_blocks(array.shape, array.chunks or (1,) * array.ndim, 1, _PART)
    for number in range(plan.n_blocks):
        region = plan.region(number)
        with damage(str(getattr(array, "store_path", array))):
            values = np.asarray(array[region])
        inner = plan_blocks(values.shape, (1,) * values.ndim, 1, _PART)
        for part in map(inner.region, range(inner.n_blocks)):
            pairs = zip(region, part, strict=True)
            place = tuple(slice(r.start + p.start, r.start + p.stop) for r, p in pairs)
            yield place, np.asarray(values[part])
