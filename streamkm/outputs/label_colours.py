"""Colours of clusters, in plots and in files of labels."""

from __future__ import annotations

import colorsys

# The first six colours are from Okabe and Ito (2008). Each further colour has the largest distance
# from all colours before it, for normal vision, protanopia, deuteranopia and tritanopia (Machado et
# al. 2009), among sRGB colours of medium lightness, which differ from white paper and black marks.
COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#8800FF", "#552200"),
    *("#333344", "#AACC77", "#DD0044", "#BB55FF", "#3333AA", "#551166", "#993377", "#DDAAAA"),
    *("#446633", "#FF4477", "#665500", "#CC00AA"),
)
_TURN = 0.618034  # of the colour circle; consecutive hues are then far apart
_SHADES = ((0.45, 0.75), (0.62, 0.55), (0.32, 0.9))  # lightness and saturation, in turn


def colour_table(k: int) -> list[tuple[int, int, int]]:
    """Return red, green and blue of k clusters, from 0 to 255.

    Examples
    --------
    >>> colour_table(2)
    [(0, 114, 178), (230, 159, 0)]
    """
    if k <= len(COLOURS):
        return [tuple(bytes.fromhex(colour[1:])) for colour in COLOURS[:k]]  # type: ignore[misc]
    found = []
    for number in range(k):
        lightness, saturation = _SHADES[number % len(_SHADES)]
        shade = colorsys.hls_to_rgb(number * _TURN % 1, lightness, saturation)
        red, green, blue = (round(255 * value) for value in shade)
        found.append((red, green, blue))
    return found
