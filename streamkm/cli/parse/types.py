"""Types of the values of options."""

from __future__ import annotations

import math
from typing import Any

import click
from click.shell_completion import CompletionItem

from streamkm.sizes import parse_bytes, parse_seconds


class Finite(click.FloatRange):
    """A finite number in a range."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r}: give a finite number", param, ctx)
        return number


class Place(click.ParamType[str]):
    """A path or URL, whose files the shell completes."""

    name = "path"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")]


class Window(click.ParamType[tuple[int, ...]]):
    """A window of an image, such as 100,50,640,480."""

    name = "window"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if len(parts) != 4 or not all(part.strip().isdecimal() for part in parts):
            self.fail(f"{value!r}: give x, y, width and height, as in 100,50,640,480", param, ctx)
        return tuple(map(int, parts))


class ImageShape(click.ParamType[tuple[int, ...]]):
    """Shape of a row as an image, such as 28x28 or 32x32x3."""

    name = "shape"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        sides = str(value).split("x")
        if len(sides) not in (2, 3) or not all(side.isdecimal() for side in sides):
            self.fail(f"{value!r}: give height x width, as in 28x28 or 32x32x3", param, ctx)
        return tuple(map(int, sides))


class Seconds(click.ParamType[float]):
    """A time such as 55m."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        try:
            return parse_seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Nodata(click.ParamType[Any]):
    """Numbers such as 0,nan, or a word."""

    name = "nodata"

    def __init__(self, *others: str) -> None:
        self._words = ("auto", "none", *others)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value in (*self._words, None):
            return None if value == "none" else value
        try:
            return [float(item) for item in str(value).split(",")]
        except ValueError:
            self.fail(f"{value!r}: give numbers between commas, auto or none", param, ctx)


class Bytes(click.ParamType[int]):
    """A size such as 2GiB."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        try:
            return parse_bytes(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
