"""A palette that is given for all images: an array, a file, a model or an archive."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.images.archive.archive import Archive
from streamkm.images.colour.palette import Palette
from streamkm.images.colour.palette_files import from_gpl, from_json
from streamkm.images.colour.spaces import space_of
from streamkm.models.storage import load_model
from streamkm.outputs import ARCHIVE, kind_of

_MOST = 2**16
_HEX = re.compile(r"(?:#|0x)?(?:ff)?([0-9a-f]{6})(?![0-9a-z])", re.IGNORECASE)
_FORMS = ".npy, .gpl, .act, .pal (JASC), .json of streamkm, text with a colour such as #00ff7f in "
_FORMS += "each line, a model of pixels, or an archive with one palette"


def given_colours(palette: Any) -> AnyArray:
    """Return the colours (k, 1 or 3), uint8 or uint16, of a palette that a user gives, in order.

    Parameters
    ----------
    palette : Palette, array of shape (k, 1 or 3), or path of a file, a model or an archive

    Raises
    ------
    DataError
        If it has no such colours.
    """
    if isinstance(palette, Palette):
        return palette.colours
    if not isinstance(palette, (str, os.PathLike)):
        return _whole(np.asarray(palette), "the palette")
    where = os.fspath(palette)
    try:
        return _whole(_at(where), where)
    except FileNotFoundError as error:
        raise DataError(f"there is no palette {where}.") from error
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{where} is not a palette ({error}); give {_FORMS}.") from error


def palette_for(colours: AnyArray, channels: int, dtype: str, space: str) -> Palette:
    """Return the colours as a palette of images of some channels and a dtype.

    Raises
    ------
    DataError
        If colours are not grey, or need 16 bits, but the images are grey, or have 8 bits.
    """
    if channels == 3:
        colours = np.broadcast_to(colours, (len(colours), 3))
    elif (colours != colours[:, :1]).any():
        raise DataError(
            "grey images cannot have a palette with other colours than grey: convert them to RGB, "
            "or give greys."
        )
    wanted, own = np.dtype(dtype), colours.dtype
    if wanted.itemsize > own.itemsize:
        colours = colours.astype(wanted) * 257
    elif wanted.itemsize < own.itemsize:
        if (colours % 257).any():
            raise DataError("the palette has 16 bits, but images have 8: give colours of 8 bits.")
        colours = (colours // 257).astype(wanted)
    return Palette(colours[:, :channels], space_of(channels, space))


def _at(where: str) -> AnyArray:
    """Return the colours at a path."""
    if "://" in where or Path(where).is_dir():
        return _of_archive(where) if kind_of(where) == ARCHIVE else _of_model(where)
    suffix = Path(where).suffix.lower()
    if suffix == ".npy":
        values: AnyArray = np.load(where, allow_pickle=False)
        return values
    content = Path(where).read_bytes()
    if suffix == ".act":
        return _of_act(content)
    text = content.decode()
    if text.startswith("GIMP Palette"):
        return from_gpl(text)
    if text.startswith("{"):
        return from_json(text)[0]
    if text.startswith("JASC-PAL"):
        return np.array([line.split()[:3] for line in text.splitlines()[3:] if line.strip()], int)
    return np.array(list(_hex_lines(text)), np.uint8)


def _of_archive(where: str) -> AnyArray:
    found = Archive(where).palettes()
    if len(found) != 1:
        raise ValueError(f"its archive has {len(found)} shared palettes")
    return next(iter(found.values())).colours


def _of_model(where: str) -> AnyArray:
    """Return the centroids of a model of pixels, rounded."""
    centroids = load_model(where).centroids
    if not centroids.max() > 1:
        raise ValueError("no centroid is above 1, so they are not colours of 8 or 16 bits")
    return np.asarray(np.rint(centroids).astype(np.int64))


def _of_act(content: bytes) -> AnyArray:
    """Return the colours of Adobe's table: 256 of three bytes, and perhaps their number."""
    if len(content) not in (768, 772):
        raise ValueError(f"it has {len(content)} bytes, not 768 or 772")
    count = int.from_bytes(content[768:770]) if len(content) == 772 else 256
    return np.frombuffer(content[:768], np.uint8).reshape(256, 3)[: count or 256]


def _hex_lines(text: str) -> Iterator[list[int]]:
    """Yield the colour of each line; lines that begin with ``;``, ``//`` or ``# `` are comments."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        found = _HEX.match(words)
        if found:
            yield list(bytes.fromhex(found[1]))
        elif words and not words.startswith((";", "//", "# ")):
            raise ValueError(f"line {number} is not a colour: {words[:20]!r}")


def _whole(values: AnyArray, name: str) -> AnyArray:
    """Return colours as uint8 or uint16."""
    if values.ndim != 2 or values.shape[1] not in (1, 3) or not 1 <= len(values) <= _MOST:
        raise DataError(
            f"{name} has the shape {values.shape}; a palette has shape (k, 3) or (k, 1), with 1 to "
            f"{_MOST:,} colours."
        )
    if values.dtype.kind not in "iu" or values.min() < 0 or values.max() >= _MOST:
        raise DataError(
            f"{name} has values of {values.dtype} from {values.min()} to {values.max()}; colours "
            "are whole numbers from 0 to 255, or to 65,535."
        )
    deep = values.dtype == np.uint16 or values.max() > 255
    return values.astype(np.uint16 if deep else np.uint8)
