"""A sample of the rows in the colours of their clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from streamkm.arrays import AnyArray, Float64Array, Int32Array
from streamkm.numbers import whole_number
from streamkm.passes import DrawUniform
from streamkm.plot.models import Drawn
from streamkm.plot.style import (
    MARKERS,
    NAMED,
    colour_scale,
    colours,
    height_for,
    legend_beside,
    new_axes,
    number_bar,
    percent,
    short,
)

_OUTLINE = (patheffects.withStroke(linewidth=2.5, foreground="white"),)
_CENTROID: dict[str, Any] = {"ls": "", "marker": "X", "ms": 8, "color": "black", "mec": "white"}
_LABEL = 50  # maximum number of characters of the label of an axis
_WRITTEN = 12  # maximum number of characters of a name beside a centroid


def clusters(
    model: Any, X: Any, ax: Axes | None = None, *, rows: int = 2000, seed: int = 0
) -> Axes:
    """Draw a sample of the rows in the colours of their clusters; this costs one read.

    One or two features are drawn in the units of the data. With more, the axes are the two
    principal axes of the sample, of scaled rows if the model has a scale. Up to 20 clusters have a
    colour and a marker each, and a legend; more have a colour bar of their numbers.

    Parameters
    ----------
    model : estimator, Model, str or path-like
        A fitted estimator, a loaded model, or the path of a model.
    X : array-like of shape (n, d), Zarr or Dask array, or xarray object
        Rows, as in `KMeans.fit`.
    ax : matplotlib Axes, or None
        Axes to draw in; by default new ones.
    rows : int
        Number of rows to draw; equal rows are drawn once.
    seed : int
        Seed of the sample.

    Returns
    -------
    matplotlib Axes
        The axes of the drawing.

    Raises
    ------
    DataError
        If the features are not those of the fit, or all rows are left out.

    Examples
    --------
    >>> import numpy as np, streamkm, streamkm.plot
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> ax = streamkm.plot.clusters(streamkm.KMeans(3, random_state=0).fit(x), x, rows=50)
    >>> sum(len(points.get_offsets()) for points in ax.collections)
    50
    """
    drawn = Drawn.from_model(model)
    question = DrawUniform(whole_number("rows", rows, 1), seed, 0)
    sample = drawn.sample(question, drawn.open(X))
    return draw_clusters(drawn, sample, drawn.fitted._centroids, ax)[0]


def draw_clusters(
    drawn: Drawn, sample: tuple[AnyArray, Int32Array], marks: Float64Array, ax: Axes | None
) -> tuple[Axes, Float64Array]:
    """Draw rows in the colours of their clusters, and the centroids of a model.

    Parameters
    ----------
    drawn : Drawn
    sample : scaled rows (n, d), and their labels (n,)
    marks : ndarray of shape (m, d), scaled; the first k are the centroids
    ax : axes to draw in, or None for new ones

    Returns
    -------
    ax : Axes
    marks : ndarray of shape (m, 2), where they are on the axes
    """
    values, labels = sample
    points, marks, axis_labels = _on_two_axes(drawn, values, marks)
    names = drawn.names
    ax = ax or new_axes(height=height_for(len(names)))
    if len(names) <= NAMED:
        entries = _draw_named(ax, points, labels, names)
        legend_beside(ax, [*entries, Line2D([], [], **_CENTROID, label="centroid")])
    else:
        cmap, norm = colour_scale(len(names))
        ax.scatter(points[:, 0], points[:, 1], c=labels, cmap=cmap, norm=norm, **_size(len(points)))
        number_bar(ax, len(names), f"number of the cluster ({len(names)} clusters)")
    _draw_centroids(ax, marks[: len(names)], names)
    ax.set_xlabel(axis_labels[0])
    ax.set_ylabel(axis_labels[1])
    if values.shape[1] == 1:
        ax.set_yticks([])
        ax.set_ylim(-1.4, 1.4)
    return ax, marks


def _on_two_axes(
    drawn: Drawn, sample: AnyArray, marks: Float64Array
) -> tuple[Float64Array, Float64Array, tuple[str, str]]:
    """Return the points (n, 2) and marks (m, 2) to draw, and the labels of the axes."""
    n, d = sample.shape
    if d > 2:
        return _principal(sample.astype(np.float64), marks, drawn.scaled_as)
    known = [
        short(label, _LABEL) for label in drawn.axis_labels or map("feature {}".format, range(d))
    ]
    unit = drawn.scaled_as if "unit" in drawn.scaled_as else ""
    points, marks = drawn.back(sample), drawn.back(marks)
    if d == 2:
        return points, marks, (known[0] + unit, known[1] + unit)
    heights = np.random.default_rng(0).uniform(-1, 1, n)
    return (
        np.column_stack([points[:, 0], heights]),
        np.column_stack([marks[:, 0], np.zeros(len(marks))]),
        (known[0] + unit, "(random heights)"),
    )


def _principal(
    sample: Float64Array, marks: Float64Array, scaled: str
) -> tuple[Float64Array, Float64Array, tuple[str, str]]:
    """Project on the two directions of the largest variance of the sample."""
    middle = sample.mean(axis=0)
    _, lengths, axes = np.linalg.svd(sample - middle, full_matrices=False)
    if len(axes) < 2:  # a single row
        lengths, axes = np.append(lengths, 0.0), np.vstack([axes, np.zeros_like(axes)])
    total = np.square(lengths).sum()
    shares = np.square(lengths[:2]) / (total or 1.0)
    first, second = (
        f"{order} principal axis{scaled} ({percent(share, 0)} of variance)"
        for order, share in zip(("first", "second"), shares, strict=True)
    )
    return (sample - middle) @ axes[:2].T, (marks - middle) @ axes[:2].T, (first, second)


def _size(n: int) -> dict[str, Any]:
    """Smaller and more transparent markers for more points."""
    alpha = float(np.clip(0.9 * (500 / n) ** 0.35, 0.15, 0.9))
    return {"s": float(np.clip(24_000 / n, 6, 30)), "alpha": alpha, "linewidths": 0}


def _draw_named(
    ax: Axes, points: Float64Array, labels: Int32Array, names: list[str]
) -> list[Line2D]:
    """Draw each cluster in its colour and marker; return legend entries, with opaque marks."""
    entries, size = [], _size(len(points))
    for number, (name, colour) in enumerate(zip(names, colours(len(names)), strict=True)):
        own, marker = points[labels == number], MARKERS[number % len(MARKERS)]
        ax.scatter(own[:, 0], own[:, 1], color=[colour], marker=marker, label=short(name), **size)
        entries.append(Line2D([], [], ls="", marker=marker, color=colour, label=short(name)))
    return entries


def _draw_centroids(ax: Axes, centroids: Float64Array, names: list[str]) -> None:
    ax.plot(centroids[:, 0], centroids[:, 1], **_CENTROID, label="centroid", zorder=3)
    if len(names) > NAMED:
        return
    for name, place in zip(names, centroids, strict=True):
        ax.annotate(
            short(name, _WRITTEN),
            tuple(place),
            xytext=(5, 4),
            textcoords="offset points",
            fontsize="small",
            fontweight="bold",
            path_effects=_OUTLINE,
            zorder=4,
        )
