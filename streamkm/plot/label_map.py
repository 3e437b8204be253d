"""A map of labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.outputs import label_format
from streamkm.plot.style import (
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
from streamkm.rows.nodata import announced

_PIXELS = 1500  # maximum number of pixels along each side of a map
_NODATA: dict[str, Any] = {"facecolor": "#ececec", "edgecolor": "#a0a0a0", "hatch": "////", "lw": 0}
_ACROSS = {"x", "lon", "longitude", "easting"}
_UP = {"y", "lat", "latitude", "northing"}
_TICKS = 5  # few, because coordinates such as metres of a grid have many digits
_STRETCH = 4  # largest ratio of the sides of a map whose cells are drawn in proportion


def labels(labels: xr.DataArray | str | os.PathLike[str], ax: Axes | None = None) -> Axes:
    """Draw a map of labels, with nodata hatched in grey.

    Up to 20 clusters have a legend with their names, or numbers, and shares of the labelled cells;
    more have a colour bar of their numbers. xarray masks a fill value only when it decodes a
    variable, so ``labels_.plot()`` draws it as the highest cluster. Here `_FillValue`, NaN and
    negative labels are nodata; the labels stay integers.

    Parameters
    ----------
    labels : xarray.DataArray, str or path-like
        Labels with two dimensions, or the path of a store of `write_labels` or of the command
        line. Dimensions of length one are dropped. A map with more than 1,500 rows or columns is
        subsampled; shares are then those of the cells that are drawn. Rows without a coordinate
        are drawn from the top, as in an image.
    ax : matplotlib Axes, or None
        Axes to draw in; by default new ones.

    Returns
    -------
    matplotlib Axes
        The axes of the drawing.

    Raises
    ------
    DataError
        If there are no labels, or they do not have two dimensions.

    Examples
    --------
    >>> import numpy as np, streamkm, streamkm.plot, streamkm.xarray, xarray as xr
    >>> scene = xr.DataArray(np.arange(24.0).reshape(2, 3, 4), dims=("band", "y", "x"))
    >>> scene[:, 0, 0] = np.nan
    >>> chart = scene.streamkm.fit(2, feature_dim="band", random_state=0).labels_
    >>> ax = streamkm.plot.labels(chart)
    >>> int(ax.collections[0].get_array().mask.sum())
    1
    >>> ax.get_legend().get_texts()[-1].get_text()
    'nodata: 8.3 % of all cells'
    """
    chart = _two_dimensional(labels)
    fills = list(announced(chart))
    shown = chart[tuple(slice(None, None, 1 + n // _PIXELS) for n in chart.shape)].load()
    shown = shown.where(~(shown.isin(fills) | shown.isnull()) & (shown >= 0))
    valid = shown.values[np.isfinite(shown.values)].astype(np.int64)
    names = _names(chart, int(valid.max(initial=0)) + 1)
    ax = ax or new_axes(height=height_for(len(names)))
    cmap, norm = colour_scale(len(names))
    shown.plot.pcolormesh(ax=ax, cmap=cmap, norm=norm, add_colorbar=False)
    _orient(ax, shown)
    missing = 1 - valid.size / max(1, shown.size)
    if missing:
        low, high = np.sort([ax.get_xlim(), ax.get_ylim()], axis=1).T
        ax.add_patch(Rectangle(tuple(low), *(high - low), zorder=0, **_NODATA))
    where = "all cells" if shown.shape == chart.shape else "the cells that are drawn"
    _explain(ax, names, valid, missing, where)
    ax.set_title(", ".join([f"{len(names)} clusters", *_moments(chart)]), fontsize="medium")
    return ax


def _two_dimensional(labels: Any) -> xr.DataArray:
    """Open labels, drop dimensions of length one, and put the vertical dimension first."""
    if isinstance(labels, (str, os.PathLike)):
        labels = _opened(os.fspath(labels))
    if not isinstance(labels, xr.DataArray) or labels.dtype.kind not in "iuf":
        raise DataError(
            "give labels as a DataArray, or the path of labels that write_labels or the command "
            "line wrote."
        )
    squeezed: xr.DataArray = labels
    if labels.ndim > 2:
        squeezed = labels.squeeze([d for d in labels.dims if labels.sizes[d] == 1])
    if squeezed.ndim != 2:
        raise DataError(
            f"labels have dimensions {squeezed.dims}; select two, for example labels.isel(time=0)."
        )
    first, second = (str(dim).lower() for dim in squeezed.dims)
    turned = first in _ACROSS or second in _UP
    return squeezed.transpose() if turned else squeezed


def _opened(path: str) -> xr.DataArray:
    """Open the labels of `write_labels`, or an array of labels of the command line, unread."""
    file = label_format(path)
    if file is not None and file.suffix == ".nc":  # other files do not say which label is nodata
        file.check()
        decoded: xr.DataArray = file.open(Path(path))
        return decoded
    try:
        node = zarr.open(path, mode="r")
    except (FileNotFoundError, zarr.errors.NodeNotFoundError) as error:
        raise DataError(f"{path} is not a Zarr store or netCDF file of labels.") from error
    if isinstance(node, zarr.Array):
        dims = getattr(node.metadata, "dimension_names", None)
        return xr.DataArray(da.from_zarr(node), dims=dims, attrs=dict(node.attrs))
    if "labels" not in node:
        raise DataError(f"{path} is a Zarr group without the array 'labels'.")
    stored: xr.Dataset = xr.open_zarr(path, consolidated=False, chunks=None)
    return stored["labels"]


def _names(chart: xr.DataArray, least: int) -> list[str]:
    """Return the name or number of each of at least `least` clusters."""
    given = str(chart.attrs.get("flag_meanings", "")).split()
    names = [str(i) if name == f"cluster_{i}" else name for i, name in enumerate(given)]
    return names + [str(i) for i in range(len(names), least)]


def _orient(ax: Axes, shown: xr.DataArray) -> None:
    """Draw rows without a coordinate from the top, and cells of maps and images in proportion."""
    up, across = (str(dim) for dim in shown.dims)
    if up not in shown.coords and not ax.yaxis_inverted():
        ax.invert_yaxis()
    plain = up not in shown.coords and across not in shown.coords
    if plain or {up.lower(), across.lower()} <= _ACROSS | _UP:
        width, height = abs(np.diff(ax.get_xlim())[0]), abs(np.diff(ax.get_ylim())[0])
        if 1 / _STRETCH <= width / height <= _STRETCH:
            ax.set_aspect("equal")
    for axis, dim in ((ax.xaxis, across), (ax.yaxis, up)):
        if dim not in shown.coords or shown[dim].dtype.kind in "iuf":
            axis.set_major_locator(MaxNLocator(_TICKS))
            formatter = ScalarFormatter(useOffset=False)
            formatter.set_scientific(False)
            axis.set_major_formatter(formatter)


def _explain(ax: Axes, names: Sequence[str], valid: AnyArray, missing: float, where: str) -> None:
    """Add the legend, or the colour bar if there are more than `NAMED` clusters."""
    k, nodata = len(names), f"nodata: {percent(missing)} of {where}"
    if k > NAMED:
        label = f"number of the cluster ({k} clusters)"
        number_bar(ax, k, f"{label}\nhatched: {nodata}" if missing else label)
        return
    shares = np.bincount(valid, minlength=k) / max(1, valid.size)
    handles = [
        Patch(facecolor=colour, label=f"{short(name)}: {percent(share)}")
        for name, colour, share in zip(names, colours(k), shares, strict=True)
    ]
    if missing:
        handles.append(Patch(label=nodata, **_NODATA))
    drawn = "" if where == "all cells" else "\nthat are drawn"
    legend_beside(ax, handles, f"cluster: share of\nthe labelled cells{drawn}")


def _moments(chart: xr.DataArray) -> list[str]:
    """Say which dates, times or heights a map is of, from its scalar coordinates."""
    said = []
    for name, coordinate in chart.coords.items():
        if coordinate.ndim == 0 and name != chart.attrs.get("grid_mapping"):
            if coordinate.dtype.kind == "M":
                date = np.datetime_as_string(coordinate.values, unit="auto")
                said.append(f"{short(str(name))} {date}")
            elif coordinate.dtype.kind in "fU" and name != "spatial_ref":
                said.append(f"{short(str(name))} {short(str(coordinate.item()))}")
    return said
