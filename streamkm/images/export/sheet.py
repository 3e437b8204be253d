"""Pictures of an archive: a contact sheet, and swatches of palettes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.files.find import need
from streamkm.files.names import shown
from streamkm.images.archive.archive import Archive
from streamkm.images.colour.palette import Palette
from streamkm.images.colour.spaces import in_8_bits

_SIDE, _GAP = 160, 8  # pixels
_LINE, _LETTERS = 16, 11  # height of a caption and of its letters
_MOST = 60  # images
_MOST_PALETTES = 4
_COLUMNS = 10
_SWATCH = 16
_PAPER, _INK = 255, (60, 60, 60)


def contact_sheet(archive: Archive, most: int = _MOST) -> Any:
    """Draw thumbnails of an archive with their names, and the palettes that images share.

    With more than `most` images, those at equal distances in the sorted list of all names are
    drawn, the first and the last among them. Every folder therefore has its share of the sheet, and
    the choice is the same each time; no random numbers are drawn.

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
    images = need("PIL.Image", "images")
    names = evenly(sorted(archive), most)
    columns = min(_COLUMNS, max(2, math.ceil(math.sqrt(2 * len(names)))))
    rows = -(-len(names) // columns)
    across, down = _SIDE + _GAP, _SIDE + _LINE + _GAP
    strips = []
    palettes = list(archive.palettes().items())[:_MOST_PALETTES]
    for kind, palette in palettes:
        strips.append((kind, swatches(in_8_bits(palette.colours), columns * across - _GAP)))
    top = _LINE + _GAP
    bottom = sum(_LINE + _GAP + strip.shape[0] for _, strip in strips)
    size = (columns * across + _GAP, top + rows * down + _GAP + bottom)
    sheet = images.new("RGB", size, (_PAPER,) * 3)
    write = _Captions(sheet)
    write(_GAP, _GAP // 2, size[0], _title(archive, names))
    for place, name in enumerate(names):
        row, column = divmod(place, columns)
        x, y = _GAP + across * column, top + _GAP + down * row
        small = thumbnail(archive, name)
        height, width, _ = small.shape
        at = (x + (_SIDE - width) // 2, y + _SIDE - height)
        sheet.paste(images.fromarray(small), at)
        write(x, y + _SIDE, _SIDE, name)
    y = top + rows * down + _GAP
    for kind, strip in strips:
        write(_GAP, y, size[0], f"palette of {kind}")
        sheet.paste(images.fromarray(strip), (_GAP, y + _LINE))
        y += _LINE + _GAP + strip.shape[0]
    return sheet


def evenly(names: Sequence[str], most: int) -> list[str]:
    """Return at most `most` names at equal distances, with the first and the last.

    Examples
    --------
    >>> evenly("abcdefghi", 3), evenly("ab", 3), evenly("abc", 1)
    (['a', 'e', 'i'], ['a', 'b'], ['a'])
    """
    n = len(names)
    if n <= most:
        return list(names)
    return [names[place * (n - 1) // max(1, most - 1)] for place in range(most)]


def _title(archive: Archive, names: Sequence[str]) -> str:
    n, name = len(archive), PurePath(archive.path).name
    if len(names) == n:
        return f"{name}: {n:,} image{'s' * (n != 1)}"
    return f"{name}: {len(names):,} of {n:,} images, evenly spaced in the order of their names"


class _Captions:
    """Writes lines of text on a sheet, shortened at their start to a width."""

    def __init__(self, sheet: Any) -> None:
        self._draw = need("PIL.ImageDraw", "images").Draw(sheet)
        self._font = need("PIL.ImageFont", "images").load_default(_LETTERS)

    def __call__(self, x: int, y: int, width: int, text: str) -> None:
        text, short = shown(text), shown(text)
        while len(short) > 1 and self._font.getlength(short) > width:
            text = text[1:]
            short = f"...{text}"
        self._draw.text((x, y), short, fill=_INK, font=self._font)


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
