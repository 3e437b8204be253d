"""Choice of an array in a group: the one that is named, or the only one of data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from streamkm.errors import DataError

_SHOWN = 20  # maximum number of array names in a message
_BESIDE = ("coordinates", "bounds", "climatology")  # attributes that name arrays of no data


def chosen(
    where: str,
    arrays: Mapping[str, Any],
    variable: str | None,
    below: Callable[[], Mapping[str, Any]],
    kind: str = "group",
    coordinates: str = "",
) -> Any:
    """Return the array in a group that holds the data; also in nested groups if it holds none.

    Coordinates do not count: arrays with at most one dimension, and those that the attributes
    `coordinates`, `bounds` and `climatology` name.

    Parameters
    ----------
    where : path of the group
    arrays : arrays of the group by name
    variable : a name that was not found in the group, or None
    below : returns all arrays by name, also those in nested groups
    kind : what is at the path
    coordinates : names of further arrays that are coordinates

    Raises
    ------
    DataError
        If there is no such array, or there are several; the message lists the arrays.
    """
    found = arrays or below()
    named = set(coordinates.split())
    for array in found.values():
        named |= {name for key in _BESIDE for name in str(array.attrs.get(key, "")).split()}
    data = [array for name, array in found.items() if array.ndim > 1 and name not in named]
    data = data or list(found.values())
    if variable is None and len(data) == 1:
        return data[0]
    names = sorted(found if variable is None else below())
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    has = "" if variable is None else f" without {variable!r}"
    if not names:
        raise DataError(f"{where} is a {kind}{has} that holds no arrays.")
    raise DataError(
        f"{where} is a {kind}{has}: name one of its arrays {names[:_SHOWN]}{more},",
        python="as streamkm.open_array(path, 'name').",
        command="by --variable.",
    )
