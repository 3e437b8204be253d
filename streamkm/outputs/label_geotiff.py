"""Labels as a cloud-optimised GeoTIFF, with the place of the data and a colour for each cluster."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError, OutputWarning
from streamkm.outputs.georeference import crs_of, map_axes, transform_of
from streamkm.outputs.label_colours import colour_table
from streamkm.outputs.whole_labels import LabelOutline, Region, WholeLabels, pieces
from streamkm.rows.formats.placeless import placeless
from streamkm.rows.formats.scenes import GDAL_CACHE
from streamkm.warn import warn

_TILE = 512  # pixels of a side
_MOST = 64 * 2**20  # bytes of a tile of all bands, which are compressed together


def refuse(labels: LabelOutline) -> None:
    """Raise an error for labels that are no map, or maps on an uneven grid.

    Raises
    ------
    DataError
        The message gives the cause.
    """
    y, x = map_axes(labels)
    transform_of(labels, y, x)
    for coordinate in labels.along(_band_axis(labels) or 0).values():
        coordinate.values(0, 1)  # an error if it cannot be decoded
    if len(labels.shape) > 3:
        raise DataError(
            f"a GeoTIFF has at most three dimensions, but the labels have "
            f"{list(labels.dimensions)}: write the labels to a .nc file or a Zarr store."
        )
    most = _MOST // (_TILE**2 * labels.dtype.itemsize)
    if _n_bands(labels) > most:
        raise DataError(
            f"the labels have {_n_bands(labels):,} maps, but a GeoTIFF of them at most {most:,}: "
            "write the labels to a .nc file or a Zarr store."
        )


def write(labels: WholeLabels, path: Path) -> None:
    """Write the labels in tiles, and copy these to a file with overviews.

    GDAL writes cloud-optimised files only as copies. It may log a failed write without raising an
    error, so the values are compared at the end.
    """
    import rasterio
    from rasterio.shutil import copy

    plain = path.with_name(f"tiles-{path.name}")
    plain.unlink(missing_ok=True)  # by a run that was killed here
    options = {"compress": "deflate", "blocksize": _TILE, "bigtiff": "if_safer"}
    with (
        rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE, GDAL_PAM_ENABLED="NO"),
        placeless(),
        _failures(path),
    ):
        with rasterio.open(plain, "w", **_profile(labels.outline)) as file:
            _describe(file, labels.outline)
            for bands, window, values in _tiles(labels):
                file.write(values, bands, window=window)
        copy(plain, path, driver="COG", overview_resampling="mode", **options)
        with rasterio.open(path) as made:
            for bands, window, values in _tiles(labels):
                if not np.array_equal(made.read(bands, window=window), values):
                    raise OSError("the values that were read back differ")
    plain.unlink()


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    """Turn errors of GDAL into one that names the file and the usual cause."""
    from rasterio.errors import RasterioError

    try:
        yield
    except Exception as error:
        kinds = (OSError, RasterioError)  # others of GDAL are not in rasterio's public API
        if not (isinstance(error, kinds) or type(error).__name__.startswith("CPLE_")):
            raise
        raise DataError(
            f"{path.name} could not be written: {error}. Is there enough space on the disk?"
        ) from error


def _profile(labels: LabelOutline) -> dict[str, Any]:
    """Return the options of the file of tiles."""
    y, x = map_axes(labels)
    transform, crs = transform_of(labels, y, x), crs_of(labels, y, x)
    if crs is None and transform is not None:
        warn("the GeoTIFF has no CRS, because that of the data is not known", OutputWarning)
    return {
        "driver": "GTiff",
        "height": labels.shape[y],
        "width": labels.shape[x],
        "count": _n_bands(labels),
        "dtype": labels.dtype.name,
        "nodata": labels.fill,
        "crs": crs,
        "transform": transform,
        "tiled": True,
        "blockxsize": _TILE,
        "blockysize": _TILE,
        "interleave": "band",
        "bigtiff": "if_safer",
    }


def _describe(file: Any, labels: LabelOutline) -> None:
    """Write the names and colours of the clusters, and a description of each band."""
    names = str(labels.attributes.get("flag_meanings", ""))
    if names:
        file.update_tags(flag_values=" ".join(map(str, labels.attributes["flag_values"])))
        file.update_tags(flag_meanings=names)
    k = len(names.split())
    if k and labels.dtype == np.uint8 and file.count == 1:
        colours = {number: (*colour, 255) for number, colour in enumerate(colour_table(k))}
        file.write_colormap(1, colours | ({} if labels.fill is None else {labels.fill: (0,) * 4}))
    for number, text in enumerate(_band_names(labels), 1):
        file.set_band_description(number, text)


def _band_names(labels: LabelOutline) -> list[str]:
    """Return the coordinates of the maps as text, or their positions; none for a single map."""
    axis = _band_axis(labels)
    if axis is None:
        return []
    dim = labels.dimensions[axis]
    known = labels.along(axis)
    chosen = known.get(dim) or (next(iter(known.values())) if len(known) == 1 else None)
    values: Sequence[Any] | AnyArray = range(labels.shape[axis])
    if chosen is not None:
        values = chosen.values()
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        values = np.datetime_as_string(values, "auto")
    return [f"{dim} {value}" for value in values]


def _band_axis(labels: LabelOutline) -> int | None:
    others = set(range(len(labels.shape))) - set(map_axes(labels))
    return min(others, default=None)


def _n_bands(labels: LabelOutline) -> int:
    return math.prod(labels.shape) // max(1, math.prod(labels.shape[a] for a in map_axes(labels)))


def _tiles(labels: WholeLabels) -> Iterator[tuple[list[int], Any, AnyArray]]:
    """Yield all labels with the numbers of their bands and their window, as (band, y, x)."""
    (y, x), band = map_axes(labels.outline), _band_axis(labels.outline)
    order = (y, x) if band is None else (band, y, x)
    for region, values in pieces(labels.array):
        turned = np.ascontiguousarray(values.transpose(order))
        bands = [1] if band is None else _numbers(region, band)
        yield bands, _window(region, y, x), turned.reshape(-1, *turned.shape[-2:])


def _numbers(region: Region, band: int) -> list[int]:
    return list(range(region[band].start + 1, region[band].stop + 1))


def _window(region: Region, y: int, x: int) -> Any:
    return tuple((region[axis].start, region[axis].stop) for axis in (y, x))
