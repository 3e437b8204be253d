"""Values of a state whose types are not those of the fields, as a damaged checkpoint may have."""

from __future__ import annotations

import types
import typing
from functools import lru_cache
from typing import Any

import numpy as np


def refuse_misfits(made: Any) -> None:
    """Raise an error if a field of a dataclass has a value of another type than its annotation.

    Annotations that name no class, such as type variables, allow any value.

    Raises
    ------
    TypeError
        With the class, the field and the type that is there.
    """
    kind: Any = type(made)
    for name, hint in _hints(kind).items():
        value = getattr(made, name)
        if not _fits(value, hint):
            raise TypeError(
                f"{type(made).__name__}.{name} is of type {type(value).__name__}, not {hint}"
            )


@lru_cache(maxsize=512)
def _hints(kind: Any) -> dict[str, Any]:
    names = kind.__dataclass_fields__
    try:
        return {n: h for n, h in typing.get_type_hints(kind).items() if n in names}
    except NameError:  # a class that is imported for type checkers only
        return {}


def _fits(value: Any, hint: Any) -> bool:
    origin = typing.get_origin(hint)
    if hint is Any or isinstance(hint, typing.TypeVar):
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, each) for each in typing.get_args(hint))
    if origin is typing.Literal:
        return value in typing.get_args(hint)
    if origin is np.ndarray:
        return isinstance(value, np.ndarray) and _fits_dtype(value, typing.get_args(hint))
    if origin is tuple:
        return isinstance(value, tuple) and _items_fit(value, typing.get_args(hint))
    kind = hint if origin is None else origin
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is None or kind is type(None):
        return value is None
    try:
        return not isinstance(kind, type) or isinstance(value, kind)
    except TypeError:  # a protocol
        return True


def _items_fit(value: tuple[Any, ...], hints: tuple[Any, ...]) -> bool:
    if len(hints) == 2 and hints[1] is Ellipsis:
        return all(_fits(item, hints[0]) for item in value)
    return len(value) == len(hints) and all(map(_fits, value, hints))


def _fits_dtype(value: Any, hints: tuple[Any, ...]) -> bool:
    kinds = [arg for hint in hints[1:] for arg in typing.get_args(hint)]
    classes = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, np.generic)]
    return all(issubclass(value.dtype.type, kind) for kind in classes)
