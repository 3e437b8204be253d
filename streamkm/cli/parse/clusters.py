"""One number of clusters, or several, on the command line."""

from __future__ import annotations

import re
from typing import Any

import click

_MOST = 10_000  # numbers in a range; each is a fit


class NumberOfClusters(click.IntRange):
    """A number of clusters; for several there is another command."""

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        if isinstance(value, str) and _is_several(_as_range(value)):
            meant = _as_range(value)
            self.fail(f"{value!r}: for several k, use `streamkm sweep -k {meant}`", param, ctx)
        number: int = super().convert(value, param, ctx)
        return number


class NumbersOfClusters(click.ParamType[list[int]]):
    """Numbers of clusters, such as 1:20 (20 included), 10:100:10 or 2,4,8."""

    name = "k"

    def convert(self, value: Any, param: Any, ctx: Any) -> list[int]:
        try:
            return _numbers(value)
        except ValueError:
            meant = _as_range(value)
            more = f" Did you mean {meant}?" if meant != value and _is_several(meant) else ""
            self.fail(f"{value!r}: write 1:20, 10:100:10 or 2,4,8.{more}", param, ctx)


def _numbers(value: str) -> list[int]:
    """Return the numbers in a text such as 1:20 (20 included), 10:100:10 or 2,4,8, sorted.

    Raises
    ------
    ValueError
        For other texts.
    """
    numbers: set[int] = set()
    for part in value.split(","):
        first, *rest = [int(number) for number in part.split(":")]
        last, step, *more = [*rest, *(first, 1)[len(rest) :]]
        wanted = range(first, last + 1, step)
        if more:
            raise ValueError(value)
        if wanted[_MOST:]:
            raise click.BadParameter(f"{value!r} has more than {_MOST:,} numbers.")
        numbers |= set(wanted)
    if not numbers or min(numbers) < 1:
        raise ValueError(value)
    return sorted(numbers)


def _is_several(value: str) -> bool:
    """Return whether a text means several numbers, of at most six digits."""
    if not re.fullmatch(r"\d{1,6}([:,]\d{1,6})+", value):
        return False
    try:
        return len(_numbers(value)) > 1
    except ValueError:
        return False


def _as_range(value: str) -> str:
    """Return a range such as 2-12 or 2..12 as 2:12."""
    return re.sub(r"(?<=\d)\s*(?:-|\.\.\.?|to)\s*(?=\d)", ":", value)
