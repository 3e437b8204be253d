"""The silhouettes of a sample of the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from sklearn.metrics import silhouette_samples

from streamkm.arrays import AnyArray, Int32Array
from streamkm.errors import DataError
from streamkm.numbers import whole_number
from streamkm.passes.sample import SampleUniform, threshold_of
from streamkm.plot.models import Drawn
from streamkm.plot.style import NAMED, colours, new_axes, short


def silhouette(
    model: Any, X: Any, ax: Axes | None = None, *, rows: int = 2000, seed: int = 0
) -> Axes:
    """Draw the silhouettes of a sample of the rows, sorted within clusters; this costs one read.

    The silhouette of a row is (b - a) / max(a, b), where a is its mean distance from the rows of
    its cluster and b the least mean distance from the rows of another one [1]_. Near 1 the row
    lies well within its cluster; below 0 it is nearer to another. The distances are those between
    rows of the sample, of scaled rows if the model has a scale.

    Parameters
    ----------
    model : estimator, Model, str or path-like
        A fitted estimator, a loaded model, or the path of a model.
    X : array-like of shape (n, d), Zarr or Dask array, or xarray object
        Rows, as in `KMeans.fit`.
    ax : matplotlib Axes, or None
        Axes to draw in; by default new ones.
    rows : int
        Maximum number of rows of the sample. Time and memory grow with its square.
    seed : int
        Seed of the sample.

    Returns
    -------
    matplotlib Axes
        The axes of the drawing.

    Raises
    ------
    DataError
        If the sample has rows of one cluster only, or no two rows of any cluster.

    References
    ----------
    .. [1] P. J. Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of
       cluster analysis", Journal of Computational and Applied Mathematics 20, 1987.

    Examples
    --------
    >>> import numpy as np, streamkm, streamkm.plot
    >>> x = np.repeat([[0.0], [9.0]], 5, axis=0)
    >>> ax = streamkm.plot.silhouette(streamkm.KMeans(2, random_state=0).fit(x), x)
    >>> ax.get_title()
    'mean silhouette 1.000 (10 rows)'
    """
    drawn = Drawn.from_model(model)
    most, data = whole_number("rows", rows, 2), drawn.open(X)
    threshold = threshold_of(2 * most / data.layout.n_rows)
    return draw_widths(drawn, *drawn.sample(SampleUniform(most, threshold, seed, 0), data), ax)


def draw_widths(drawn: Drawn, values: AnyArray, labels: Int32Array, ax: Axes | None) -> Axes:
    """Draw the silhouettes of scaled rows (n, d) with their labels (n,)."""
    if not 1 < len(np.unique(labels)) < len(labels):
        raise DataError(
            f"the sample of {len(labels)} rows has rows of {len(np.unique(labels))} of "
            f"{len(drawn.names)} clusters; silhouettes need rows of two clusters, and two rows of "
            "one of them."
        )
    widths = silhouette_samples(values, labels)
    ax = ax or new_axes()
    names = drawn.names
    gap, top, places = max(1, len(widths) // 100), 0, []
    for number, colour in enumerate(colours(len(names))):
        own = np.sort(widths[labels == number])[::-1]
        if own.size:
            edges = top + np.arange(len(own) + 1)
            ax.fill_betweenx(edges, 0, [*own, own[-1]], color=colour, lw=0, step="post")
        places.append(top + len(own) / 2)
        top += len(own) + gap
    if len(names) <= NAMED:
        ax.set_yticks(places, [short(name) for name in names], fontsize="small")
        ax.set_ylabel("cluster")
    else:
        ax.set_yticks([])
        ax.set_ylabel(f"{len(names)} clusters, by number")
    ax.axvline(widths.mean(), color="black", ls="--", lw=1)
    ax.axvline(0, color="black", lw=0.8)
    ax.set_ylim(top, -gap)
    ax.set_xlabel("silhouette")
    ax.set_title(f"mean silhouette {widths.mean():.3f} ({len(widths):,} rows)", fontsize="medium")
    return ax
