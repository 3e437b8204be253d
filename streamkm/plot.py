"""Plots of fits and sweeps (needs matplotlib: ``pip install streamkm[plot]``).

Every function draws on the given Axes, or on new ones, and returns them.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.ticker import MaxNLocator

from streamkm.engine import map_reduce
from streamkm.errors import DataError
from streamkm.estimators.data import InputData
from streamkm.estimators.loading import from_model
from streamkm.estimators.opening import names_of
from streamkm.models.model import Model
from streamkm.models.sweep import open_sweep
from streamkm.outputs import SWEEP
from streamkm.passes import DrawUniform
from streamkm.rows import Budget
from streamkm.rows.nodata import announced

__all__ = ["clusters", "elbow", "labels", "loss"]

_TRAIN, _VALIDATION, _MARK = "#1f4e79", "#c55a11", "#7f7f7f"
_PIXELS = 1500  # maximum number of pixels along each side of a map
_NAMED = 20  # maximum number of clusters with distinguishable colours


def __dir__() -> list[str]:
    return __all__


def loss(model: Any, ax: Axes | None = None) -> Axes:
    """Draw the loss of every iteration of a fit.

    Parameters
    ----------
    model : KMeans or Model
        A fitted estimator, or a loaded model.
    ax : matplotlib Axes, or None
        Axes to draw in; by default new ones.

    Returns
    -------
    matplotlib Axes
        The axes of the drawing.

    Examples
    --------
    >>> import numpy as np, streamkm, streamkm.plot
    >>> x = np.random.default_rng(0).normal(size=(500, 2))
    >>> ax = streamkm.plot.loss(streamkm.KMeans(4, init="random", random_state=0).fit(x))
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('iteration', 'inertia')
    """
    ax = ax or _axes()
    history = model.history_ if hasattr(model, "history_") else model.history
    last = model.inertia_ if hasattr(model, "inertia_") else model.inertia
    losses = np.append(history["inertia"], last)
    ax.plot(np.arange(len(losses)), losses, "o-", color=_TRAIN, markersize=4)
    moved = np.flatnonzero(history["relocated"])
    if moved.size:
        ax.plot(moved, losses[moved], "s", color=_VALIDATION, label="empty clusters moved")
        ax.legend(frameon=False)
    ax.set_xlabel("iteration")
    ax.set_ylabel("inertia")
    ax.set_title(f"{len(history)} iterations, inertia {last:.5g}")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def elbow(sweep: xr.Dataset | str, ax: Axes | None = None) -> Axes:
    """Draw the distortion against k: mean, spread and minimum of the restarts, and the elbow.

    Parameters
    ----------
    sweep : xarray.Dataset or str
        Result of `streamkm.sweep`, or the path of a stored sweep.
    ax : matplotlib Axes, or None
        Axes to draw in; by default new ones.

    Returns
    -------
    matplotlib Axes
        The axes of the drawing.

    Examples
    --------
    >>> import numpy as np, streamkm, streamkm.plot
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> streamkm.plot.elbow(streamkm.sweep(x, [1, 2, 3])).get_xlabel()
    'number of clusters k'
    """
    if not isinstance(sweep, xr.Dataset):
        sweep = open_sweep(sweep)
    if sweep.attrs.get("kind") != SWEEP:
        raise DataError("this Dataset is not a sweep; give the result of streamkm.sweep.")
    ax = ax or _axes()
    k = sweep["n_clusters"].values
    many = sweep.sizes["restart"] > 1
    for name, colour in (("train", _TRAIN), ("validation", _VALIDATION)):
        if f"{name}_mean" not in sweep:
            continue
        mean, spread = (sweep[f"{name}_{what}"].values for what in ("mean", "spread"))
        ax.plot(k, mean, "o-", color=colour, markersize=4, label=f"{name} (mean)" if many else name)
        if many:
            ax.fill_between(k, mean - spread, mean + spread, color=colour, alpha=0.2, lw=0)
            ax.plot(
                k, sweep[f"{name}_min"].values, "--", color=colour, lw=1, label=f"{name} (least)"
            )
    if sweep.attrs["elbow"]:
        ax.axvline(sweep.attrs["elbow"], color=_MARK, lw=1, ls=":", zorder=0)
    ax.set_xlabel("number of clusters k")
    ax.set_ylabel("distortion (mean squared distance)")
    ax.set_title(sweep.attrs["verdict"].partition(";")[0])
    ax.margins(y=0.08)
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(frameon=False)
    return ax


def clusters(
    model: Any, X: Any, ax: Axes | None = None, *, rows: int = 2000, seed: int = 0
) -> Axes:
    """Draw a sample of the rows in the colours of their clusters; this costs one read.

    With more than two features, the axes are the two directions in which the sample varies most.

    Parameters
    ----------
    model : KMeans or Model
        A fitted estimator, or a loaded model.
    X : array-like of shape (n, d), Zarr or Dask array, or xarray object
        Rows, as in `KMeans.fit`.
    ax : matplotlib Axes, or None
        Axes to draw in; by default new ones.
    rows : int
        Number of rows to draw.
    seed : int
        Seed of the sample.

    Returns
    -------
    matplotlib Axes
        The axes of the drawing.

    Examples
    --------
    >>> import numpy as np, streamkm, streamkm.plot
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> ax = streamkm.plot.clusters(streamkm.KMeans(3, random_state=0).fit(x), x, rows=50)
    >>> sum(len(points.get_offsets()) for points in ax.collections) >= 50
    True
    """
    ax = ax or _axes()
    variable = model.parameters.get("variable") if isinstance(model, Model) else None
    fitted = from_model(model) if isinstance(model, Model) else model
    data = InputData.from_data(X, fitted.feature_dim).options
    data = replace(data, variable=variable, nodata=fitted.nodata, names=names_of(fitted))
    sample = map_reduce(DrawUniform(rows, seed, 0), data.open(Budget())).values
    labels = fitted.label_rows(sample)
    centroids = fitted.cluster_centers_
    middle, axes = sample.mean(axis=0), np.eye(sample.shape[1])
    names = [f"feature {number}" for number in range(sample.shape[1])]
    if sample.shape[1] > 2:
        axes = np.linalg.svd(sample - middle, full_matrices=False)[2][:2]
        names = ["first principal axis", "second principal axis"]
        sample, centroids = (sample - middle) @ axes.T, (centroids - middle) @ axes.T
    if sample.shape[1] == 1:
        sample, centroids = (np.column_stack([a, np.zeros(len(a))]) for a in (sample, centroids))
        names = [*names, ""]
    ax.scatter(sample[:, 0], sample[:, 1], c=labels, cmap="tab20", s=6, lw=0)
    ax.scatter(centroids[:, 0], centroids[:, 1], marker="x", color="black", s=50)
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    return ax


def labels(labels: xr.DataArray | str | os.PathLike[str], ax: Axes | None = None) -> Axes:
    """Draw a map of labels, with nodata left blank.

    xarray masks a fill value only when it decodes a variable, so ``labels_.plot()`` draws it as the
    highest cluster. Here `_FillValue` and NaN are masked; the labels stay integers.

    Parameters
    ----------
    labels : xarray.DataArray, str or path-like
        Labels with two dimensions, or the path of a store of `write_labels`. Dimensions of length
        one are dropped. A map with more than 1,500 rows or columns is subsampled.
    ax : matplotlib Axes, or None
        Axes to draw in; by default new ones.

    Returns
    -------
    matplotlib Axes
        The axes of the drawing.

    Raises
    ------
    DataError
        If the labels do not have two dimensions.

    Examples
    --------
    >>> import numpy as np, streamkm, streamkm.plot, streamkm.xarray, xarray as xr
    >>> scene = xr.DataArray(np.arange(24.0).reshape(2, 3, 4), dims=("band", "y", "x"))
    >>> scene[:, 0, 0] = np.nan
    >>> chart = scene.streamkm.fit(2, feature_dim="band", random_state=0).labels_
    >>> ax = streamkm.plot.labels(chart)
    >>> ax.collections[0].get_array().mask.sum()
    np.int64(1)
    """
    if isinstance(labels, (str, os.PathLike)):
        labels = xr.open_zarr(labels, consolidated=False, chunks=None)["labels"]
    if not isinstance(labels, xr.DataArray) or labels.dtype.kind not in "iuf":
        raise DataError(
            "give labels as a DataArray, or the path of labels that write_labels wrote."
        )
    labels = labels.squeeze()
    if labels.ndim != 2:
        raise DataError(
            f"labels have dimensions {labels.dims}; select two, for example labels.isel(time=0)."
        )
    fills = list(announced(labels))
    shown = labels[tuple(slice(None, None, 1 + n // _PIXELS) for n in labels.shape)].load()
    shown = shown.where(~(shown.isin(fills) | shown.isnull()))
    names = str(labels.attrs.get("flag_meanings", "")).split()
    k = len(names) or int(np.nan_to_num(shown.max().item(), nan=0)) + 1
    palette = plt.get_cmap("tab20") if k <= _NAMED else plt.get_cmap("turbo", k)
    ax = ax or _axes()
    mesh = shown.plot.pcolormesh(
        ax=ax,
        cmap=ListedColormap(palette(np.arange(k))),
        norm=BoundaryNorm(np.arange(k + 1) - 0.5, k),
        add_colorbar=False,
    )
    bar = ax.figure.colorbar(mesh, ax=ax)
    if k <= _NAMED:
        bar.set_ticks(list(range(k)), labels=names or [str(label) for label in range(k)])
    ax.set_title("labels")
    return ax


def _axes() -> Axes:
    return plt.subplots(figsize=(7, 4.5), layout="constrained")[1]
