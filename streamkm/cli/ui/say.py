"""Printing of text from users and files, safe for any terminal."""

from __future__ import annotations

import json
import math
from typing import Any

import click

from streamkm.safe_text import safe


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
