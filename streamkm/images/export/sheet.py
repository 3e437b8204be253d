"""Pictures of an archive: a contact sheet, and swatches of palettes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.files.find import need
from streamkm.images.archive.archive import Archive
from streamkm.images.colour.palette import Palette

_SIDE, _GAP = 160, 8  # pixels
_MOST = 60  # images
_COLUMNS = 10
_SWATCH = 16
_PAPER = 255


def contact_sheet(archive: Archive, most: int = _MOST) -> Any:
    """Draw thumbnails of the first images of an archive above the palette of the first image.

    Parameters
    ----------
    archive : Archive
        The archive.
    most : int
        Maximum number of images.

    Returns
    -------
    PIL.Image.Image
        The sheet, in RGB.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from PIL import Image
    >>> from streamkm.images import compress, contact_sheet
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.fromarray(np.eye(9, dtype="u1") * 255).convert("RGB").save(f"{folder}/x.png")
    ...     contact_sheet(compress(f"{folder}/x.png", f"{folder}/x.zarr", 2)).mode
    'RGB'
    """
    names = list(archive)[:most]
    columns = min(_COLUMNS, max(1, math.ceil(math.sqrt(2 * len(names)))))
    rows = -(-len(names) // columns)
    step = _SIDE + _GAP
    paper = np.full((rows * step + _GAP, columns * step + _GAP, 3), _PAPER, np.uint8)
    for place, name in enumerate(names):
        small = thumbnail(archive, name)
        y, x = (_GAP + step * at for at in divmod(place, columns))
        y += (_SIDE - small.shape[0]) // 2
        x += (_SIDE - small.shape[1]) // 2
        paper[y : y + small.shape[0], x : x + small.shape[1]] = small
    if archive.has_palette(names[0]):
        strip = swatches(in_8_bits(archive.palette(names[0])), paper.shape[1] - 2 * _GAP)
        margin = ((0, _GAP), (_GAP, paper.shape[1] - _GAP - strip.shape[1]), (0, 0))
        paper = np.concatenate([paper, np.pad(strip, margin, constant_values=_PAPER)])
    return need("PIL.Image", "images").fromarray(paper)


def thumbnail(archive: Archive, name: str) -> AnyArray:
    """Return a thumbnail (y, x, 3) of limited size, uint8, on a white background."""
    pixels = archive[name]
    height, width, _ = pixels.shape
    shrink = max(1, max(height, width) // (2 * _SIDE))  # a coarse subset, which Pillow then resizes
    values = in_8_bits(pixels.values[::shrink, ::shrink])
    clear = values[..., -1:] if archive.has_alpha(name) else None
    colours = values[..., : archive.n_colours(name)]
    colours = colours[..., :3] if colours.shape[-1] > 2 else np.repeat(colours[..., :1], 3, axis=-1)
    if clear is not None:
        share = clear / 255
        colours = (colours * share + _PAPER * (1 - share)).astype(np.uint8)
    small = need("PIL.Image", "images").fromarray(np.ascontiguousarray(colours))
    small.thumbnail((_SIDE, _SIDE))
    return np.asarray(small)


def swatches(palette: AnyArray, width: int = 512) -> AnyArray:
    """Draw squares of the colours (code, 1 or 3) of a palette, uint8, row by row."""
    colours = np.repeat(palette, 3, axis=1) if palette.shape[1] == 1 else palette[:, :3]
    size = max(4, min(4 * _SWATCH, width // max(1, min(len(colours), width // _SWATCH))))
    columns = max(1, width // size)
    rows = -(-len(colours) // columns)
    grid = np.full((rows * columns, 3), _PAPER, np.uint8)
    grid[: len(colours)] = colours
    return grid.reshape(rows, columns, 3).repeat(size, axis=0).repeat(size, axis=1)


def save_swatches(palette: Palette, path: Path) -> None:
    """Write the colours of a palette as a PNG."""
    image = need("PIL.Image", "images").fromarray(swatches(in_8_bits(palette.colours)))
    image.save(path, "PNG")


def in_8_bits(values: AnyArray) -> AnyArray:
    """Return values of 16 bits as their upper eight bits."""
    return values if values.dtype == np.uint8 else (values >> 8).astype(np.uint8)
