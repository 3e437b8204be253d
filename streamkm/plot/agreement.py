"""The agreement of fits with different seeds: their indices, and which rows they put together."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from streamkm.arrays import AnyArray, Float64Array
from streamkm.errors import DataError
from streamkm.numbers import whole_number
from streamkm.plot.style import FIRST, GREY, SECOND, bar_beside, new_axes
from streamkm.runs.stability import WORDS


def stability(found: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the adjusted Rand indices of all pairs of fits with different seeds against k.

    Parameters
    ----------
    found : xarray.Dataset
        Result of `streamkm.stability`.
    ax : matplotlib Axes, or None
        Axes to draw in; by default new ones.

    Returns
    -------
    matplotlib Axes
        The axes of the drawing.

    Raises
    ------
    DataError
        If the Dataset is not a result of `streamkm.stability`.

    Examples
    --------
    >>> import numpy as np, streamkm, streamkm.plot
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> ax = streamkm.plot.stability(streamkm.stability(x, [2, 3], n_init=3))
    >>> [line.get_label() for line in ax.lines[:2]]
    ['pairs of fits', 'mean of the pairs']
    """
    _check(found)
    ks, pairs = found["n_clusters"].values, _pairs(found["adjusted_rand"].values)
    ax = ax or new_axes()
    each = np.repeat(ks, pairs.shape[1])
    faint: dict[str, Any] = {"color": GREY, "alpha": 0.5, "markersize": 4}
    ax.plot(each, pairs.ravel(), "o", label="pairs of fits", **faint)
    ax.plot(ks, found["mean"].values, "o-", color=FIRST, label="mean of the pairs")
    ax.plot(ks, found["least"].values, "v--", color=SECOND, lw=1, label="least of the pairs")
    for limit, word in WORDS[:-1]:
        ax.axhline(limit, color=GREY, lw=0.8, ls=":", zorder=0)
        ax.annotate(
            word,
            (1.01, limit),
            xycoords=("axes fraction", "data"),
            fontsize="small",
            va="bottom",
        )
    ax.set_ylim(min(0.0, pairs.min()) - 0.03, 1.03)
    ax.set_xlabel("number of clusters k")
    ax.set_ylabel("adjusted Rand index")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(frameon=False, fontsize="small", loc="lower left")
    title = f"{found.sizes['restart']} fits for each k, {found.attrs['n_rows']:,} rows"
    ax.set_title(title, fontsize="medium")
    return ax


def coassignment(
    found: xr.Dataset, n_clusters: int | None = None, ax: Axes | None = None, *, rows: int = 300
) -> Axes:
    """Draw for pairs of rows the share of fits that put both into one cluster.

    Rows are in the order of the clusters of the fit with the least distortion. Stable clusters are
    dark squares on a light ground.

    Parameters
    ----------
    found : xarray.Dataset
        Result of `streamkm.stability`.
    n_clusters : int or None
        Which k; may be left out if there is only one.
    ax : matplotlib Axes, or None
        Axes to draw in; by default new ones.
    rows : int
        Maximum number of rows of the sample that are drawn.

    Returns
    -------
    matplotlib Axes
        The axes of the drawing.

    Raises
    ------
    DataError
        If the Dataset is not a result of `streamkm.stability`, or does not have this k.

    Examples
    --------
    >>> import numpy as np, streamkm, streamkm.plot
    >>> x = np.repeat([[0.0], [9.0]], 5, axis=0)
    >>> ax = streamkm.plot.coassignment(streamkm.stability(x, 2, n_init=3))
    >>> ax.get_title()
    'k=2, 3 fits: mean adjusted Rand index 1.00'
    """
    _check(found)
    ks = found["n_clusters"].values.tolist()
    if n_clusters is None and len(ks) > 1:
        raise DataError(f"n_clusters: name one of the values of k, which are {ks}.")
    k = ks[0] if n_clusters is None else n_clusters
    if k not in ks:
        raise DataError(f"n_clusters={k}: the values of k are {ks}.")
    own = found.sel(n_clusters=k)
    labels = own["labels"].values[:, : whole_number("rows", rows, 1)]
    together = shared(labels)
    order = _order(labels[int(own["distortion"].values.argmin())], together)
    ax = ax or new_axes(6, 4.8)
    drawn = ax.imshow(together[np.ix_(order, order)], cmap="Blues", vmin=0, vmax=1)
    bar_beside(ax, drawn, "share of the fits with both rows\nin one cluster")
    ax.set_xlabel(f"{len(order):,} rows, by cluster of the best fit")
    ax.set_xticks([])
    ax.set_yticks([])
    mean = float(own["mean"])
    ax.set_title(
        f"k={k}, {len(labels)} fits: mean adjusted Rand index {mean:.2f}", fontsize="medium"
    )
    return ax


def shared(labels: AnyArray) -> Float64Array:
    """Return the share of labellings (n, m) in which two rows have one label, of shape (m, m).

    Examples
    --------
    >>> shared(np.array([[0, 0, 1], [1, 0, 0]])).tolist()
    [[1.0, 0.5, 0.0], [0.5, 1.0, 0.5], [0.0, 0.5, 1.0]]
    """
    total = np.zeros((labels.shape[1],) * 2)
    for own in labels:
        total += own[:, None] == own[None]
    return total / len(labels)


def _order(best: AnyArray, together: Float64Array) -> AnyArray:
    """Sort rows by cluster, and within a cluster by how much they belong to it."""
    same = best[:, None] == best[None]
    belonging = (together * same).sum(axis=1) / same.sum(axis=1)
    order: AnyArray = np.lexsort((-belonging, best))
    return order


def _pairs(indices: Float64Array) -> Float64Array:
    """Return the indices of pairs of different fits, of shape (k, pairs)."""
    apart = np.triu_indices(indices.shape[-1], 1)
    return indices[:, *apart]


def _check(found: Any) -> None:
    needed = {"adjusted_rand", "mean", "least", "distortion", "labels"}
    if not isinstance(found, xr.Dataset) or not needed <= set(found):
        raise DataError("give the result of streamkm.stability.")
