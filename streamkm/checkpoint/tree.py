"""Conversion of frozen dataclasses to JSON and arrays and back, without executable content."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

_MANY = 64  # number of integers from which they are stored as an array


def flatten(value: Any, arrays: list[np.ndarray[Any, Any]]) -> Any:
    """Return a value as JSON; its arrays are appended to `arrays`.

    Parameters
    ----------
    value : None, numbers, text, arrays, dtypes, classes, frozen dataclasses, and tuples of these
    arrays : list to which the arrays are appended

    Raises
    ------
    TypeError
        For other values.
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return number if math.isfinite(number) else {"float": repr(number)}
    if isinstance(value, np.ndarray) and value.dtype != object:
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, tuple):
        if len(value) >= _MANY and all(type(item) is int for item in value):
            return {"integers": flatten(np.array(value, np.int64), arrays)}
        return {"tuple": [flatten(item, arrays) for item in value]}
    if isinstance(value, np.dtype):
        return {"dtype": value.str}
    if isinstance(value, type):
        return {"class": value.__name__}
    if is_dataclass(value):
        parts = {f.name: flatten(getattr(value, f.name), arrays) for f in fields(value)}
        return {"is": type(value).__name__, "with": parts}
    raise TypeError(f"a {type(value).__name__} cannot be kept in a checkpoint")


def restore(
    tree: Any, arrays: Sequence[np.ndarray[Any, Any]], known: Mapping[str, type[Any]]
) -> Any:
    """Return the value from the output of `flatten`.

    Parameters
    ----------
    tree : JSON
    arrays : arrays of the value
    known : classes by name; no other classes are instantiated

    Raises
    ------
    KeyError, TypeError
        For unknown classes, or classes that have other fields now.
    """
    if not isinstance(tree, dict):
        return tree
    (kind, what), *more = tree.items()
    match kind:
        case "float":
            return float(what)
        case "array":
            return arrays[what]
        case "integers":
            return tuple(restore(what, arrays, known).tolist())
        case "tuple":
            return tuple(restore(item, arrays, known) for item in what)
        case "dtype":
            return np.dtype(what)
        case "class":
            return known[what]
        case _:
            parts = more[0][1]
            return known[what](**{k: restore(v, arrays, known) for k, v in parts.items()})
