"""Options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from streamkm.sizes import parse_bytes

F = TypeVar("F", bound=Callable[..., Any])

# Written out, as asking the seedings for their names costs half a second [a test compares them].
INITS = ("auto", "coreset", "k-means||", "k-means++", "random", "farthest", "farthest||")


def data_options(command: F) -> F:
    """The options that say what the data are and how much memory there is for them."""
    for option in (
        click.option(
            "--memory-limit",
            type=Bytes(),
            metavar="SIZE",
            help="Peak memory of this process, such as 2GiB; blocks are planned to keep it.",
        ),
        click.option(
            "--feature-dim",
            "feature_dims",
            multiple=True,
            metavar="DIM",
            help="Feature dimension of N-d data, by name or number; may be repeated.",
        ),
        click.option("--variable", help="Array within a Zarr group."),
    ):
        command = option(command)
    return command


class Bytes(click.ParamType[int]):
    """A size such as 2GiB."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        try:
            return parse_bytes(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
