"""The centroids as images, or as lines over the features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from streamkm.arrays import Float64Array
from streamkm.plot.galleries import along_features, as_images, mosaic, show
from streamkm.plot.models import Drawn
from streamkm.plot.style import (
    LINES,
    MARKERS,
    NAMED,
    colours,
    legend_beside,
    literal,
    new_axes,
    number_bar,
    short,
)
from streamkm.rows.units import without_midnight

_NAMED_IMAGES = 100  # maximum number of images with a name each
_POINTS = 30  # maximum number of features with a marker each
_WIDE = 1.6  # width of a gallery in heights


def centroids(model: Any, shape: Sequence[int] | None = None, ax: Axes | None = None) -> Axes:
    """Draw the centroids as images, or as lines over the features, such as spectra or series.

    Parameters
    ----------
    model : estimator, Model, str or path-like
        A fitted estimator, a loaded model, or the path of a model.
    shape : sequence of int, or None
        Shape of a row as an image: (height, width) for grey images, (height, width, 3) or
        (3, height, width) for colour images. With None the centroids are lines; features are
        placed at their coordinates if their names are numbers in order, or more than 20 dates.
    ax : matplotlib Axes, or None
        Axes to draw in; by default new ones.

    Returns
    -------
    matplotlib Axes
        The axes of the drawing.

    Raises
    ------
    DataError
        If a row does not have the shape.

    Examples
    --------
    >>> import numpy as np, streamkm, streamkm.plot
    >>> model = streamkm.KMeans.from_centroids(np.arange(12.0).reshape(2, 6))
    >>> len(streamkm.plot.centroids(model).lines)
    2
    >>> ax = streamkm.plot.centroids(model, shape=(2, 3))
    >>> [text.get_text() for text in ax.texts]
    ['0', '1']
    """
    drawn = Drawn.from_model(model)
    if shape is None:
        return _lines(drawn, ax or new_axes())
    images = as_images(drawn.centroids, shape)
    h, w = images.shape[1:3]
    columns = min(len(images), max(1, math.ceil(math.sqrt(_WIDE * len(images) * h / w))))
    named = len(images) <= _NAMED_IMAGES
    gaps = (math.ceil(0.3 * h) if named else max(1, h // 10), max(1, w // 10))
    ax = ax or new_axes()
    show(ax, mosaic(images, columns, gaps))
    if named:
        _write_names(ax, drawn.names, columns, (h + gaps[0], w + gaps[1]), h)
    ax.set_title(f"{len(images)} centroids", fontsize="medium")
    return ax


def _write_names(
    ax: Axes, names: Sequence[str], columns: int, cell: tuple[int, int], height: int
) -> None:
    """Write the name of each image below it."""
    rows = -(-len(names) // columns)
    size = float(np.clip(60 / max(rows, columns), 5, 9))
    for number, name in enumerate(names):
        row, column = divmod(number, columns)
        x, y = column * cell[1] + (cell[1] - 1) / 2 - 0.5, row * cell[0] + height - 0.4
        ax.text(x, y, short(name, 12), ha="center", va="top", fontsize=size)
    ax.set_ylim(rows * cell[0] - 0.5, -0.5)  # room for the lowest names


def _lines(drawn: Drawn, ax: Axes) -> Axes:
    values: Float64Array = drawn.centroids
    names, (k, d) = drawn.names, values.shape
    known = drawn.feature_names
    x = along_features(ax, None if known is None else without_midnight(known), d, drawn.feature_dim)
    shades = colours(k)
    for number in range(k):
        marker = MARKERS[number % len(MARKERS)] if d <= _POINTS and k <= NAMED else ""
        ax.plot(
            x,
            values[number],
            color=shades[number],
            ls=LINES[number % len(LINES)] if k <= NAMED else "-",
            lw=1.5 if k <= NAMED else 0.8,
            marker=marker,
            markersize=5,
            label=short(names[number]),
        )
    ax.set_ylabel(
        f"centroid [{literal(drawn.unit)}]" if drawn.unit else "centroid (units of the data)"
    )
    if k <= NAMED:
        handles: list[Line2D] = list(ax.lines)
        legend_beside(ax, handles)
    else:
        number_bar(ax, k, f"number of the cluster ({k} clusters)")
    return ax
