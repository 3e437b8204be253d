"""Plots as SVG within a page, readable on light and on dark paper."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

from streamkm.reporting.html import Html, attributes_of, tag

PAPER, DARK_PAPER, DARK_INK = "#ffffff", "#15181c", "#e8eaed"
_LEAST_CONTRAST = 3.0  # of graphics with the paper (WCAG 2.2, 1.4.11)
_WIDTH, _LEAST_HEIGHT, _SHRINK = 5.2, 2.2, 0.85  # inches
_HEX = re.compile(r"(?<=: )#([0-9a-f]{6})\b")
_USED = re.compile(r"var\(--c([0-9a-f]{6}),")
_NEEDLESS = re.compile(r"<\?xml.*?<svg |<metadata>.*?</metadata>", re.DOTALL)
_GROUP = re.compile(r'(<g\b[^>]*?) id="[^"]*"')  # repeated in other pictures of the page


def picture(draw: Callable[[], Any], caption: str) -> Html:
    """Return what `streamkm.plot` draws as a figure with its caption.

    Parameters
    ----------
    draw : function that returns the Axes
    caption : text below the picture, which is also its description for screen readers
    """
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    # Names are from the data, and may have letters that the font lacks.
    settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": caption}
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure = draw().figure
        # Narrower than the plots of a program, so that the letters can be read on a phone.
        figure.set_size_inches(_WIDTH, max(_LEAST_HEIGHT, figure.get_figheight() * _SHRINK))
        written = io.StringIO()
        try:
            figure.savefig(written, format="svg", transparent=True)
        finally:
            plt.close(figure)
    drawn = Html(themed(written.getvalue(), caption))
    return tag("figure", drawn, tag("figcaption", caption))


def themed(svg: str, label: str) -> str:
    """Return a drawing of matplotlib as an element whose colours depend on the theme."""
    svg = _NEEDLESS.sub(lambda found: "<svg " if "<svg" in found[0] else "", svg).rstrip()
    attributes = attributes_of(role="img", aria_label=label)
    svg = _GROUP.sub(r"\1", svg).replace("<svg ", f"<svg{attributes} ", 1)
    return _HEX.sub(r"var(--c\1,#\1)", svg)


def dark_colours(page: str) -> str:
    """Return the declarations of the colours of a page on dark paper."""
    used = sorted(set(_USED.findall(page)))
    return "".join(f"--c{colour}:{on_dark(f'#{colour}')};" for colour in used)


def on_dark(colour: str) -> str:
    """Return a colour for dark paper: greys are inverted, dark colours are lightened.

    Examples
    --------
    >>> on_dark("#ffffff"), on_dark("#000000"), on_dark("#E69F00")
    ('#15181c', '#e8eaed', '#e69f00')
    """
    values = _values(colour)
    if max(values) - min(values) <= 4:
        share = values[0] / 255
        return _hex(
            [
                round(dark * share + light * (1 - share))
                for dark, light in zip(_values(DARK_PAPER), _values(DARK_INK), strict=True)
            ]
        )
    while contrast(_hex(values), DARK_PAPER) < _LEAST_CONTRAST:
        values = [value + max(1, (255 - value) // 16) for value in values]
    return _hex(values)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours by WCAG 2.2, from 1 to 21.

    Examples
    --------
    >>> contrast("#000000", "#ffffff")
    21.0
    """
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    linear = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (value / 255 for value in _values(colour))
    )
    return sum(w * value for w, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _values(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def _hex(values: list[int]) -> str:
    return "#" + "".join(f"{min(255, value):02x}" for value in values)
