"""Palettes as text: JSON, and palettes of GIMP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError


@contextmanager
def text_errors(form: str) -> Iterator[None]:
    """Convert exceptions for text of another form to an error that names the form."""
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"this is not {form} ({error}); give a file that to_json or to_gpl wrote."
        ) from error


def to_json(colours: AnyArray, space: str) -> str:
    """Return colours (k, c), their dtype and their colour space as JSON."""
    fields = {"space": space, "dtype": colours.dtype.name, "colours": colours.tolist()}
    return json.dumps(fields)


def from_json(text: str) -> tuple[AnyArray, str]:
    """Return the colours (k, c) and the colour space of JSON."""
    fields = json.loads(text)
    return np.array(fields["colours"], fields["dtype"]), fields["space"]


def to_gpl(colours: AnyArray, name: str) -> str:
    """Return colours (k, 1 or 3), uint8, as a GIMP palette.

    Raises
    ------
    DataError
        For other channels or another dtype.
    """
    k, channels = colours.shape
    if colours.dtype != np.uint8 or channels not in (1, 3):
        raise DataError(
            "a GIMP palette holds grey or RGB colours of 8 bits; this palette has "
            f"{channels} channel(s) of {colours.dtype}: write JSON."
        )
    rows = np.broadcast_to(colours, (k, 3)).tolist()
    lines = [f"{r:3d} {g:3d} {b:3d}\t#{r:02x}{g:02x}{b:02x}" for r, g, b in rows]
    title = " ".join(name.split())
    return "\n".join(["GIMP Palette", f"Name: {title}", "Columns: 16", "#", *lines, ""])


def from_gpl(text: str) -> AnyArray:
    """Return the colours (k, 3), uint8, of a GIMP palette.

    Raises
    ------
    ValueError
        For text of another form.
    """
    head, *lines = text.splitlines() or [""]
    if head.strip() != "GIMP Palette":
        raise ValueError("it does not begin with 'GIMP Palette'")
    rows = [line.split()[:3] for line in lines if line.strip()[:1].isdigit()]
    return np.array([(int(red), int(green), int(blue)) for red, green, blue in rows], np.uint8)
