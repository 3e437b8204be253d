"""Rasters on one grid as one array: its shape, dtype and metadata, and the reading of windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError, ReadError
from streamkm.files.find import File, need
from streamkm.rows.formats.exact import converted
from streamkm.rows.formats.placeless import placeless
from streamkm.rows.formats.scene import (
    Coordinate,
    Scene,
    bands_of,
    described,
    is_masked,
    lost_of,
    nodata_of,
    packed,
)

GDAL_CACHE = 64 * 2**20  # bytes; GDAL's default is 5 % of the machine's memory
Window = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Scenes:
    """The scenes of a stack.

    Pixels that are missing by a mask band, a .msk file, an alpha band or, for floats, NaN or GDAL's
    comparison with nodata get the nodata value, or an unused value of the dtype. An alpha band is
    not a feature. Bands of further scenes are put in the order of the first scene by their
    descriptions, or by their colours.

    Parameters
    ----------
    files : tuple of File
    dims, shape, grain : dimensions, their lengths, and the shape of what is decoded together
    stored, dtype : dtype of the files, and of the values
    attributes, beside : attributes of the array, and its coordinates and grid mapping by name
    fill : value of missing pixels, or None if no mask is needed
    bands : numbers of the bands of each file
    alphas : numbers of the alpha bands
    """

    files: tuple[File, ...]
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    grain: tuple[int, ...]
    stored: np.dtype[Any]
    dtype: np.dtype[Any]
    attributes: Mapping[str, Any]
    beside: Mapping[str, Coordinate]
    fill: float | int | None
    bands: tuple[tuple[int, ...], ...]
    alphas: tuple[int, ...]

    def read(self, number: int, scene: Any, window: Window, out: AnyArray) -> None:
        """Read a window of the open scene of a number, with `fill` where pixels are missing.

        Raises
        ------
        DataError
            If a pixel has the value that masked pixels need.
        ReadError
            If the file cannot be read; the message names the window.
        """
        file, errors = self.files[number], need("rasterio", "GeoTIFF files").errors
        try:
            self._read(number, scene, window, out)
        except errors.RasterioIOError as error:
            (top, bottom), (left, right) = window
            raise ReadError(
                f"{file.path} cannot be read at rows {top}:{bottom}, columns {left}:{right}: "
                f"{error}. Copy it again."
            ) from error

    def _read(self, number: int, scene: Any, window: Window, out: AnyArray) -> None:
        bands, path = list(self.bands[number]), self.files[number].path
        if self.fill is None:
            if out.dtype == self.stored:
                scene.read(bands, out=out, window=window)
            else:
                out[...] = converted(scene.read(bands, window=window), out.dtype, path)
            return
        stored = scene.read(bands, window=window, out_dtype=self.stored)
        missing = scene.read_masks(bands, window=window) == 0
        for alpha in self.alphas:
            missing |= scene.read(alpha, window=window) == 0
        if self.stored.kind == "f":
            missing |= np.isnan(stored)
        stored[missing] = 0  # the values of missing pixels are undefined and need not fit the dtype
        out[...] = converted(stored, out.dtype, path)
        if nodata_of(scene) is None and np.any((out == self.fill) & ~missing):
            raise DataError(
                f"{path} has pixels of the value {self.fill}, which {out.dtype} needs for masked "
                "pixels: pass a wider --dtype to streamkm ingest, or float64."
            )
        out[missing] = self.fill


@contextmanager
def opened_scene(file: File) -> Iterator[Any]:
    """Open a raster by rasterio.

    Raises
    ------
    DataError
        If it has several pages, or rasterio is missing.
    ReadError
        If it cannot be read.
    """
    rasterio = need("rasterio", "GeoTIFF files")
    opener = {} if file.local else {"opener": file.fs}
    with rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE):
        with placeless():
            try:
                scene = rasterio.open(file.path, **opener)
            except rasterio.errors.RasterioIOError as error:
                raise ReadError(f"{file.path} cannot be read as a raster: {error}") from error
        with scene:
            if scene.subdatasets:
                raise DataError(
                    f"{file.path} has {len(scene.subdatasets):,} pages, but a scene has one "
                    "page: ingest it with --kind images to read each page as an image, or split "
                    "the file."
                )
            yield scene


def scenes_of(
    files: Sequence[File], opened: Callable[[File], Any], dtype: np.dtype[Any] | None
) -> Scenes:
    """Read the metadata of all files.

    Parameters
    ----------
    files : files of the scenes, in order
    opened : returns the open scene of a file, which may be closed at the next call
    dtype : dtype of the values, by default that of the files, or a wider one if integers need a
        nodata value

    Raises
    ------
    DataError
        If the grid or the meaning of a band differs between files.
    """
    scene = opened(files[0])
    by, bx = scene.block_shapes[0]
    stored = np.result_type(*map(np.dtype, scene.dtypes))
    bands, alphas = bands_of(scene)
    beside, attributes = described(scene, bands)
    lost = [[clause, len(files), files[0].path] for clause in lost_of(scene)]
    attributes |= {"notices": lost} if lost else {}
    scenes = [Scene(files[0], scene)]
    masked = is_masked(scene, bands)
    for file in files[1:]:
        other = opened(file)
        scenes.append(Scene(file, other).matched(scenes[0]))
        masked |= is_masked(other, bands)
    packing = packed(scenes)
    beside |= packing[0]
    attributes |= packing[1]
    if packing[0]:
        known = attributes.get("coordinates", "")
        attributes["coordinates"] = " ".join([*known.split(), *packing[0]])
    fill: float | int | None = None
    if masked:
        nodata = attributes.get("_FillValue")
        if dtype is None and nodata is None:
            dtype = _wider(stored)
        fill = _free_value(dtype or stored) if nodata is None else nodata
        attributes["_FillValue"] = fill
    out = dtype or stored
    if out.kind == "f" and fill is None:  # NaN is missing where no mask has to be read
        attributes["_FillValue"] = float("nan")
    dims: tuple[str, ...] = ("band", "y", "x")
    shape: tuple[int, ...] = (len(bands), *scenes[0].grid["size"])
    grain: tuple[int, ...] = tuple(map(min, shape, (shape[0], by, bx)))
    if len(files) > 1:
        dims, shape, grain = ("scene", *dims), (len(files), *shape), (1, *grain)
        names = np.array([file.name for file in files], object)
        beside["file"] = Coordinate(("scene",), names, {})
        attributes["coordinates"] = f"{attributes.get('coordinates', '')} file".strip()
    each = tuple(tuple(scene.bands) for scene in scenes)
    return Scenes(
        tuple(files), dims, shape, grain, stored, out, attributes, beside, fill, each, tuple(alphas)
    )


def _wider(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a wider dtype with a value for nodata, or the same dtype if there is none."""
    if dtype.kind not in "iu":
        return dtype
    kind = "u" if dtype.kind == "u" and dtype.itemsize < 4 else "i"
    return np.dtype(f"{kind}{min(8, 2 * dtype.itemsize)}")


def _free_value(dtype: np.dtype[Any]) -> float | int:
    """Return the value that is least likely to be used."""
    if dtype.kind not in "iu":
        return float("nan")
    limits = np.iinfo(dtype)
    return int(limits.max if dtype.kind == "u" else limits.min)
