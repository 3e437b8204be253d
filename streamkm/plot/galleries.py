"""Rows as small images in one picture, and features along an axis."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

from streamkm.arrays import AnyArray, Float64Array
from streamkm.errors import DataError
from streamkm.numbers import whole_number
from streamkm.plot.style import bar_beside, literal, short

_NAMES = 20  # maximum number of features with a name on the axis each
_FEWER = 10
_DATE = re.compile(r"\d{4}-\d\d")


def as_images(values: AnyArray, shape: Sequence[int]) -> Float64Array:
    """Return rows (..., d) as grey images (..., h, w), or colour images (..., h, w, 3) from 0 to 1.

    Raises
    ------
    DataError
        If the shape is not that of an image with d values.
    """
    if np.ndim(shape) != 1:
        raise DataError(f"shape={shape!r}: give (height, width), for example (28, 28).")
    sizes = tuple(whole_number("shape", size, 1) for size in shape)
    if len(sizes) == 3 and sizes[2] == 1:
        sizes = sizes[:2]
    planes_first = len(sizes) == 3 and sizes[2] != 3 and sizes[0] == 3
    d = values.shape[-1]
    is_image = len(sizes) == 2 or (len(sizes) == 3 and 3 in (sizes[0], sizes[2]))
    if not is_image or math.prod(sizes) != d:
        raise DataError(
            f"shape={tuple(shape)}: a row has {d} features; give the (height, width), "
            "(height, width, 3) or (3, height, width) of an image with so many values."
        )
    images = values.reshape(*values.shape[:-1], *sizes).astype(np.float64)
    if planes_first:
        images = np.moveaxis(images, -3, -1)
    return images if len(sizes) == 2 else _intensities(images)


def _intensities(images: Float64Array) -> Float64Array:
    """Return values from 0 to 1: bytes are divided by 255, other values stretched."""
    low, high = np.nanmin(images), np.nanmax(images)
    if low >= 0 and high <= 1:
        return images
    if low >= 0 and high <= 255:
        return images / 255
    return np.asarray((images - low) / (high - low))


def mosaic(images: Float64Array, columns: int, gaps: tuple[int, int]) -> Float64Array:
    """Return images (m, h, w) or (m, h, w, 3) in a grid with transparent gaps.

    Parameters
    ----------
    images : as from `as_images`
    columns : int
    gaps : pixels after each row and column of the grid

    Returns
    -------
    ndarray of shape (rows, columns), NaN in gaps, or (rows, columns, 4)
    """
    if images.ndim == 4:
        opaque = np.where(np.isnan(images[..., :1]), 0.0, 1.0)
        images = np.concatenate([np.nan_to_num(images), opaque], axis=3)
    m, h, w, *depth = images.shape
    rows = -(-m // columns)
    cells = np.full((rows * columns, h + gaps[0], w + gaps[1], *depth), 0.0 if depth else np.nan)
    cells[:m, :h, :w] = images
    grid = cells.reshape(rows, columns, h + gaps[0], w + gaps[1], *depth).swapaxes(1, 2)
    whole = grid.reshape(rows * (h + gaps[0]), columns * (w + gaps[1]), *depth)
    return whole[: -gaps[0] or None, : -gaps[1] or None]


def show(ax: Axes, picture: Float64Array) -> None:
    """Draw a mosaic without frame and ticks; grey ones with the range of their values."""
    shown = ax.imshow(picture, cmap="gray", interpolation="nearest")
    if picture.ndim == 2:
        bar_beside(ax, shown, "value (units of the data)")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def along_features(
    ax: Axes, names: Sequence[str] | None, d: int, dim: str | None = None
) -> Float64Array:
    """Label the x axis with the features, and return the position of each, of shape (d,).

    Features whose names are increasing or decreasing numbers are at these numbers, and many days or
    times at their dates.

    Parameters
    ----------
    ax : axes
    names : names of the features, or None
    d : number of features
    dim : name of the feature dimension, or None
    """
    if names is None:
        ax.set_xlabel("number of the feature" if dim is None else f"number along {literal(dim)}")
        return np.arange(d, dtype=np.float64)
    numbers = _as_numbers(names)
    if numbers is not None:
        ax.set_xlabel("feature (its coordinate)" if dim is None else literal(dim))
        return numbers
    ax.set_xlabel(literal(dim or "feature"))
    if d > _NAMES and (dates := _as_dates(names)) is not None:
        locator = AutoDateLocator()  # type: ignore[no-untyped-call]
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        return dates
    every = 1 if d <= _NAMES else -(-d // _FEWER)
    places = list(range(0, d, every))
    shown = [short(names[place]) for place in places]
    crowded = sum(map(len, shown)) > 50
    turned: dict[str, Any] = (
        {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
    )
    ax.set_xticks(places, shown, fontsize="small", **turned)
    return np.arange(d, dtype=np.float64)


def _as_numbers(names: Sequence[str]) -> npt.NDArray[np.float64] | None:
    try:
        numbers = np.array([float(name) for name in names])
    except ValueError:
        return None
    return numbers if _in_order(numbers) else None


def _as_dates(names: Sequence[str]) -> npt.NDArray[np.float64] | None:
    """Return ISO dates as matplotlib's numbers of days; None for other calendars and names."""
    if not all(_DATE.match(name) for name in names):
        return None
    try:
        when = np.array(names, "datetime64[s]")
        days: npt.NDArray[np.float64] = date2num(when)  # type: ignore[no-untyped-call]
    except ValueError:
        return None
    return days if _in_order(days) else None


def _in_order(places: npt.NDArray[np.float64]) -> bool:
    steps = np.diff(places)
    return bool(np.all(steps > 0) or np.all(steps < 0))
