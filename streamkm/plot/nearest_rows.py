"""The rows nearest to each centroid, as images or lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from streamkm.arrays import Float64Array
from streamkm.engine import map_reduce
from streamkm.numbers import whole_number
from streamkm.passes import Nearest
from streamkm.plot.galleries import along_features, as_images, mosaic, show
from streamkm.plot.models import Drawn
from streamkm.plot.style import FIRST, new_axes, round_steps, short

_LINE = 0.15  # height of a name in inches
_HIGH = 14  # maximum height of a new figure in inches


def representatives(
    model: Any, X: Any, n: int = 5, *, shape: Sequence[int] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the rows nearest to each centroid, one cluster above the other; this costs one read.

    Parameters
    ----------
    model : estimator, Model, str or path-like
        A fitted estimator, a loaded model, or the path of a model.
    X : array-like of shape (n, d), Zarr or Dask array, or xarray object
        Rows, as in `KMeans.fit`.
    n : int
        Number of rows of each cluster.
    shape : sequence of int, or None
        Shape of a row as an image, as in `centroids`: the nearest row is on the left. With None
        the rows are thin lines over the features, and the centroid is a thick line.
    ax : matplotlib Axes, or None
        Axes to draw in; by default new ones.

    Returns
    -------
    matplotlib Axes
        The axes of the drawing.

    Raises
    ------
    DataError
        If a row does not have the shape, or the features are not those of the fit.

    See Also
    --------
    streamkm.KMeans.representatives : Their row numbers, distances and values.

    Examples
    --------
    >>> import numpy as np, streamkm, streamkm.plot
    >>> x = np.random.default_rng(0).normal(size=(200, 6))
    >>> model = streamkm.KMeans(3, random_state=0).fit(x)
    >>> ax = streamkm.plot.representatives(model, x, n=4, shape=(2, 3))
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['0', '1', '2']
    """
    drawn, n = Drawn.from_model(model), whole_number("n", n, 1)
    if shape is not None:
        as_images(drawn.centroids, shape)  # an error before the read
    ranked = map_reduce(drawn.fitted._closest(n), drawn.open(X))
    return draw_nearest(drawn, ranked.nearest(len(drawn.centroids), n), shape, ax)


def draw_nearest(
    drawn: Drawn, nearest: Nearest, shape: Sequence[int] | None, ax: Axes | None
) -> Axes:
    """Draw rows that have been found, with their values."""
    values = np.where((nearest.numbers < 0)[..., None], np.nan, nearest.values)
    ax = ax or new_axes(height=min(_HIGH, max(4.5, 1 + 0.5 * len(values))))
    if shape is None:
        _lines(ax, drawn, values)
    else:
        _images(ax, drawn.names, as_images(values, shape))
    n = values.shape[1]
    rows = "row" if n == 1 else f"{n} rows"
    ax.set_title(f"the {rows} nearest to each centroid", fontsize="medium")
    return ax


def _images(ax: Axes, names: Sequence[str], images: Float64Array) -> None:
    k, n, h, w = images.shape[:4]
    gaps = max(1, h // 8), max(1, w // 8)
    show(ax, mosaic(images.reshape(k * n, *images.shape[2:]), n, gaps))
    ticks = _ticks(ax, k)
    ax.set_yticks(
        [i * (h + gaps[0]) + (h - 1) / 2 for i in ticks], [short(names[i]) for i in ticks]
    )
    ax.tick_params(length=0, labelsize="small")
    ax.set_ylabel("cluster")


def _lines(ax: Axes, drawn: Drawn, values: Float64Array) -> None:
    """Draw each cluster in a strip of its own, all to the same scale."""
    centroids, names = drawn.centroids, drawn.names
    k, _, d = values.shape
    x = along_features(ax, drawn.feature_names, d, drawn.feature_dim)
    low = min(np.nanmin(values, initial=np.inf), centroids.min())
    high = max(np.nanmax(values, initial=-np.inf), centroids.max())
    step = 1.1 * (high - low) or 1.0
    marker = "." if d == 1 else ""
    for number in range(k):
        base = (k - 1 - number) * step - low
        ax.plot(x, values[number].T + base, color="black", lw=0.7, alpha=0.6, marker=marker)
        ax.plot(x, centroids[number] + base, color=FIRST, lw=2.5, alpha=0.7, marker=marker)
        ax.axhline((k - 1 - number) * step - 0.05 * (high - low), color="#d0d0d0", lw=0.6, zorder=0)
    ticks = _ticks(ax, k)
    ax.set_yticks(
        [(k - 1 - i) * step + (high - low) / 2 for i in ticks], [short(names[i]) for i in ticks]
    )
    ax.tick_params(axis="y", length=0)
    ax.margins(y=0.01)
    ax.set_ylabel(f"cluster (each strip from {low:.3g} to {high:.3g})")


def _ticks(ax: Axes, k: int) -> list[int]:
    """Return the clusters whose names have room."""
    room = ax.get_window_extent().height / ax.figure.dpi
    return list(range(k)) if k * _LINE <= room else round_steps(k)
