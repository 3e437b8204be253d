"""The sizes of the clusters as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from streamkm.arrays import Float64Array
from streamkm.errors import DataError
from streamkm.plot.models import Drawn
from streamkm.plot.style import FIRST, GREY, NAMED, new_axes, percent, short


def sizes(model: Any, ax: Axes | None = None) -> Axes:
    """Draw the sizes of the clusters as bars, the largest first, with their shares.

    Parameters
    ----------
    model : estimator, Model, str or path-like
        A fitted estimator, a loaded model, or the path of a model.
    ax : matplotlib Axes, or None
        Axes to draw in; by default new ones.

    Returns
    -------
    matplotlib Axes
        The axes of the drawing.

    Raises
    ------
    DataError
        If the model does not have the sizes of its clusters (`counts_`).

    Examples
    --------
    >>> import numpy as np, streamkm, streamkm.plot
    >>> x = np.repeat([[0.0], [9.0]], [3, 1], axis=0)
    >>> ax = streamkm.plot.sizes(streamkm.KMeans(2, random_state=0).fit(x))
    >>> [text.get_text() for text in ax.texts]
    ['3 (75.0 %)', '1 (25.0 %)']
    """
    drawn = Drawn.from_model(model)
    counts = getattr(drawn.fitted, "counts_", None)
    if counts is None:
        raise DataError(
            f"this {type(drawn.fitted).__name__} has no counts_, the sizes of its clusters; a fit "
            "of KMeans, SphericalKMeans or BisectingKMeans sets them."
        )
    return draw_counts(drawn.names, counts, ax)


def draw_counts(names: Sequence[str], counts: Float64Array, ax: Axes | None) -> Axes:
    """Draw the sizes (k,) of named clusters."""
    order = np.argsort(-counts, kind="stable")
    if len(names) > NAMED:
        return _curve(ax or new_axes(), counts[order])
    ax = ax or new_axes(height=max(2.0, 1.2 + 0.24 * len(names)))
    bars = ax.barh(np.arange(len(names)), counts[order], color=FIRST)
    total = counts.sum() or 1.0
    texts = [f"{count:,.6g} ({percent(count / total)})" for count in counts[order]]
    ax.bar_label(bars, texts, padding=3, fontsize="small")
    ax.set_yticks(np.arange(len(names)), [short(names[i]) for i in order])
    ax.invert_yaxis()
    ax.margins(x=0.25)
    ax.set_xlim(left=0)
    ax.set_xlabel("rows (sum of their weights)")
    ax.set_ylabel("cluster")
    return ax


def _curve(ax: Axes, counts: Float64Array) -> Axes:
    """Draw sorted sizes of too many clusters to name each."""
    ranks = np.arange(1, len(counts) + 1)
    ax.bar(ranks, counts, width=1.0, color=FIRST)
    mean = counts.mean()
    share = percent(1 / len(counts), 2)
    ax.axhline(mean, color=GREY, ls="--", lw=1, label=f"mean: {mean:,.6g} ({share})")
    ax.legend(frameon=False, loc="upper right", fontsize="small")
    ax.set_xlim(0.5, len(counts) + 0.5)
    ax.set_xlabel(f"rank of the cluster by size ({len(counts)} clusters)")
    ax.set_ylabel("rows (sum of their weights)")
    largest, smallest = (percent(count / (counts.sum() or 1.0)) for count in counts[[0, -1]])
    ax.set_title(f"largest cluster {largest}, smallest {smallest}", fontsize="medium")
    return ax
