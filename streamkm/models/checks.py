"""Checks of what a stored model contains, beyond the dtype and shape of its arrays."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.outputs import number
from streamkm.outputs.reading import StoredGroup
from streamkm.rows import RESTORE


def impossible(group: StoredGroup, what: str) -> NoReturn:
    """Raise the error for a content that no fit has."""
    raise DataError(f"{group.where} is damaged: {what}; {RESTORE}.")


def finite(
    group: StoredGroup, name: str, ndim: int, shape: tuple[int | None, ...] | None = None
) -> AnyArray:
    """Read an array of floats, none of which is NaN or infinite."""
    values = group.read(name, ndim, "f", shape)
    if not np.isfinite(values).all():
        impossible(group, f"{name!r} has NaN or infinite values")
    return values


def not_negative(group: StoredGroup, name: str, length: int | None) -> AnyArray:
    """Read an array of finite floats, none of which is below zero."""
    values = finite(group, name, 1, (length,))
    if (values < 0).any():
        impossible(group, f"{name!r} has values below zero")
    return values


def real(group: StoredGroup, name: str) -> float:
    """Return an attribute that is a number, or 'nan', 'inf' or '-inf'."""
    found = number(group.attribute(name))
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        impossible(group, f"its attribute {name!r} is no number")
    return found


def listed(group: StoredGroup, name: str, length: int) -> list[Any]:
    """Return an attribute that is a list of a length, or an empty list if it has none."""
    found = group.attribute(name, list) if name in group.attributes else []
    if found and len(found) != length:
        impossible(group, f"its attribute {name!r} has {len(found)} items instead of {length}")
    return list(found)


def names_of_clusters(group: StoredGroup, length: int) -> list[Any]:
    """Return the attribute `names`, a list of texts, numbers and nulls, as `listed` does."""
    found = listed(group, "names", length)
    if not all(name is None or isinstance(name, (str, int, float)) for name in found):
        impossible(group, "its attribute 'names' has items that are no names")
    return found


def refuse_empty(group: StoredGroup, name: str, values: AnyArray) -> None:
    """Raise an error for an array without values, such as no clusters or no features."""
    if not values.size:
        impossible(group, f"{name!r} has the shape {values.shape}")


def texts(group: StoredGroup, name: str, length: int) -> list[str]:
    """Return an attribute that is a list of texts, as `listed` does."""
    found = listed(group, name, length)
    if not all(isinstance(item, str) for item in found):
        impossible(group, f"its attribute {name!r} has items that are no text")
    return found


def numbers_by_name(group: StoredGroup, name: str) -> dict[str, Any]:
    """Return an attribute that is a dictionary of numbers, or an empty one if there is none."""
    found = group.attribute(name, dict) if name in group.attributes else {}
    if not all(isinstance(value, (int, float)) for value in found.values()):
        impossible(group, f"its attribute {name!r} has items that are no numbers")
    return dict(found)
