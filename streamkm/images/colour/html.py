"""The HTML of palettes in notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamkm.arrays import AnyArray
from streamkm.html_repr import colour_row, html_repr
from streamkm.images.colour.spaces import in_8_bits

if TYPE_CHECKING:
    from streamkm.images.colour.palette import Palette

_COLOURS = 256  # colours that are shown


def colours_html(title: str, colours: AnyArray) -> str:
    """Return the HTML of colours (k, c), uint8 or uint16; nothing unless they are grey or RGB."""
    if colours.shape[1] not in (1, 3):
        return ""
    shown = in_8_bits(colours[:_COLOURS])
    rgb = shown.repeat(3, axis=1) if shown.shape[1] == 1 else shown
    return colour_row(title, rgb.tolist(), len(colours) - len(shown))


def palette_html(palette: Palette) -> str:
    """Return the HTML of a palette."""
    k, channels = palette.colours.shape
    facts = {
        "colours": f"{k:,} of {channels} channel{'s' * (channels > 1)}, {palette.dtype}",
        "space": palette.space,
    }
    own = colours_html("in the order of their codes", palette.colours)
    return html_repr("streamkm.images.Palette", repr(palette), facts, own)
