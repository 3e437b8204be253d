"""The place of a grid of labels: its axes of a map, its transform and its coordinate system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.outputs.whole_labels import LabelOutline

_X = {"x", "lon", "longitude", "easting", "projection_x_coordinate", "grid_longitude"}
_Y = {"y", "lat", "latitude", "northing", "projection_y_coordinate", "grid_latitude"}
_DEGREES = ("degree_north", "degrees_north", "degree_n", "degrees_n")
_GRIDS = ("spatial_ref", "crs")  # usual names of a grid mapping
_SLACK = 0.01  # of the spacing, by which coordinates may differ from an even grid
_OTHERS = "write the labels to a .nc file or a Zarr store"


def map_axes(labels: LabelOutline) -> tuple[int, int]:
    """Return the numbers of the axes y and x, by names and attributes; without them the last two.

    Raises
    ------
    DataError
        If the labels have fewer than two dimensions, or only one of the axes is found.
    """
    dims = labels.dimensions
    kinds = [_kind(labels, axis) for axis in range(len(dims))]
    found = [kinds.index(kind) if kinds.count(kind) == 1 else None for kind in "yx"]
    if found == [None, None] and len(dims) > 1:
        return len(dims) - 2, len(dims) - 1
    if None in found:
        raise DataError(
            f"a GeoTIFF needs the dimensions y and x, but the labels have {list(dims)}: {_OTHERS}."
        )
    y, x = found
    assert y is not None
    assert x is not None
    return y, x


def _kind(labels: LabelOutline, axis: int) -> str:
    """Return x, y or nothing, by the name of the dimension and CF attributes of its coordinate."""
    dim = labels.dimensions[axis]
    known = labels.along(axis).get(dim)
    attributes = {} if known is None else dict(known.array.attrs)
    words = {dim.lower(), str(attributes.get("standard_name", "")).lower()}
    stated = str(attributes.get("axis", "")).lower()
    return "x" if stated == "x" or words & _X else "y" if stated == "y" or words & _Y else ""


def transform_of(labels: LabelOutline, y: int, x: int) -> Any:
    """Return the affine transform of pixel corners, or None if the place is not known.

    Evenly spaced coordinates decide. A transform that the grid mapping states makes them exact and
    tells whether they are those of the centres of pixels, or of their corners.

    Raises
    ------
    DataError
        If a coordinate is not evenly spaced.
    """
    from rasterio.transform import Affine

    pixels = (Affine.identity(), Affine.scale(1, -1))
    stated = _stated(labels)
    if stated is not None and (stated.b or stated.d):
        return stated
    steps = [_spacing(labels, axis) for axis in (y, x)]
    if None in steps:
        return stated
    (y0, dy), (x0, dx) = (step for step in steps if step is not None)
    of_y, of_x = ((stated.f, stated.e), (stated.c, stated.a)) if stated else (None, None)
    dy, dx = _known_step(dy, of_y, dx), _known_step(dx, of_x, dy)
    if dy is None or dx is None:
        return stated
    top, dy = _corner(y0, dy, of_y)
    left, dx = _corner(x0, dx, of_x)
    found = Affine(dx, 0, left, 0, dy, top)
    return None if found in pixels else found  # of an image without a place


def _known_step(step: float | None, stated: Any, other: float | None) -> float | None:
    """The spacing of a coordinate; that of a single value is stated, or that of the other axis."""
    if step is None and stated:
        return float(stated[1])
    return other if step is None else step


def _corner(first: float, step: float, stated: tuple[float, float] | None) -> tuple[float, float]:
    """Return the position of the corner of the first pixel, and the spacing."""
    if stated is None or abs(step - stated[1]) > _SLACK * abs(step) / 2:
        return first - step / 2, step
    origin, step = stated
    halves = (first - origin) / step * 2
    if abs(halves - round(halves)) > 2 * _SLACK:
        return first - step / 2, step
    pixels = round(halves) // 2  # an even number of halves is a corner
    return origin + pixels * step, step


def _spacing(labels: LabelOutline, axis: int) -> tuple[float, float | None] | None:
    """Return the first coordinate of an axis and the spacing; None without numbers.

    The spacing of a single value is None.
    """
    dim = labels.dimensions[axis]
    known = labels.along(axis).get(dim)
    values = None if known is None else known.values()
    if values is None or values.dtype.kind not in "iuf" or not values.size:
        return None
    places = values.astype(np.float64)
    first, n = float(places[0]), len(places)
    if n == 1:
        return first, None
    step = float(places[-1] - first) / (n - 1)
    off = np.abs(places - (first + step * np.arange(n))).max()
    if not off <= max(_SLACK * abs(step), _rounding(values)) or step == 0:
        raise DataError(
            f"the coordinate {dim!r} is not evenly spaced, which a GeoTIFF cannot store: {_OTHERS}."
        )
    return first, step


def _rounding(values: AnyArray) -> float:
    if values.dtype.kind != "f":
        return 0.0
    return float(2 * np.finfo(values.dtype).eps * np.abs(values).max())


def _stated(labels: LabelOutline) -> Any:
    """Return the transform of the grid mapping, or of the attribute `transform`, or None."""
    from rasterio.transform import Affine

    text = grid_of(labels).get("GeoTransform")
    try:
        if text is not None:
            numbers = text.split() if isinstance(text, str) else text
            return Affine.from_gdal(*map(float, numbers))
        return Affine(*map(float, labels.attributes["transform"][:6]))
    except (KeyError, TypeError, ValueError):
        return None


def grid_of(labels: LabelOutline) -> Mapping[str, Any]:
    """Return the attributes of the grid mapping; empty if there is none."""
    for name in (str(labels.attributes.get("grid_mapping")), *_GRIDS):
        if name in labels.beside:
            return dict(labels.beside[name].attrs)
    return {}


def crs_of(labels: LabelOutline, y: int, x: int) -> Any:
    """Return the coordinate system as rasterio's CRS, or None if it is not known.

    It is that of the grid mapping, of the attribute `crs` or the coordinate `epsg` of arrays from
    STAC items, or WGS 84 if the coordinates have degrees of latitude and longitude.
    """
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    for text in _texts(labels, y):
        try:
            return CRS.from_user_input(text)
        except CRSError:
            continue
    return None


def _texts(labels: LabelOutline, y: int) -> list[Any]:
    """Return what may be a coordinate system, the most reliable first."""
    grid = grid_of(labels)
    found = [grid.get("crs_wkt"), grid.get("spatial_ref"), _by_pyproj(grid)]
    found.append(labels.attributes.get("crs"))
    epsg = labels.beside.get("epsg")
    if epsg is not None and epsg.ndim == 0 and epsg.dtype.kind in "iu":
        found.append(int(epsg[...]))
    known = labels.along(y).get(labels.dimensions[y])
    if not grid and known is not None:
        units = str(known.array.attrs.get("units", "")).lower()
        found.append(4326 if units in _DEGREES else None)
    return [text for text in found if text]


def _by_pyproj(grid: Mapping[str, Any]) -> str | None:
    """Return the coordinate system of a CF grid mapping without text, if pyproj is installed."""
    if "grid_mapping_name" not in grid:
        return None
    try:
        from pyproj import CRS

        text: str = CRS.from_cf(dict(grid)).to_wkt()
    except Exception:  # pyproj is missing, or raises one of its many errors
        return None
    return text
