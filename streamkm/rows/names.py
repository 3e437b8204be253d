"""Names of features: where data keep them, and how two sets of data are matched by them."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from streamkm.errors import DataError
from streamkm.rows.kinds import is_a

Names: TypeAlias = tuple[str, ...]

_MOST = 65_536  # longer coordinates are not read, and more features are not named
_SHOWN = 12
_KINDS = "biufUSTM"  # no objects, whose codecs could run code
_CF = ("scale_factor", "add_offset")


@dataclass(frozen=True)
class Named:
    """An array (n, d) made of a table, with the names of the table's columns.

    Parameters
    ----------
    array : ndarray or dask array
    names : of the columns, or None
    """

    array: Any
    names: Names | None


def column_names(table: Any) -> Names | None:
    """Names of the columns of a pandas, polars, Arrow or Dask table; None where none is text."""
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
    """Names that data have for their features, or None.

    The names of a table are its columns. The names of a Zarr array or a DataArray are the
    coordinate of the feature dimension, or the band descriptions in `long_name` (as rioxarray and
    `streamkm ingest` write them) at the band numbers in that coordinate. The coordinate of a Zarr
    array is the array of that name in the same group. A Zarr array without a coordinate may have
    its names in the attribute `columns` or `long_name`. Those of a DataArray do not count: a
    selection or another order of features leaves its attributes as they were. With several feature
    dimensions, a name is one label of each, separated by commas; a dimension without labels is
    numbered.

    Parameters
    ----------
    data : Named, table, xarray.DataArray or zarr.Array; others have no names
    shape, dims : of the array, and the names of its dimensions
    axes : of the features

    Examples
    --------
    >>> feature_names(Named(np.zeros((3, 2)), ("red", "green")), (3, 2), None, (1,))
    ('red', 'green')
    """
    lengths = [shape[a] for a in axes]
    if any(math.isnan(n) for n in lengths) or math.prod(lengths) > _MOST:
        return None
    if isinstance(data, Named):
        return data.names if tuple(axes) == (len(shape) - 1,) else None
    if not is_a(data, "xarray.DataArray", "zarr.Array"):
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


def coordinate(data: Any, dim: str | None) -> npt.NDArray[Any] | None:
    """The coordinate of a dimension of a DataArray or a Zarr array, or None.

    Of a Zarr array it is the array of that name beside it, decoded as xarray decodes it; one of
    more than 65,536 labels is not read.
    """
    if is_a(data, "xarray.DataArray"):
        return np.asarray(data.coords[dim].values) if dim in data.coords else None
    if dim is None or not is_a(data, "zarr.Array") or not data.path:
        return None
    import zarr  # loaded by whoever gave the array

    path = "/".join((*data.path.split("/")[:-1], dim))
    try:
        beside = zarr.open_array(
            store=data.store, path=path, mode="r", zarr_format=data.metadata.zarr_format
        )
    except (FileNotFoundError, PermissionError):
        return None  # a store that may not be listed answers so for what is not there
    except (KeyError, ValueError):
        return None  # a group, or an array of a kind that Zarr does not read
    few = beside.ndim == 1 and beside.shape[0] <= _MOST
    if not few or beside.dtype.kind not in _KINDS:
        return None
    return _decoded(dim, np.asarray(beside[...]), dict(beside.attrs))


def _decoded(dim: str, values: npt.NDArray[Any], attributes: dict[str, Any]) -> npt.NDArray[Any]:
    times = " since " in str(attributes.get("units", ""))
    if not times and not any(name in attributes for name in _CF):
        return values
    import xarray as xr  # half a second, for coordinates that need it

    return np.asarray(xr.decode_cf(xr.Dataset(coords={dim: (dim, values, attributes)}))[dim].values)


def _labels(data: Any, dim: str | None, length: int) -> Names | None:
    values = coordinate(data, dim)
    return None if values is None or values.shape != (length,) else tuple(map(_text, values))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    text = str(value)
    if isinstance(value, np.datetime64) and "." in text:  # the unit is no part of a time's name
        text = text.rstrip("0").rstrip(".")
    return text


def _texts(values: Any) -> Names:
    if not isinstance(values, (list, tuple)) or not all(isinstance(v, str) for v in values):
        return ()
    return tuple(values)


def _attribute(attributes: dict[str, Any]) -> Names:
    """The names in the attributes of a Zarr array."""
    columns, described = _texts(attributes.get("columns")), _texts(attributes.get("long_name"))
    return columns or (described if _are_names(described) else ())


def _are_names(texts: Names) -> bool:
    return all(texts) and len(set(texts)) == len(texts)


def _described(texts: Names, labels: Names) -> Names:
    """The bands' descriptions, looked up by band number: a selection of bands keeps them all."""
    if not _are_names(texts):
        return labels
    numbers = [int(label) if label.isdigit() else 0 for label in labels]
    if not all(0 < number <= len(texts) for number in numbers):
        return labels
    return tuple(texts[number - 1] for number in numbers)


