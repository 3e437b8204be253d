"""The base class of everything that a checkpoint may hold."""

from __future__ import annotations

from typing import Any

CLASSES: dict[str, type[Checkpointable]] = {}


class Checkpointable:
    """Base class of the frozen dataclasses that a checkpoint may hold.

    Checkpoints store a class by its name and its fields as JSON and arrays. Saving refuses an
    instance of any other class, and loading creates no other, so nothing in a checkpoint can run
    code. Passes, statistics and seeding methods derive from it; a helper dataclass in one of their
    fields must derive from it, too.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Interval(Checkpointable):
    ...     low: float
    ...     high: float
    >>> CLASSES["Interval"](0.0, 1.0)
    Interval(low=0.0, high=1.0)
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        CLASSES[cls.__name__] = cls
