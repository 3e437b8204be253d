"""GeoTIFF files and VRT, read by rasterio in windows: one scene, or several on the same grid."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.arrays import AnyArray
from streamkm.errors import DataError
from streamkm.files.find import File
from streamkm.rows.formats.base import FileArray, Region, stamp_of_files, unchanged
from streamkm.rows.formats.decoded import decoded_file
from streamkm.rows.formats.held import HeldArray
from streamkm.rows.formats.scenes import Scenes, opened_scene, scenes_of


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RasterArray(FileArray):
    """The bands of scenes, as ingest stores them.

    Parameters
    ----------
    scenes : Scenes
    sources : local files of which scenes of VRT consist
    """

    scenes: Scenes
    sources: tuple[File, ...] = ()

    @property
    def stamp(self) -> dict[str, Any]:
        return stamp_of_files((*self.files, *self.sources))

    def read(self, region: Region) -> AnyArray:
        *scenes, bands, ys, xs = region
        which = scenes[0] if scenes else slice(0, 1)
        lengths = [s.stop - s.start for s in region]
        lengths[-3] = self.shape[-3]
        values = np.empty(lengths, self.dtype)
        window = ((ys.start, ys.stop), (xs.start, xs.stop))
        for place, number in enumerate(range(which.start, which.stop)):
            file = self.files[number]
            with unchanged(file), opened_scene(file) as scene:
                self.scenes.read(number, scene, window, values[place] if scenes else values)
        return values[..., bands, :, :]

    def beside(self, name: str) -> FileArray | None:
        found = self.scenes.beside.get(name)
        return None if found is None else HeldArray.of(self.files, *found)


def open_geotiff(files: Sequence[File], name: str | None) -> FileArray:
    """Open rasters as one array of the dimensions (band, y, x), or (scene, band, y, x).

    Raises
    ------
    DataError
        If a variable is named, or the scenes differ in their grid or their bands.
    ReadError
        If a file cannot be read.
    """
    if name is not None:
        raise DataError(f"{files[0].path} is a single array; leave out the variable {name!r}.")
    sources = dict[str, File]()
    with ExitStack() as closing:

        def opened(file: File) -> Any:
            closing.pop_all().close()
            scene = closing.enter_context(opened_scene(file))
            if scene.driver == "VRT":
                paths = filter(os.path.isfile, scene.files[1:])
                sources.update({p: File.from_info(file.fs, p, file.fs.info(p)) for p in paths})
            return scene

        scenes = scenes_of(files, opened, None)
    stored = RasterArray(
        files=tuple(files),
        shape=scenes.shape,
        dtype=scenes.dtype,
        chunks=scenes.grain,
        dims=scenes.dims,
        attrs=scenes.attributes,
        scenes=scenes,
        sources=tuple(sources.values()),
    )
    return decoded_file(stored)


def find_geotiff(files: Sequence[File], name: str) -> None:
    """Return None: the bands of a raster are one array."""
