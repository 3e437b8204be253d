"""Names of features: where they are stored, and how data are matched by them."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from streamkm.errors import DataError
from streamkm.rows.coordinates import close, coordinate
from streamkm.rows.kinds import is_a

Names: TypeAlias = tuple[str, ...]

_MOST = 65_536  # data with more features have no names
_SHOWN = 12
_WHOSE = ("the data", "the fit")
_COARSE = ("Y", "M", "W", "D", "h", "m")  # units of times that are printed without seconds
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


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
    data : Named, table, xarray.DataArray or zarr.Array; others have no names
    shape, dims : shape of the array, and the names of its dimensions
    axes : axes of the features

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


def reordering(
    own: Names | None,
    wanted: Sequence[str] | None,
    whose: tuple[str, str] = _WHOSE,
) -> tuple[int, ...] | None:
    """Return the position of each wanted name in the data; None if features match by position.

    Features match by position if one side has no names, or if one side is a numbering (0, 1, ...;
    1, 2, ...; f0, f1, ...) and the other has words. Numeric names are compared as numbers: 450
    equals 450.0, and so do numbers that differ by less than a thousandth of their spacing.

    Parameters
    ----------
    own, wanted : names of the data, and names to match
    whose : what has these names, for messages

    Raises
    ------
    DataError
        If the names differ, or one occurs twice.

    Examples
    --------
    >>> reordering(("blue", "green", "red"), ("red", "green", "blue"))
    (2, 1, 0)
    >>> reordering(("1", "2"), ("red", "green")) is None
    True
    >>> reordering(("550", "450"), ("450.0", "550.0"))
    (1, 0)
    """
    if own is None or wanted is None:
        return None
    asked = tuple(wanted)
    for names, what in zip((own, asked), whose, strict=True):
        check_unique(names, what)
    own = _respelled(own, asked)
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
        fix = (
            "Give the same features, in any order, or rename them. To match them by position, give "
            "data without names: drop the coordinate (in xarray, drop_vars), or give the values of "
            "the table as an array."
        )
        if not lacking and whose == _WHOSE:
            fix = (
                f"Select the features of the fit: data[{shown(asked)}] for a table or a Dataset, "
                "sel for a DataArray."
            )
        raise DataError(
            f"the features of {whose[0]} are {shown(own)}, not {shown(asked)} as in {whose[1]}: "
            f"{', '.join(said)}. {fix}"
        )
    places = {name: place for place, name in enumerate(own)}
    return tuple(places[name] for name in asked)


def check_unique(names: Sequence[str], whose: str) -> None:
    """Raise an error if a name occurs twice."""
    twice = [repr(str(name)) for name, n in Counter(names).items() if n > 1]
    if twice:
        several = f"names {', '.join(twice[:_SHOWN][:-1])} and {twice[:_SHOWN][-1]}"
        said = several if len(twice) > 1 else f"name {twice[0]}"
        raise DataError(
            f"the features of {whose} have the {said} more than once: {shown(names)}. Give every "
            "feature its own name, or give data without names to match features by position."
        )


def _respelled(own: Names, wanted: Names) -> Names:
    """Return the names with numbers spelled like equal numbers of the wanted names."""
    if set(own) == set(wanted):
        return own
    parts = [[name.split(", ") for name in names] for names in (own, wanted)]
    if len({len(labels) for side in parts for labels in side}) != 1:  # a comma inside a name
        parts = [[[name] for name in names] for names in (own, wanted)]
    columns = zip(*(zip(*side, strict=True) for side in parts), strict=True)
    spelled = [_paired(set(mine), set(theirs)) for mine, theirs in columns]
    return tuple(
        ", ".join(pairs.get(label, label) for label, pairs in zip(labels, spelled, strict=True))
        for labels in parts[0]
    )


def _paired(own: set[str], wanted: set[str]) -> dict[str, str]:
    """Return the wanted label for each equal number; empty if the labels are not numbers."""
    labels = own | wanted
    if own == wanted or len(own) != len(wanted) or not all(map(_NUMBER.fullmatch, labels)):
        return {}
    if all(label.isdigit() for label in labels):  # compared as exact text
        return {}
    mine, theirs = sorted(own, key=float), sorted(wanted, key=float)
    a, b = np.array(mine, np.float64), np.array(theirs, np.float64)
    precision = np.finfo(np.float64 if len(own) > 1 else np.float32).eps
    whole = np.array_equal(a, np.rint(a)) and np.array_equal(b, np.rint(b))
    equal = np.array_equal(a, b) if whole else close(a, b, float(precision))
    distinct = bool(np.all(np.diff(a) > 0) and np.all(np.diff(b) > 0))
    return dict(zip(mine, theirs, strict=True)) if equal and distinct else {}


def _counts(names: Names, others: Names) -> bool:
    """Return whether names only number the features, and the other names do not."""
    if any(re.fullmatch(r"f?\d+", name) for name in others):
        return False
    starts = (("", 0), ("", 1), ("f", 0))
    return any(names == tuple(f"{p}{i + s}" for i in range(len(names))) for p, s in starts)


def shown(names: Sequence[str]) -> str:
    """Return names for a message, only the first ones if there are many."""
    some = ", ".join(repr(str(name)) for name in names[:_SHOWN])
    more = f", ... ({len(names)} in all)" if len(names) > _SHOWN else ""
    return f"[{some}{more}]"
