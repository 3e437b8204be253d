"""Names of features: where they are stored."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from streamkm.rows.coordinates import coordinate
from streamkm.rows.formats.base import FileArray
from streamkm.rows.kinds import is_a
from streamkm.rows.variables import Variables

Names: TypeAlias = tuple[str, ...]

MOST_NAMES = 65_536  # data with more features have no names
_COARSE = ("Y", "M", "W", "D", "h", "m")  # units of times that are printed without seconds


@dataclass(frozen=True)
class Named:
    """An array (n, d) that was made from a table, with the names of the columns.

    Parameters
    ----------
    array : ndarray or dask array
    names : names of the columns, or None
    """

    array: Any
    names: Names | None


def column_names(table: Any) -> Names | None:
    """Return the column names of a pandas, polars, Arrow or Dask table; None if none is text."""
    found = getattr(table, "column_names", None)
    if found is None:
        found = getattr(table, "columns", None)
    if found is None or callable(found):
        return None
    columns = list(found)
    return tuple(map(str, columns)) if any(isinstance(c, str) for c in columns) else None


def feature_names(
    data: Any, shape: Sequence[int], dims: Sequence[str | None] | None, axes: Sequence[int]
) -> Names | None:
    """Return the names of the features of data, or None.

    The names of a table are its columns. The names of a Zarr array or a DataArray are the
    coordinate of the feature dimension, or the band descriptions in `long_name` (as rioxarray and
    `streamkm ingest` write them) at the band numbers in that coordinate. The coordinate of a Zarr
    array is the array of that name in the same group. A Zarr array without a coordinate may have
    its names in the attribute `columns` or `long_name`. These attributes of a DataArray are not
    used, because selecting or reordering features does not change them. With several feature
    dimensions, a name is one label of each, separated by commas; a dimension without labels is
    numbered.

    Parameters
    ----------
    data : Named, Variables, table, xarray.DataArray, zarr.Array or FileArray; others have no
        names
    shape, dims : shape of the array, and the names of its dimensions
    axes : axes of the features

    Examples
    --------
    >>> feature_names(Named(np.zeros((3, 2)), ("red", "green")), (3, 2), None, (1,))
    ('red', 'green')
    """
    lengths = [shape[a] for a in axes]
    if any(math.isnan(n) for n in lengths) or math.prod(lengths) > MOST_NAMES:
        return None
    if isinstance(data, FileArray) and data.names is not None:
        return data.names if tuple(axes) == (len(shape) - 1,) else None
    if isinstance(data, (Named, Variables)):
        return data.names if tuple(axes) == (len(shape) - 1,) else None
    if not isinstance(data, FileArray) and not is_a(data, "xarray.DataArray", "zarr.Array"):
        return column_names(data) if tuple(axes) == (1,) and len(shape) == 2 else None
    own = [_labels(data, dims[a], n) if dims else None for a, n in zip(axes, lengths, strict=True)]
    if len(lengths) == 1:
        if own[0] is not None:
            return _described(_texts(data.attrs.get("long_name")), own[0])
        found = () if is_a(data, "xarray.DataArray") else _attribute(dict(data.attrs))
        return found if len(found) == lengths[0] else None
    if not any(own):
        return None
    each = [
        tuple(map(str, range(n))) if names is None else names
        for names, n in zip(own, lengths, strict=True)
    ]
    return tuple(", ".join(parts) for parts in itertools.product(*each))


def _labels(data: Any, dim: str | None, length: int) -> Names | None:
    found = coordinate(data, dim)
    return None if found is None or len(found) != length else tuple(map(_text, found.values()))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, np.timedelta64):  # the unit is not part of the name of a time
        return str(value.astype("m8[ns]"))
    if isinstance(value, np.datetime64) and np.datetime_data(value)[0] in _COARSE:
        value = value.astype("M8[s]")
    text = str(value)
    if isinstance(value, np.datetime64) and "." in text:
        text = text.rstrip("0").rstrip(".")
    return text


def _texts(values: Any) -> Names:
    if not isinstance(values, (list, tuple)) or not all(isinstance(v, str) for v in values):
        return ()
    return tuple(values)


def _attribute(attributes: dict[str, Any]) -> Names:
    """Return the names in the attributes of a Zarr array."""
    columns, described = _texts(attributes.get("columns")), _texts(attributes.get("long_name"))
    return columns or (described if _are_names(described) else ())


def _are_names(texts: Names) -> bool:
    return all(texts) and len(set(texts)) == len(texts)


def _described(texts: Names, labels: Names) -> Names:
    """Return the descriptions of the bands by band number; a selection of bands keeps them all."""
    if not _are_names(texts):
        return labels
    numbers = [int(label) if label.isdigit() else 0 for label in labels]
    if not all(0 < number <= len(texts) for number in numbers):
        return labels
    return tuple(texts[number - 1] for number in numbers)
