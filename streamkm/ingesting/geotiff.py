"""Rasters read by rasterio: one scene, or several on the same grid."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.decoding.placeless import placeless
from streamkm.errors import DataError, ReadError
from streamkm.files.find import File, need
from streamkm.files.names import TIFFS
from streamkm.ingesting.registry import SourceRequest, register
from streamkm.ingesting.scene import Scene, bands_of, described, is_masked, nodata_of, packed
from streamkm.ingesting.source import Coordinate, Form, Piece, Region
from streamkm.rows.formats.exact import converted

_CACHE = 64  # MiB; GDAL's default is 5 % of the machine's memory


@register(
    "geotiff",
    suffixes=TIFFS,
    summary="(band, y, x); several of one grid: (scene, band, y, x); read by rasterio, by window",
)
class GeoTiff:
    """Bands of GeoTIFF files, read in windows.

    The coordinates and the grid mapping are written in the form that rioxarray reads. Pixels that
    are missing by a mask band, a .msk file, an alpha band or, for floats, GDAL's comparison with
    nodata get the nodata value, or an unused value of the stored dtype. An alpha band is not a
    feature. Bands of further scenes are put in the order of the first scene by their descriptions,
    or by their colours.

    Parameters
    ----------
    request : SourceRequest
        Each file is a scene, and all have the same grid. The dtype is that of the scenes by
        default, or a wider one if integers need a nodata value.
    """

    def __init__(self, request: SourceRequest) -> None:
        files, dtype = request.files, request.dtype
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
        """Open a scene and close the previous one."""
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
                    f"{file.path} has {len(scene.subdatasets):,} pages, but a scene has one "
                    "page: pass --kind images to read each page as an image, or split the file."
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
        """Read a window of a scene, with nodata where a mask marks pixels as missing."""
        scene = self._open(file)
        bands = self._bands.get(file.path, self._first)
        if self._fill is None:
            if out.dtype == self._stored:
                scene.read(bands, out=out, window=window)
            else:
                out[...] = converted(scene.read(bands, window=window), out.dtype, file.path)
            return
        stored = scene.read(bands, window=window, out_dtype=self._stored)
        missing = scene.read_masks(bands, window=window) == 0
        for alpha in self._alphas:
            missing |= scene.read(alpha, window=window) == 0
        stored[missing] = 0  # the values of missing pixels are undefined and need not fit the dtype
        out[...] = converted(stored, out.dtype, file.path)
        if nodata_of(scene) is None and np.any((out == self._fill) & ~missing):
            raise DataError(
                f"{file.path} has pixels of the value {self._fill}, which {out.dtype} needs for "
                "masked pixels: pass a wider --dtype, or float64."
            )
        out[missing] = self._fill

    def close(self) -> None:
        self._opened = None, None
        self._closing.close()


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
