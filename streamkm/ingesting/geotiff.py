"""Rasters read by rasterio: one scene, or several on the same grid."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np

from streamkm.files.find import File
from streamkm.files.names import TIFFS
from streamkm.ingesting.registry import SourceRequest, register
from streamkm.ingesting.source import Form, Piece, Region
from streamkm.rows.formats.scenes import opened_scene, scenes_of


@register(
    "geotiff",
    suffixes=TIFFS,
    summary="(band, y, x); several of one grid: (scene, band, y, x); read by rasterio, by window",
)
class GeoTiff:
    """Bands of GeoTIFF files, read in windows, as `Scenes` describes.

    The coordinates and the grid mapping are written in the form that rioxarray reads.

    Parameters
    ----------
    request : SourceRequest
        Each file is a scene, and all have the same grid. The dtype is that of the scenes by
        default, or a wider one if integers need a nodata value.
    """

    def __init__(self, request: SourceRequest) -> None:
        self.skipped: list[str] = []
        self._closing = ExitStack()
        self._opened: tuple[File | None, Any] = None, None
        self._scenes = scenes = scenes_of(request.files, self._open, request.dtype)
        self.form = Form(
            "pixels",
            scenes.dims,
            scenes.shape[0],
            scenes.shape[1:],
            scenes.dtype,
            (scenes.dims.index("band"),),
            scenes.grain,
            dict(scenes.attributes),
            dict(scenes.beside),
        )

    def _open(self, file: File) -> Any:
        """Open a scene and close the previous one."""
        if self._opened[0] is not file:
            self.close()
            self._opened = file, self._closing.enter_context(opened_scene(file))
        return self._opened[1]

    def read(self, region: Region) -> Piece:
        *scenes, _, ys, xs = region
        which = scenes[0] if scenes else slice(0, 1)
        values = np.empty(tuple(s.stop - s.start for s in region), self.form.dtype)
        window = ((ys.start, ys.stop), (xs.start, xs.stop))
        for place, number in enumerate(range(which.start, which.stop)):
            scene = self._open(self._scenes.files[number])
            self._scenes.read(number, scene, window, values[place] if scenes else values)
        return Piece(values)

    def close(self) -> None:
        self._opened = None, None
        self._closing.close()