def reordering(
    own: Names | None,
    wanted: Sequence[str] | None,
    whose: tuple[str, str] = ("the data", "the fit"),
) -> tuple[int, ...] | None:
    """Where each of the wanted names is among those of the data; None where position decides.

    Position decides where one side has no names, or where one merely counts (0, 1, ...; 1, 2, ...;
    f0, f1, ...) and the other has words.

    Parameters
    ----------
    own, wanted : names on both sides
    whose : what has them, for messages

    Raises
    ------
    DataError
        When the names are others, or one occurs twice.

    Examples
    --------
    >>> reordering(("blue", "green", "red"), ("red", "green", "blue"))
    (2, 1, 0)
    >>> reordering(("1", "2"), ("red", "green")) is None
    True
    """
    if own is None or wanted is None:
        return None
    asked = tuple(wanted)
    for names, what in zip((own, asked), whose, strict=True):
        check_unique(names, what)
    if own == asked:
        return None
    if len(own) == len(asked) and (_counts(own, asked) or _counts(asked, own)):
        return None
    if set(own) != set(asked):
        known, needed = set(own), set(asked)
        lacking = [name for name in asked if name not in known]
        other = [name for name in own if name not in needed]
        said = [f"without {shown(lacking)}"] if lacking else []
        said += [f"with {shown(other)}"] if other else []
        raise DataError(
            f"the features of {whose[0]} are {shown(own)}, not {shown(asked)} as in {whose[1]}: "
            f"{', '.join(said)}. Give the same features, in any order; or rename them."
        )
    places = {name: place for place, name in enumerate(own)}
    return tuple(places[name] for name in asked)


def check_unique(names: Sequence[str], whose: str) -> None:
    """Refuse names of which one occurs twice."""
    twice = [repr(str(name)) for name, n in Counter(names).items() if n > 1]
    if twice:
        several = f"names {', '.join(twice[:_SHOWN][:-1])} and {twice[:_SHOWN][-1]}"
        said = several if len(twice) > 1 else f"name {twice[0]}"
        raise DataError(
            f"the features of {whose} have the {said} more than once: {shown(names)}. Give every "
            "feature its own name, or give data without names to match features by position."
        )


def _counts(names: Names, others: Names) -> bool:
    """Whether names only number the features, and the others do not."""
    if any(re.fullmatch(r"f?\d+", name) for name in others):
        return False
    starts = (("", 0), ("", 1), ("f", 0))
    return any(names == tuple(f"{p}{i + s}" for i in range(len(names))) for p, s in starts)


def shown(names: Sequence[str]) -> str:
    """Names for a message: the first of them, where there are many."""
    some = ", ".join(repr(str(name)) for name in names[:_SHOWN])
    more = f", ... ({len(names)} in all)" if len(names) > _SHOWN else ""
    return f"[{some}{more}]"
