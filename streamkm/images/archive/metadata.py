"""The metadata of an image in an archive."""

from __future__ import annotations

import base64
import json
from types import NoneType
from typing import Any

from streamkm.rows import damage


def parsed(text: str, path: str) -> dict[str, Any]:
    """Return the metadata of an image of the archive at a path from their stored text, JSON.

    Raises
    ------
    DataError
        If the text is damaged.
    """
    with damage(f"the metadata of an image of {path}"):
        found: dict[str, Any] = json.loads(text)
        base64.b64decode(found.get("exif", ""), validate=True)
        if not all(isinstance(value, (int, float)) for value in found.get("dpi", ())):
            raise ValueError("the resolution is no number")
        if not isinstance(found.get("icc"), (str, NoneType)):
            raise ValueError("the name of the profile is no text")
    return found
