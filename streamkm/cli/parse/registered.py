"""Options whose values are the names that files of a package register."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def registered_names(package: str) -> list[str]:
    """Return the names that the files of a package register, without importing them.

    Parameters
    ----------
    package : 'seeding' or 'ingesting'
    """
    # Not by importlib.resources, whose import takes longer than the rest of this function.
    sources = Path(__file__).parents[2].joinpath(package).glob("*.py")
    texts = [each.read_text("utf-8") for each in sources]
    return sorted(
        name for text in texts for name in re.findall(r'^@register\(\s*"(.+?)"', text, re.M)
    )


def _methods(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of the seeding methods that begin so, for the shell."""
    names = ["auto", *registered_names("seeding")]
    return [name for name in names if name.startswith(incomplete)]


def init_option(command: F) -> F:
    """Add the option that names a seeding method; the command compares it with the registry."""
    names = ", ".join(["auto", *registered_names("seeding")])
    option = click.option(
        "--init",
        metavar="METHOD",
        default="auto",
        shell_complete=_methods,
        show_default=True,
        help=f"Method that finds the first centroids: {names}. auto is coreset, a search in a "
        "sample, which takes 2 reads, or two-level, a search in groups of it, from 2,000 clusters "
        "on; k-means++ and farthest take one for each centroid.",
    )
    return option(command)
