"""Notices of parts of images that are left out, one for all images that they apply to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from streamkm.decoding.header import Header
from streamkm.files.names import shown

# The part that is left out, the number of images, and the name of the first one.
Notice = tuple[str, int, str]
_NOT_NUMBERS = "left out, because not all of their values are numbers: "


def notices_of(headers: Iterable[Header]) -> tuple[Notice, ...]:
    """Return the notices of some images."""
    return together([[(text, 1, header.name) for text in header.lost] for header in headers])


def together(parts: Iterable[Sequence[Notice]]) -> tuple[Notice, ...]:
    """Combine notices, in the order of their first occurrence.

    Examples
    --------
    >>> together([[("a", 1, "x.gif")], [("a", 2, "y.gif"), ("b", 1, "z.gif")]])
    (('a', 3, 'x.gif'), ('b', 1, 'z.gif'))
    """
    found: dict[str, tuple[int, str]] = {}
    for part in parts:
        for text, count, name in part:
            before, first = found.get(text, (0, name))
            found[text] = before + count, first
    return tuple((text, count, name) for text, (count, name) in found.items())


def attribute_lines(attributes: Mapping[str, Any]) -> list[str]:
    """Return the notices in the attributes of an array as lines of text.

    Examples
    --------
    >>> attribute_lines({"left_out": ["id", "name"]})
    ['left out, because not all of their values are numbers: id, name']
    """
    names = attributes.get("left_out", [])
    lines = [_NOT_NUMBERS + ", ".join(map(shown, names))] if names else []
    return lines + notice_lines(attributes.get("notices", []))


def notice_lines(notices: Iterable[Sequence[object]]) -> list[str]:
    """Return notices as lines of text.

    Examples
    --------
    >>> notice_lines([("the gamma is left out", 2, "a.png")])
    ['2 images (a.png, ...): the gamma is left out']
    """
    lines = []
    for text, count, name in notices:
        first = shown(str(name))
        lines.append(f"{first if count == 1 else f'{count:,} images ({first}, ...)'}: {text}")
    return lines
