"""Rasters, by rasterio: one scene, or many of the same grid."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.decoding.placeless import placeless
from streamkm.errors import DataError, ReadError
from streamkm.files.find import File, need
from streamkm.ingesting.exact import converted
from streamkm.ingesting.scene import Scene, bands_of, described, is_masked, nodata_of, packed
from streamkm.ingesting.source import Coordinate, Form, Piece, Region

_CACHE = 64  # MiB; by itself GDAL takes a twentieth of the machine


class GeoTiff:
    """Bands of GeoTIFF files, in windows.

    The coordinates and the grid mapping are written as rioxarray reads them. Pixels that are left
    out by a mask band, a .msk file, an alpha band or, of floats, as GDAL compares them with nodata,
    get the value of nodata, or one that the stored dtype leaves free. An alpha band is no feature.
    Bands of further scenes are put in the order of the first one's by their descriptions, or by
    their colours.

    Parameters
    ----------
    files : one scene each, of the same grid
    dtype : asked for, or None for that of the scenes, wider where whole numbers need a nodata value
    """

    def __init__(self, files: Sequence[File], dtype: np.dtype[Any] | None = None) -> None:
        self.skipped: list[str] = []
        self._rasterio = need("rasterio", "GeoTIFF files")
        self._files = files
        self._closing = ExitStack()
        self._opened: tuple[File | None, Any] = None, None
        scene = self._open(files[0])
        by, bx = scene.block_shapes[0]
        self._stored = np.result_type(*map(np.dtype, scene.dtypes))
        bands, self._alphas = bands_of(scene)
        beside, attributes = described(scene, bands)
        scenes = [Scene(files[0], scene)]
        masked = is_masked(scene, bands)
        for file in files[1:]:
            scenes.append(Scene(file, self._open(file)).matched(scenes[0]))
            masked |= is_masked(self._open(file), bands)
        self._bands = {scene.path: scene.bands for scene in scenes if scene.bands != bands}
        self._first = bands
        packing = packed(scenes)
        beside |= packing[0]
        attributes |= packing[1]
        if packing[0]:
            known = attributes.get("coordinates", "")
            attributes["coordinates"] = " ".join([*known.split(), *packing[0]])
        self._fill: float | int | None = None
        if masked:
            nodata = attributes.get("_FillValue")
            if dtype is None and nodata is None:
                dtype = _wider(self._stored)
            self._fill = _free_value(dtype or self._stored) if nodata is None else nodata
            attributes["_FillValue"] = self._fill
        dims: tuple[str, ...] = ("band", "y", "x")
        lengths: tuple[int, ...] = (len(bands), *scenes[0].grid["size"])
        grain: tuple[int, ...] = tuple(map(min, lengths, (lengths[0], by, bx)))
        if len(files) > 1:
            dims, lengths, grain = ("scene", *dims), (len(files), *lengths), (1, *grain)
            names = np.array([file.name for file in files], object)
            beside["file"] = Coordinate(("scene",), names, {})
            attributes["coordinates"] = f"{attributes.get('coordinates', '')} file".strip()
        features = (dims.index("band"),)
        out = dtype or self._stored
        self.form = Form(
            "pixels", dims, lengths[0], lengths[1:], out, features, grain, attributes, beside
        )

    def _open(self, file: File) -> Any:
        """The scene; the one before is closed."""
        if self._opened[0] is not file:
            self.close()
            rasterio = self._rasterio
            opener = {} if file.local else {"opener": file.fs}
            with placeless():
                try:
                    self._closing.enter_context(rasterio.Env(GDAL_CACHEMAX=_CACHE))
                    scene = self._closing.enter_context(rasterio.open(file.path, **opener))
                except rasterio.errors.RasterioIOError as error:
                    raise ReadError(f"{file.path} cannot be read as a raster: {error}") from error
            if scene.subdatasets:
                raise DataError(
                    f"{file.path} has {len(scene.subdatasets):,} pages, and a scene is one page: "
                    "pass --kind images to take each as an image, or split it."
                )
            self._opened = file, scene
        return self._opened[1]

    def read(self, region: Region) -> Piece:
        *scenes, _, ys, xs = region
        which = scenes[0] if scenes else slice(0, 1)
        shape = tuple(s.stop - s.start for s in region)
        values = np.empty(shape, self.form.dtype)
        window = ((ys.start, ys.stop), (xs.start, xs.stop))
        for place, number in enumerate(range(which.start, which.stop)):
            file = self._files[number]
            try:
                self._read(file, window, values[place] if scenes else values)
            except self._rasterio.errors.RasterioIOError as error:
                raise ReadError(
                    f"{file.path} cannot be read at rows {ys.start}:{ys.stop}, columns "
                    f"{xs.start}:{xs.stop}: {error}. Copy it again."
                ) from error
        return Piece(values)

    def _read(self, file: File, window: Any, out: AnyArray) -> None:
        """A window of one scene, with its nodata where a mask leaves pixels out."""
        scene = self._open(file)
        bands = self._bands.get(file.path, self._first)
        if self._fill is None:
            if out.dtype == self._stored:
                scene.read(bands, out=out, window=window)
            else:
                out[...] = converted(scene.read(bands, window=window), out.dtype, file.path)
            return
        stored = scene.read(bands, window=window, out_dtype=self._stored)
        gone = scene.read_masks(bands, window=window) == 0
        for alpha in self._alphas:
            gone |= scene.read(alpha, window=window) == 0
        stored[gone] = 0  # what lies there has no meaning, and need not fit the dtype
        out[...] = converted(stored, out.dtype, file.path)
        if nodata_of(scene) is None and np.any((out == self._fill) & ~gone):
            raise DataError(
                f"{file.path} has pixels of the value {self._fill}, which {out.dtype} needs for "
                "those that its mask leaves out: pass a wider --dtype, or float64."
            )
        out[gone] = self._fill

    def close(self) -> None:
        self._opened = None, None
        self._closing.close()


def _wider(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """A dtype with more values, one of them for nodata; the same where there is no such dtype."""
    if dtype.kind not in "iu":
        return dtype
    kind = "u" if dtype.kind == "u" and dtype.itemsize < 4 else "i"
    return np.dtype(f"{kind}{min(8, 2 * dtype.itemsize)}")


def _free_value(dtype: np.dtype[Any]) -> float | int:
    """The value that is least likely to be another's."""
    if dtype.kind not in "iu":
        return float("nan")
    limits = np.iinfo(dtype)
    return int(limits.max if dtype.kind == "u" else limits.min)
