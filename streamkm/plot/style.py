"""Colours, markers, legends and colour bars that all plots share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap, Normalize

from streamkm.outputs.label_colours import COLOURS

FIRST, SECOND, GREY = "#0072B2", "#D55E00", "#6f6f6f"
NAMED = 20  # maximum number of clusters with a colour and a legend entry each
MARKERS = ("o", "s", "^", "D", "v", "P", "*")
LINES = ("-", "--", ":", "-.")
_BOXES = 256  # maximum number of separate boxes in a colour bar
_TICKS = 10
_HALF = 14  # maximum number of entries in a legend of the usual height
_LINE = 0.165  # height of a line of a legend in inches
_SHORT = 24  # maximum number of characters of a name in a legend


def new_axes(width: float = 7, height: float = 4.5) -> Axes:
    """Return the axes of a new figure of a size in inches."""
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def height_for(k: int) -> float:
    """Return the height of a figure with a legend of k clusters, in inches."""
    return 5.5 if _HALF < k <= NAMED else 4.5


def colours(k: int) -> list[Any]:
    """Return a colour for each of k clusters; more than `NAMED` are shades of one scale."""
    if k <= NAMED:
        return list(COLOURS[:k])
    return list(plt.get_cmap("viridis")(np.linspace(0, 1, k)))


def colour_scale(k: int) -> tuple[Colormap, Normalize]:
    """Return the colours of k clusters as a colour map, and the norm that numbers them."""
    if k > _BOXES:
        return plt.get_cmap("viridis"), Normalize(-0.5, k - 0.5)
    return ListedColormap(colours(k)), BoundaryNorm(np.arange(k + 1) - 0.5, k)


def number_bar(ax: Axes, k: int, label: str = "cluster") -> None:
    """Add a colour bar of k clusters, with ticks at the centres of their boxes."""
    cmap, norm = colour_scale(k)
    bar = bar_beside(ax, ScalarMappable(norm, cmap), label)
    bar.set_ticks(round_steps(k))
    bar.minorticks_off()


def bar_beside(ax: Axes, colours: ScalarMappable, label: str) -> Colorbar:
    """Add a colour bar to the right of the axes, of their height also if their aspect is fixed."""
    return ax.figure.colorbar(colours, cax=ax.inset_axes((1.02, 0, 0.04, 1)), label=label)


def round_steps(n: int, most: int = _TICKS) -> list[int]:
    """Return at most `most` numbers from 0 to n - 1, in steps of 1, 2, 5, 10, 20, 50 and so on."""
    steps = (digit * 10**power for power in range(10) for digit in (1, 2, 5))
    return list(range(0, n, next(step for step in steps if n <= most * step)))


def legend_beside(ax: Axes, handles: Sequence[Any], title: str = "cluster") -> None:
    """Add a legend to the right of the axes, where it covers no data."""
    room = ax.get_window_extent().height / ax.figure.dpi
    ax.legend(
        handles=list(handles),
        title=title,
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        borderaxespad=0,
        frameon=False,
        fontsize="small",
        title_fontsize="small",
        labelspacing=0.35,
        alignment="left",
        ncols=1 if (len(handles) + 2) * _LINE <= room else 2,
    )


def short(name: str, most: int = _SHORT) -> str:
    r"""Return a name of at most `most` characters, which matplotlib draws as it is.

    Examples
    --------
    >>> short("US$ to C$"), short("a long name", 6)
    ('US\\$ to C\\$', 'a lon…')
    """
    return literal(name if len(name) <= most else name[: most - 1] + "…")


def literal(text: str) -> str:
    """Return text in which matplotlib sees no formula, which two dollar signs would begin."""
    return text.replace("$", r"\$")


def percent(share: float, digits: int = 1) -> str:
    """Return a share as text.

    Examples
    --------
    >>> percent(0.1234), percent(0.00001), percent(0), percent(0.625, 0)
    ('12.3 %', '<0.1 %', '0 %', '62 %')
    """
    least = 10.0**-digits
    if 0 < 100 * share < least:
        return f"<{least:.{digits}f} %"
    return f"{100 * share:.{digits}f} %" if share else "0 %"
