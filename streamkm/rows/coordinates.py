"""Coordinates (labels along a dimension), where they are stored, and their comparison."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError, StreamkmWarning
from streamkm.rows.checked import checked_sizes
from streamkm.rows.damaged import damage
from streamkm.rows.dimensions import dimension_names
from streamkm.rows.formats.base import FileArray
from streamkm.rows.kinds import is_a
from streamkm.warn import warn

_STEP = 65_536  # labels compared together
_MOST = 2**22  # labels in a chunk: 32 MiB of float64
_SLACK = 1e-3  # fraction of the spacing below which labels differ only in rounding
_KINDS = "biufUSTM"  # no objects, because their codecs could run code
_CF = ("scale_factor", "add_offset")


@dataclass(frozen=True)
class Coordinate:
    """The labels along a dimension, read in parts.

    Parameters
    ----------
    array : one-dimensional xarray.DataArray, or zarr.Array whose codecs run no code
    dim : name of the dimension
    """

    array: Any
    dim: str

    def __len__(self) -> int:
        return int(self.array.shape[0])

    @property
    def grain(self) -> int:
        """Minimum number of labels that are decoded together."""
        if is_a(self.array, "xarray.DataArray"):
            return 1
        return int((self.array.shards or self.array.chunks or (1,))[0])

    @property
    def place(self) -> Any:
        """Location of a stored coordinate, or None."""
        return self.array.store_path if is_a(self.array, "zarr.Array") else None

    def values(self, start: int = 0, stop: int | None = None) -> AnyArray:
        """Return the labels from `start` to `stop`, decoded like xarray."""
        part = self.array[start:stop]
        if is_a(self.array, "xarray.DataArray"):
            return np.asarray(part.values)
        return _decoded(self.dim, np.asarray(part), dict(self.array.attrs))


def coordinate(data: Any, dim: str | None) -> Coordinate | None:
    """Return the coordinate of a dimension of a DataArray or a Zarr array, or None.

    The coordinate of a Zarr array is the array of that name in the same group.
    """
    if is_a(data, "xarray.DataArray"):
        if dim not in data.coords or data.coords[dim].ndim != 1:
            return None
        return Coordinate(data.coords[dim], str(dim))
    beside = None if dim is None else array_beside(data, dim)
    known = beside is not None and beside.ndim == 1 and beside.dtype.kind in _KINDS
    return Coordinate(beside, str(dim)) if known else None


def array_beside(data: Any, name: str) -> Any:
    """Return the array of a name beside a Zarr array or an array in a file, or None.

    As in arrays that are opened by path, the sizes of the chunks of Zarr are checked.
    """
    if isinstance(data, FileArray):
        with damage(data.origin["path"]):
            return data.beside(name)
    if not is_a(data, "zarr.Array") or not data.path:
        return None
    import zarr  # already imported by the caller

    path = "/".join((*data.path.split("/")[:-1], name))
    try:
        found = zarr.open_array(
            store=data.store, path=path, mode="r", zarr_format=data.metadata.zarr_format
        )
        return checked_sizes(found)
    except (FileNotFoundError, PermissionError):
        return None  # a store without permission to list reports missing keys in this way
    except (KeyError, ValueError):
        return None  # a group, or an array that Zarr cannot read


def arrays_beside(data: Any, dims: Sequence[str | None], shape: Sequence[int]) -> dict[str, Any]:
    """Return the coordinates and the grid mapping of some dimensions of a Zarr array, by name.

    These are the coordinates of the dimensions, and the arrays in the same group that the
    attributes `coordinates` and `grid_mapping` name, as in CF. None is read.

    Parameters
    ----------
    data : zarr.Array or FileArray
    dims, shape : names and lengths of the dimensions
    """
    if len(set(dims)) < len(dims) or not all(dims):
        return {}
    named = (str(data.attrs.get(name, "")).split() for name in ("coordinates", "grid_mapping"))
    sizes, found = dict(zip(dims, shape, strict=True)), {}
    for name in dict.fromkeys([*dims, *itertools.chain(*named)]):
        array = array_beside(data, str(name))
        if array is None:
            continue
        own = dimension_names(array) or ()
        whole = array.shape == tuple(sizes.get(dim) for dim in own)
        if whole and len(own) == array.ndim and array.dtype.kind in _KINDS:
            found[str(name)] = array
    return found


def same(a: Coordinate, b: Coordinate, *, turned: bool = False) -> bool:
    """Return whether two coordinates are equal, floats up to rounding; they are read in parts.

    Coordinates whose chunks are too large to be read in parts are not compared, with a warning.

    Parameters
    ----------
    a, b : coordinates
    turned : whether `a` is read in reverse order
    """
    n = len(a)
    if n != len(b):
        return False
    if a.place is not None and a.place == b.place and not turned:
        return True
    grain = max(1, min(n, max(a.grain, b.grain)))
    if grain > _MOST:
        warn(
            f"the coordinates along {b.dim!r} were not compared: one chunk holds {grain:,} labels. "
            f"Store them in chunks of at most {_MOST:,} labels, or compare them yourself.",
            StreamkmWarning,
        )
        return True
    step = -(-_STEP // grain) * grain
    last: tuple[AnyArray, AnyArray] | None = None
    for start in range(0, n, step):
        stop = min(n, start + step)
        mine = a.values(n - stop, n - start)[::-1] if turned else a.values(start, stop)
        parts = mine, b.values(start, stop)
        if last is not None:  # the spacing needs at least two labels
            parts = np.concatenate([last[0], parts[0]]), np.concatenate([last[1], parts[1]])
        if not _equal(*parts):
            return False
        last = parts[0][-1:], parts[1][-1:]
    return True


def _equal(a: AnyArray, b: AnyArray) -> bool:
    kinds = {a.dtype.kind, b.dtype.kind}
    if "f" not in kinds or not kinds <= set("iuf"):
        return bool(np.array_equal(a, b))
    precision = max(float(np.finfo(v.dtype).eps) for v in (a, b) if v.dtype.kind == "f")
    return close(a, b, precision)


def close(a: AnyArray, b: AnyArray, precision: float) -> bool:
    """Return whether numbers differ by less than a thousandth of their spacing, or by rounding.

    Parameters
    ----------
    a, b : arrays of the same shape
    precision : relative precision of the less precise array
    """
    a, b = a.astype(np.float64), b.astype(np.float64)
    gaps = np.abs(np.diff(b))
    gaps = gaps[np.isfinite(gaps)]
    rounding = 4 * precision * np.abs(b)
    if gaps.size:
        least = gaps.min()
        rounding = np.maximum(_SLACK * least, np.minimum(rounding, least / 4))
    with np.errstate(invalid="ignore"):  # inf - inf
        near = np.abs(a - b) <= rounding
    return bool(np.all(near | (a == b) | (np.isnan(a) & np.isnan(b))))


def _decoded(dim: str, values: AnyArray, attributes: dict[str, Any]) -> AnyArray:
    times = " since " in str(attributes.get("units", ""))
    spans = str(attributes.get("dtype", "")).startswith("timedelta64")
    if not (times or spans or any(name in attributes for name in _CF)):
        return values
    import xarray as xr  # takes half a second; only for coordinates that need it

    data = xr.Dataset(coords={dim: (dim, values, attributes)})
    try:
        return np.asarray(xr.decode_cf(data)[dim].values)
    except ValueError as error:
        calendar = attributes.get("calendar", "standard")
        raise DataError(
            f"the coordinate {dim!r} has the units {attributes.get('units')!r} and the calendar "
            f"{calendar!r}, which cannot be decoded. Calendars of models need cftime: pip install "
            "cftime."
        ) from error
