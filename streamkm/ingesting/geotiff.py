"""Rasters, by rasterio: one scene, or many of the same grid."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt

from streamkm.decoding.placeless import placeless
from streamkm.errors import DataError, ReadError
from streamkm.files.find import File, need
from streamkm.ingesting.exact import converted
from streamkm.ingesting.source import Coordinate, Form, Piece, Region

_CACHE = 64  # MiB; by itself GDAL takes a twentieth of the machine


class GeoTiff:
    """Bands of GeoTIFF files, in windows.

    The coordinates and the grid mapping are written as rioxarray reads them. Pixels that are left
    out by a mask band, a .msk file, an alpha band or, of floats, as GDAL compares them with nodata,
    get the value of nodata, or one that the stored dtype leaves free. An alpha band is no feature.

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
        grid = _grid(scene)
        by, bx = scene.block_shapes[0]
        self._stored = np.result_type(*map(np.dtype, scene.dtypes))
        self._bands, self._alphas = _bands(scene)
        beside, attributes = _described(scene, self._bands)
        masked = _is_masked(scene, self._bands)
        for file in files[1:]:
            other = _grid(self._open(file))
            masked |= _is_masked(self._open(file), self._bands)
            unlike = [name for name, value in grid.items() if other[name] != value]
            if unlike:
                raise DataError(
                    f"{file.path} has another {unlike[0]} ({other[unlike[0]]}) than "
                    f"{files[0].path} ({grid[unlike[0]]}); only scenes of one grid make a stack."
                )
        self._fill: float | int | None = None
        if masked:
            nodata = attributes.get("_FillValue")
            if dtype is None and nodata is None:
                dtype = _wider(self._stored)
            self._fill = _free_value(dtype or self._stored) if nodata is None else nodata
            attributes["_FillValue"] = self._fill
        dims: tuple[str, ...] = ("band", "y", "x")
        lengths: tuple[int, ...] = (len(self._bands), *grid["size"])
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

    def _read(self, file: File, window: Any, out: npt.NDArray[Any]) -> None:
        """A window of one scene, with its nodata where a mask leaves pixels out."""
        scene = self._open(file)
        if self._fill is None:
            if out.dtype == self._stored:
                scene.read(self._bands, out=out, window=window)
            else:
                out[...] = converted(scene.read(self._bands, window=window), out.dtype, file.path)
            return
        stored = scene.read(self._bands, window=window, out_dtype=self._stored)
        gone = scene.read_masks(self._bands, window=window) == 0
        for alpha in self._alphas:
            gone |= scene.read(alpha, window=window) == 0
        stored[gone] = 0  # what lies there has no meaning, and need not fit the dtype
        out[...] = converted(stored, out.dtype, file.path)
        if _nodata(scene) is None and np.any((out == self._fill) & ~gone):
            raise DataError(
                f"{file.path} has pixels of the value {self._fill}, which {out.dtype} needs for "
                "those that its mask leaves out: pass a wider --dtype, or float64."
            )
        out[gone] = self._fill

    def close(self) -> None:
        self._opened = None, None
        self._closing.close()


def _bands(scene: Any) -> tuple[list[int], list[int]]:
    """Numbers of the bands of values, and of the alpha bands."""
    kinds = [(number, kind.name) for number, kind in enumerate(scene.colorinterp, 1)]
    alphas = [number for number, kind in kinds if kind == "alpha"]
    return [number for number, _ in kinds if number not in alphas] or alphas, alphas


def _nodata(scene: Any) -> float | int | None:
    """The value of nodata, where all bands have one and the dtype can hold it."""
    value = scene.nodata
    if value is None or len(set(map(str, scene.nodatavals))) > 1:
        return None
    dtype = np.result_type(*map(np.dtype, scene.dtypes))
    if dtype.kind in "iu":
        whole = float(value).is_integer() and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max
        return int(value) if whole else None
    return float(value)


def _is_masked(scene: Any, bands: list[int]) -> bool:
    """Whether something else than a value of whole numbers says which pixels are nodata."""
    flags = {flag.name for band in bands for flag in scene.mask_flag_enums[band - 1]}
    floats = any(np.dtype(dtype).kind == "f" for dtype in scene.dtypes)
    by_value = flags == {"nodata"} and _nodata(scene) is not None and not floats
    alpha = "alpha" in {kind.name for kind in scene.colorinterp} and scene.count > 1
    return alpha or not (flags == {"all_valid"} or by_value)


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


def _grid(scene: Any) -> dict[str, Any]:
    """What scenes of a stack have in common."""
    return {
        "number of bands": scene.count,
        "alpha bands": _bands(scene)[1],
        "size": (scene.height, scene.width),
        "dtype": scene.dtypes[0] if len(set(scene.dtypes)) == 1 else scene.dtypes,
        "CRS": scene.crs.to_string() if scene.crs else None,
        "transform": tuple(scene.transform)[:6],
        "nodata value": None if scene.nodata is None else str(scene.nodata),  # NaN equals itself
    }


def _described(scene: Any, bands: list[int]) -> tuple[dict[str, Coordinate], dict[str, Any]]:
    """Coordinates and grid mapping, and the attributes of these bands."""
    at = scene.transform
    beside = {"band": Coordinate(("band",), np.array(bands), {})}
    attributes: dict[str, Any] = {}
    if at.b == at.d == 0:  # else y and x are no axes of the grid
        x = at.c + at.a * (np.arange(scene.width) + 0.5)
        y = at.f + at.e * (np.arange(scene.height) + 0.5)
        beside |= {"y": Coordinate(("y",), y, {}), "x": Coordinate(("x",), x, {})}
    if scene.crs or not at.is_identity:
        grid = {"GeoTransform": " ".join(map(repr, map(float, at.to_gdal())))}
        if scene.crs:
            wkt = scene.crs.to_wkt()
            grid |= {"crs_wkt": wkt, "spatial_ref": wkt}
        beside["spatial_ref"] = Coordinate((), np.array(0), grid)
        attributes |= {"grid_mapping": "spatial_ref", "coordinates": "spatial_ref"}
    nodata = _nodata(scene)
    if nodata is not None:
        attributes["_FillValue"] = nodata
    if any(scene.descriptions):  # of all bands: they are looked up by band number
        attributes["long_name"] = [name or "" for name in scene.descriptions]
    scales = [scene.scales[band - 1] for band in bands]
    offsets = [scene.offsets[band - 1] for band in bands]
    if len(set(scales)) == len(set(offsets)) == 1:
        if (scales[0], offsets[0]) != (1, 0):
            attributes |= {"scale_factor": scales[0], "add_offset": offsets[0]}
    else:  # CF knows one of an array: coordinates, which xarray multiplies by their dimension
        packing = {"scale_factor": scales, "add_offset": offsets}
        beside |= {n: Coordinate(("band",), np.array(v), {}) for n, v in packing.items()}
        known = attributes.get("coordinates", "")
        attributes["coordinates"] = " ".join([*known.split(), *packing])
    return beside, attributes
