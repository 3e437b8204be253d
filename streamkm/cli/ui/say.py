"""Printing of text from users and files, safe for any terminal."""

from __future__ import annotations

import json
import math
import unicodedata
from typing import Any

import click

# Invisible characters that change the direction of the text after them.
_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
_ESCAPED = ("Cc", "Cs", "Zl", "Zp")


def safe(text: str) -> str:
    r"""Return text with escaped control characters; line ends and tabs stay.

    Examples
    --------
    >>> safe("a\x1b[2Jb"), safe("name\udcff"), safe("two\nlines")
    ('a\\x1b[2Jb', 'name\\udcff', 'two\nlines')
    """
    return "".join(
        char.encode("unicode_escape").decode()
        if (unicodedata.category(char) in _ESCAPED and char not in "\n\t") or char in _BIDIRECTIONAL
        else char
        for char in text
    )


def say(text: str) -> None:
    """Print a line to the standard output."""
    click.echo(safe(text))


def say_aside(text: str) -> None:
    """Print a line to the standard error stream."""
    click.echo(safe(text), err=True)


def strict_json(facts: Any) -> str:
    """Return facts as strict JSON, in which non-finite numbers are null."""
    return json.dumps(_finite(facts), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
