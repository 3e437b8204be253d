"""Rasters, by rasterio: one scene, or many of the same grid."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from streamkm.decoding.placeless import placeless
from streamkm.errors import DataError, ReadError
from streamkm.files.find import File, need
from streamkm.ingesting.source import Coordinate, Form, Piece, Region

_CACHE = 64  # MiB; by itself GDAL takes a twentieth of the machine


class GeoTiff:
    """Bands of GeoTIFF files, in windows.

    The coordinates and the grid mapping are written as rioxarray reads them.

    Parameters
    ----------
    files : one scene each, of the same grid
    """

    def __init__(self, files: Sequence[File]) -> None:
        self.skipped: list[str] = []
        self._rasterio = need("rasterio", "GeoTIFF files")
        self._files = files
        self._closing = ExitStack()
        self._opened: tuple[File | None, Any] = None, None
        scene = self._open(files[0])
        grid = _grid(scene)
        by, bx = scene.block_shapes[0]
        dtype = np.result_type(*map(np.dtype, scene.dtypes))
        beside, attributes = _described(scene)
        for file in files[1:]:
            other = _grid(self._open(file))
            unlike = [name for name, value in grid.items() if other[name] != value]
            if unlike:
                raise DataError(
                    f"{file.path} has another {unlike[0]} ({other[unlike[0]]}) than "
                    f"{files[0].path} ({grid[unlike[0]]}); only scenes of one grid make a stack."
                )
        dims: tuple[str, ...] = ("band", "y", "x")
        lengths: tuple[int, ...] = (grid["number of bands"], *grid["size"])
        grain: tuple[int, ...] = tuple(map(min, lengths, (lengths[0], by, bx)))
        if len(files) > 1:
            dims, lengths, grain = ("scene", *dims), (len(files), *lengths), (1, *grain)
            names = np.array([file.name for file in files], object)
            beside["file"] = Coordinate(("scene",), names, {})
            attributes["coordinates"] = f"{attributes.get('coordinates', '')} file".strip()
        features = (dims.index("band"),)
        self.form = Form(
            "pixels", dims, lengths[0], lengths[1:], dtype, features, grain, attributes, beside
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
                self._open(file).read(out=values[place] if scenes else values, window=window)
            except self._rasterio.errors.RasterioIOError as error:
                raise ReadError(
                    f"{file.path} cannot be read at rows {ys.start}:{ys.stop}, columns "
                    f"{xs.start}:{xs.stop}: {error}. Copy it again."
                ) from error
        return Piece(values)

    def close(self) -> None:
        self._opened = None, None
        self._closing.close()


def _grid(scene: Any) -> dict[str, Any]:
    """What scenes of a stack have in common."""
    return {
        "number of bands": scene.count,
        "size": (scene.height, scene.width),
        "dtype": scene.dtypes[0] if len(set(scene.dtypes)) == 1 else scene.dtypes,
        "CRS": scene.crs.to_string() if scene.crs else None,
        "transform": tuple(scene.transform)[:6],
        "nodata value": None if scene.nodata is None else str(scene.nodata),  # NaN equals itself
    }


def _described(scene: Any) -> tuple[dict[str, Coordinate], dict[str, Any]]:
    """Coordinates and grid mapping, and the attributes of the bands."""
    at = scene.transform
    beside = {"band": Coordinate(("band",), np.arange(1, scene.count + 1), {})}
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
    if scene.nodata is not None:
        attributes["_FillValue"] = scene.nodata
    if any(scene.descriptions):
        attributes["long_name"] = [name or "" for name in scene.descriptions]
    if len(set(scene.scales)) == len(set(scene.offsets)) == 1:
        scale, offset = scene.scales[0], scene.offsets[0]
        if (scale, offset) != (1, 0):
            attributes |= {"scale_factor": scale, "add_offset": offset}
    return beside, attributes
