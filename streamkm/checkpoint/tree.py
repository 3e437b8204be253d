"""States as JSON and arrays, and back. Loading runs no code of the checkpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from streamkm.checkpoint.kinds import refuse_misfits
from streamkm.checkpointable import CLASSES
from streamkm.errors import CheckpointError

_MANY = 64  # integers from which a tuple becomes an array


def flatten(value: Any, arrays: list[np.ndarray[Any, Any]]) -> Any:
    """Return a value as JSON, with its arrays appended to `arrays`.

    Parameters
    ----------
    value : None, number, str, ndarray, dtype, `Checkpointable` class or instance, tuple of these
    arrays : list of ndarray
        Takes the arrays in the order in which they occur.

    Raises
    ------
    CheckpointError
        For anything else; the message names its class.
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
        return {"class": _name_of(value)}
    name = _name_of(type(value))
    parts = {f.name: flatten(getattr(value, f.name), arrays) for f in fields(value)}
    return {"is": name, "with": parts}


def _name_of(kind: type[Any]) -> str:
    """Return the name by which `restore` finds a class."""
    known = CLASSES.get(kind.__name__)
    if known is kind:
        return kind.__name__
    where = f"{kind.__module__}.{kind.__qualname__} cannot be saved in a checkpoint"
    if known is not None:
        other = f"{known.__module__}.{known.__qualname__}"
        raise CheckpointError(f"{where}, because {other} has the same name: rename one of them.")
    raise CheckpointError(
        f"{where}. Numbers, text, arrays, dtypes, tuples and frozen dataclasses that derive from "
        "streamkm.checkpointable.Checkpointable can be saved."
    )


def restore(tree: Any, arrays: Sequence[np.ndarray[Any, Any]]) -> Any:
    """Return the value that `flatten` was given.

    Parameters
    ----------
    tree : JSON
    arrays : sequence of ndarray

    Raises
    ------
    KeyError, TypeError
        For classes that do not exist, have other fields in this version, or fields with values of
        other types.
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
            return tuple(restore(what, arrays).tolist())
        case "tuple":
            return tuple(restore(item, arrays) for item in what)
        case "dtype":
            return np.dtype(what)
        case "class":
            return CLASSES[what]
        case _:
            parts = more[0][1]
            made = CLASSES[what](**{name: restore(part, arrays) for name, part in parts.items()})
            refuse_misfits(made)
            return made
